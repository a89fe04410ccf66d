//! What follows from the list of routes: answers, labels, access, redirects, limits and the page.

use std::collections::BTreeSet;

use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode, header};
use axum::response::Response;
use serde_json::Value;
use tower::ServiceExt;

use super::*;
use crate::base::clock::SystemClock;
use crate::engine::snapshot;
use crate::outlets::http::auth::Tokens;
use crate::telemetry::Observed;

const TOKEN: &str = "Bearer hunter2";

pub(super) struct Routes {
    router: Router,
    pub(super) telemetry: Arc<Telemetry>,
    publisher: snapshot::Publisher,
}

impl Routes {
    /// Without a snapshot and without sinks; routes that need access need [`TOKEN`].
    fn new() -> Self {
        Self::with_client_events(true)
    }

    pub(super) fn with_client_events(client_events: bool) -> Self {
        let telemetry = Arc::new(Telemetry::default());
        let (publisher, reader) = snapshot::channel(Duration::from_secs(1), Duration::from_secs(10));
        let exports = Exports::new(Vec::new(), &telemetry, Arc::new(SystemClock), Duration::from_secs(1));
        let config = RouteConfig {
            mapping: Arc::default(),
            scrape_ttl: Duration::from_secs(1),
            access: AccessRule::new(Tokens::from(vec!["hunter2".into()]), false),
            client_events,
            scope: "acme/chat".to_owned(),
            place: "Redis 10.0.0.5:6379/0".to_owned(),
            scheme: "http",
            mode: "redis",
            request_timeout: Duration::from_secs(1),
        };
        let state = RouteState::new(reader, Arc::clone(&telemetry), Arc::new(exports), config);
        Self { router: router(state), telemetry, publisher }
    }

    async fn send(&self, method: &str, uri: &str, token: Option<&str>) -> Response {
        let request = Request::builder().method(method).uri(uri);
        let request = token.into_iter().fold(request, |request, token| request.header(header::AUTHORIZATION, token));
        self.respond(request.body(Body::empty()).unwrap()).await
    }

    pub(super) async fn respond(&self, request: Request<Body>) -> Response {
        self.router.clone().oneshot(request).await.unwrap()
    }

    fn counted(&self, label: &'static str, status: StatusCode) -> u64 {
        let requests = self.telemetry.own_state(Observed::default()).http.requests;
        requests.get(&(label, status.as_u16())).copied().unwrap_or(0)
    }
}

fn paths() -> impl Iterator<Item = (&'static Route, &'static str)> {
    ROUTES.iter().flat_map(|route| route.paths().map(move |path| (route, path)))
}

/// A path of the list with a value for its parameter.
fn example(path: &str) -> String {
    path.replace("{key}", "proc.queue.total")
}

/// A method that a route has.
fn method(route: &Route) -> &'static str {
    if route.class.methods().iter().any(|(name, _)| *name == "get") { "GET" } else { "POST" }
}

