//! `/openapi.json`: every route of this list as an OpenAPI 3.1 document, for generators of clients and for tests.

use std::sync::LazyLock;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use utoipa::openapi::path::{Operation, PathItemBuilder};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{
    Components, ComponentsBuilder, HttpMethod, Info, InfoBuilder, OpenApi, OpenApiBuilder, PathItem, PathsBuilder,
};

use super::description::{BEARER, Description, JSON, SESSION, Schemas};
use super::route::{Route, RouteClass};
use super::{ROUTES, RouteState};
use crate::outlets::http::layers::compression;
use crate::outlets::http::session;

pub(super) const OPENAPI: Route = Route {
    path: "/openapi.json",
    aliases: &[],
    class: RouteClass::Normal,
    summary: "this API as OpenAPI 3.1",
    methods: || get(described).layer(compression()),
    describe: |route| route.body(StatusCode::OK, JSON, "an OpenAPI document"),
};

async fn described(State(state): State<RouteState>) -> Json<&'static OpenApi> {
    // Made once: it takes milliseconds.
    static COMPUTED: LazyLock<OpenApi> = LazyLock::new(|| document(false));
    static PROXIED: LazyLock<OpenApi> = LazyLock::new(|| document(true));
    Json(if state.replies.is_some() { &PROXIED } else { &COMPUTED })
}

/// The document of a server in proxy mode, or of one in any other mode.
pub(super) fn document(is_proxy: bool) -> OpenApi {
    let (mut paths, mut schemas) = (PathsBuilder::new(), Schemas::new());
    for route in ROUTES {
        let description = (route.describe)(Description::new(is_proxy)).of_class(route.class);
        let (operation, used) = description.into_parts(route.summary);
        schemas.extend(used);
        for path in route.paths() {
            paths = paths.path(path, path_item(path, route.class, &operation));
        }
    }
    let components = components(schemas);
    OpenApiBuilder::new().info(info()).paths(paths).components(Some(components)).build()
}

fn info() -> Info {
    let description =
        "The HTTP API of kdcube-metrics. Every error is a problem of RFC 9457. Other paths are 404, other methods 405.";
    let info = InfoBuilder::new().title("kdcube-metrics").version(env!("CARGO_PKG_VERSION"));
    info.description(Some(description)).build()
}

fn components(schemas: Schemas) -> Components {
    let bearer = Http::builder()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some("a token of METRICS_AUTH_TOKEN; none is needed where that is empty"));
    let session =
        ApiKeyValue::with_description(session::NAME, "the cookie that POST /login answers with: for reading only");
    ComponentsBuilder::new()
        .schemas_from_iter(schemas)
        .security_scheme(BEARER, SecurityScheme::Http(bearer.build()))
        .security_scheme(SESSION, SecurityScheme::ApiKey(ApiKey::Cookie(session)))
        .build()
}

/// GET includes HEAD.
fn path_item(path: &str, class: RouteClass, operation: &Operation) -> PathItem {
    let methods = class.methods().iter();
    let add = |item: PathItemBuilder, (name, method): &(&str, HttpMethod)| {
        let mut operation = operation.clone();
        operation.operation_id = Some(id(name, path));
        item.operation(method.clone(), operation)
    };
    methods.fold(PathItemBuilder::new(), add).build()
}

/// `get_api_v1_signals`.
fn id(method: &str, path: &str) -> String {
    let words = path.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    std::iter::once(method).chain(words).collect::<Vec<_>>().join("_")
}
