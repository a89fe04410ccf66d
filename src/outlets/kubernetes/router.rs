//! The routes that a Kubernetes API server asks.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri};
use axum::middleware::from_fn_with_state;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::Value;

use super::authorization::authorize;
use super::cluster::Cluster;
use super::selector::Selector;
use super::{document, item};
use crate::engine::snapshot::SnapshotReader;
use crate::outlets::http::gate::{AccessRule, RequestCounter, Sessions};
use crate::outlets::http::layers;
use crate::outlets::http::limits::Budget;
use crate::outlets::names::Mapping;
use crate::telemetry::Telemetry;

const GROUP: &str = "/apis/external.metrics.k8s.io";
const VERSION: &str = "/apis/external.metrics.k8s.io/v1beta1";
const METRIC: &str = "/apis/external.metrics.k8s.io/v1beta1/namespaces/{namespace}/{metric}";

/// What the routes are made of.
#[derive(Debug, Clone)]
pub struct KubernetesState {
    pub reader: SnapshotReader,
    pub mapping: Arc<Mapping>,
    pub telemetry: Arc<Telemetry>,
    /// What every request but those for health needs: the certificate of the API server.
    pub access: AccessRule,
    /// The cluster that authorizes each request; `None` = the API server alone does.
    pub authorizer: Option<Arc<Cluster>>,
}

/// The router.
pub fn router(state: KubernetesState) -> Router {
    let counter = RequestCounter::new(Arc::clone(&state.telemetry), Arc::from([GROUP, VERSION, METRIC]));
    let guarded = Router::new()
        .route("/apis", get(async || Json(document::groups())))
        // As some clients ask.
        .route("/apis/", get(async || Json(document::groups())))
        .route(GROUP, get(async || Json(document::api_group())))
        .route(VERSION, get(resources))
        .route(METRIC, get(metric))
        .route("/openapi/v2", get(async || Json(document::openapi())))
        .fallback(async || document::Status::new(StatusCode::NOT_FOUND, "NotFound", "there is no such path"));
    let guarded = guarded.layer(from_fn_with_state(state.authorizer.clone(), authorize));
    let guarded = layers::limit(guarded, Budget::normal(std::time::Duration::ZERO));
    let guarded = layers::require_access(guarded, &state.access, Sessions::Ignored, state.telemetry.problems());
    let health = Router::new().route("/livez", get(live)).route("/readyz", get(ready)).route("/healthz", get(live));
    layers::common(guarded.merge(health), counter).with_state(state)
}

async fn resources(State(state): State<KubernetesState>) -> Json<Value> {
    Json(document::resources(&state.mapping))
}

async fn metric(
    State(state): State<KubernetesState>,
    Path((_, name)): Path<(String, String)>,
    uri: Uri,
) -> Result<Json<Value>, document::Status> {
    let invalid = |problem: String| document::Status::new(StatusCode::BAD_REQUEST, "BadRequest", problem);
    let selector = Selector::parse(&label_selector(&uri)).map_err(invalid)?;
    let metric = item::find(&name, &state.mapping)?;
    let snapshot = state.reader.fresh().ok_or_else(|| {
        let message = "there is no fresh snapshot: the source cannot be read; see the log of kdcube-metrics";
        document::Status::new(StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable", message)
    })?;
    item::item(metric, &name, &selector, &snapshot).map(|item| Json(document::list(&item)))
}

/// Of the query; empty where there is none.
fn label_selector(uri: &Uri) -> String {
    let pairs = url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
    pairs.filter(|(name, _)| name == "labelSelector").map(|(_, text)| text.into_owned()).next().unwrap_or_default()
}

async fn live(State(state): State<KubernetesState>) -> StatusCode {
    if state.reader.is_live() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }
}

async fn ready(State(state): State<KubernetesState>) -> StatusCode {
    if state.reader.is_ready() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_selector_is_the_first_of_that_name_decoded() {
        for (query, expected) in [
            ("", ""),
            ("?limit=5", ""),
            ("?limit=5&labelSelector=role%3Dpaid%2Ctenant%3Da", "role=paid,tenant=a"),
            ("?labelSelector=a&labelSelector=b", "a"),
        ] {
            assert_eq!(label_selector(&format!("/x{query}").parse().unwrap()), expected);
        }
    }
}