/// The document that a client gets.
async fn described(routes: &Routes) -> Value {
    let response = routes.send("GET", "/openapi.json", Some(TOKEN)).await;
    assert_eq!(response.status(), StatusCode::OK);
    serde_json::from_slice(&to_bytes(response.into_body(), 1_000_000).await.unwrap()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn every_route_with_its_methods_is_described_and_nothing_else() {
    let routes = Routes::new();
    let document = described(&routes).await;
    let described = document["paths"].as_object().unwrap();
    assert!(described.keys().map(String::as_str).eq(paths().map(|(_, path)| path).collect::<BTreeSet<_>>()));
    let mut ids = BTreeSet::new();
    for (path, item) in described {
        for name in ["get", "put", "post", "delete", "patch"] {
            let status = routes.send(&name.to_uppercase(), &example(path), Some(TOKEN)).await.status();
            let is_served = status != StatusCode::METHOD_NOT_ALLOWED;
            assert_eq!(item.get(name).is_some(), is_served, "{name} {path}: {status}");
            let Some(operation) = item.get(name) else { continue };
            assert!(ids.insert(operation["operationId"].to_string()), "{operation}");
            assert!(operation["responses"].get(status.as_str()).is_some(), "{name} {path}: {status}");
        }
    }
}

#[test]
fn the_document_of_the_api_lists_every_route_with_its_methods() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/api.md")).unwrap();
    for (route, path) in paths() {
        let methods: Vec<String> = route.class.methods().iter().map(|(name, _)| name.to_uppercase()).collect();
        let of_path = |row: &&str| row.starts_with("| `/") && row.contains(&format!("`{path}`"));
        let row = page.lines().find(of_path).unwrap_or_else(|| panic!("{path} is not in docs/api.md"));
        assert!(row.contains(&format!("| {} |", methods.join(", "))), "{row}");
    }
}

#[tokio::test]
async fn what_needs_access_is_described_so_and_every_error_is_a_problem() {
    let document = described(&Routes::new()).await;
    for (route, path) in paths() {
        for (name, _) in route.class.methods() {
            let operation = &document["paths"][path][name];
            assert_eq!(operation.get("security").is_some(), route.class.needs_access(), "{name} {path}");
            let errors = ["401", "403"].map(|status| operation["responses"].get(status).is_some());
            assert_eq!(errors.contains(&true), route.class.needs_access() || path == "/login", "{name} {path}");
            let problem = &operation["responses"]["503"]["content"]["application/problem+json"]["schema"]["$ref"];
            assert_eq!(problem, "#/components/schemas/ProblemDetails");
        }
    }
    assert_eq!(document["components"]["securitySchemes"]["bearer"]["scheme"], "bearer");
}

#[test]
fn every_schema_that_is_referred_to_is_there_in_both_modes() {
    for is_proxy in [false, true] {
        let document = serde_json::to_value(openapi::document(is_proxy)).unwrap();
        let text = document.to_string();
        let names = text.split("#/components/schemas/").skip(1).filter_map(|rest| rest.split('"').next());
        let names: BTreeSet<&str> = names.collect();
        let schemas: BTreeSet<&str> =
            document["components"]["schemas"].as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(names, schemas);
        let sides = |name: &str| document["components"]["schemas"].get(name).is_some();
        assert_eq!([sides("SystemPayload"), sides("UpstreamEnvelope")], [!is_proxy, is_proxy]);
    }
}

#[tokio::test(start_paused = true)]
async fn every_path_answers_under_its_own_label() {
    for (route, path) in paths() {
        let routes = Routes::new();
        let status = routes.send(method(route), &example(path), Some(TOKEN)).await.status();
        assert!(![StatusCode::NOT_FOUND, StatusCode::METHOD_NOT_ALLOWED].contains(&status), "{path}: {status}");
        assert_eq!(routes.counted(path, status), 1, "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn health_and_client_events_are_public_and_everything_else_needs_access() {
    let public: Vec<&str> = paths().filter(|(route, _)| !route.class.needs_access()).map(|(_, path)| path).collect();
    let health = ["/health", "/livez", "/healthz", "/-/healthy", "/readyz", "/-/ready"];
    assert_eq!(public, [&["/login", "/api/events/client"][..], &health].concat());
    let routes = Routes::new();
    for (route, path) in paths() {
        for uri in [example(path), example(path) + "/"] {
            let response = routes.send(method(route), &uri, None).await;
            // The login rejects too, and with a page.
            let rejected = response.headers().contains_key(header::WWW_AUTHENTICATE);
            assert_eq!(rejected, !public.contains(&path), "{uri}");
        }
    }
    for (method, uri) in [("GET", "/nowhere"), ("GET", "/health/nowhere"), ("POST", "/metrics"), ("GET", "//")] {
        assert_eq!(routes.send(method, uri, None).await.status(), StatusCode::UNAUTHORIZED, "{method} {uri}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_slash_at_the_end_redirects_to_the_path_without_it() {
    let routes = Routes::new();
    for (_, path) in paths().filter(|(_, path)| *path != "/") {
        for method in ["GET", "HEAD", "POST", "DELETE"] {
            for query in ["", "?a=1&b=/"] {
                let to = example(path);
                let response = routes.send(method, &format!("{to}/{query}"), Some(TOKEN)).await;
                assert_eq!(response.status(), StatusCode::TEMPORARY_REDIRECT, "{method} {path}/");
                assert_eq!(response.headers()[header::LOCATION], format!("{to}{query}"));
            }
        }
        assert_eq!(routes.counted(path, StatusCode::TEMPORARY_REDIRECT), 8, "{path}");
    }
    // Never to another host, and only from one slash.
    for uri in ["//metrics/", "/metrics//", "//evil.example/", "/%2Fmetrics/"] {
        assert_eq!(routes.send("GET", uri, Some(TOKEN)).await.status(), StatusCode::NOT_FOUND, "{uri}");
    }
}

#[tokio::test(start_paused = true)]
async fn other_paths_and_methods_get_a_problem() {
    let routes = Routes::new();
    for (method, uri, status, label) in [
        ("GET", "/nowhere", StatusCode::NOT_FOUND, "other"),
        ("GET", "/metrics/other", StatusCode::NOT_FOUND, "other"),
        ("POST", "/metrics", StatusCode::METHOD_NOT_ALLOWED, "/metrics"),
        ("DELETE", "/health", StatusCode::METHOD_NOT_ALLOWED, "/health"),
        ("PUT", "/metrics/export", StatusCode::METHOD_NOT_ALLOWED, "/metrics/export"),
        ("GET", "/api/events/client", StatusCode::METHOD_NOT_ALLOWED, "/api/events/client"),
    ] {
        let before = routes.counted(label, status);
        let response = routes.send(method, uri, Some(TOKEN)).await;
        assert_eq!(response.status(), status, "{method} {uri}");
        assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
        assert_eq!(response.headers()[header::CACHE_CONTROL], "no-store");
        assert_eq!(routes.counted(label, status), before + 1);
    }
}

#[tokio::test]
async fn the_page_lists_every_route_and_links_to_all_that_have_no_effect() {
    let page = Routes::new().send("GET", "/", Some(TOKEN)).await;
    let page = to_bytes(page.into_body(), 1_000_000).await.unwrap();
    let page = String::from_utf8_lossy(&page);
    for (route, path) in paths() {
        assert!(page.contains(path) && page.contains(route.summary), "{path}");
    }
    let links = ROUTES.iter().filter(|route| page.contains(&format!("href=\"{}\"", example(route.path))));
    assert_eq!(links.count(), ROUTES.len() - 3);
    assert!(!page.contains("href=\"/metrics/export\""), "a link would export");
    assert!(!page.contains("href=\"/api/events/client\"") && !page.contains("href=\"/login\""), "they have no GET");
}

#[tokio::test(start_paused = true)]
async fn health_follows_ticks_and_snapshots_and_says_what_is_wrong() {
    use snapshot::{RunId, Snapshot};
    let (routes, began) = (Routes::new(), tokio::time::Instant::now());
    let publish = || {
        let (id, taken) = (RunId::random().snapshot(1), tokio::time::Instant::now());
        routes.publisher.publish(Arc::new(Snapshot { id, taken_at: 1.0, taken, state: Arc::default() }));
    };
    // The interval is a second, and a snapshot is stale after ten.
    for (millis, live, ready, wrong) in [
        (3000, 200, 503, "no snapshot has been taken yet"),
        (3001, 503, 503, "no tick began within three intervals"),
        (4000, 503, 200, "the collector hangs"),
        (14_000, 503, 200, "the collector hangs"),
        (14_001, 503, 503, "older than METRICS_STALE_AFTER_SEC"),
    ] {
        tokio::time::sleep_until(began + Duration::from_millis(millis)).await;
        if millis == 4000 {
            publish();
        }
        let (mut statuses, mut texts) = (Vec::new(), String::new());
        for path in ["/health", "/livez", "/readyz"] {
            let response = routes.send("GET", path, None).await;
            statuses.push(response.status().as_u16());
            texts += &String::from_utf8_lossy(&to_bytes(response.into_body(), 10_000).await.unwrap());
        }
        assert_eq!(statuses, [200, live, ready], "{millis}");
        assert!(texts.contains(wrong), "{millis}: {texts}");
    }
}
