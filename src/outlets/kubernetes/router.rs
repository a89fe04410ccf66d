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
    use std::time::Duration;

    use axum::body::{Body, to_bytes};
    use axum::http::Request;
    use tokio::time::Instant;
    use tower::ServiceExt;

    use super::*;
    use crate::engine::snapshot;

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

    /// A router of a server whose interval is a second and whose snapshots are stale after ten.
    fn serve(access: AccessRule) -> (Router, snapshot::Publisher) {
        let (publisher, reader) = snapshot::channel(Duration::from_secs(1), Duration::from_secs(10));
        let state =
            KubernetesState { reader, mapping: Arc::default(), telemetry: Arc::default(), access, authorizer: None };
        (router(state), publisher)
    }

    /// Status and body of an answer.
    async fn ask(router: &Router, path: &str) -> (u16, Value) {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let response = router.clone().oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        let body = to_bytes(response.into_body(), 1_000_000).await.unwrap();
        (status, serde_json::from_slice(&body).unwrap_or_default())
    }

    #[tokio::test(start_paused = true)]
    async fn health_needs_no_certificate_and_follows_ticks_and_snapshots() {
        let (router, publisher) = serve(AccessRule::new(Vec::new().into(), true));
        let began = Instant::now();
        for (millis, live, ready) in
            [(3000, 200, 503), (3001, 503, 503), (4000, 503, 200), (14_000, 503, 200), (14_001, 503, 503)]
        {
            tokio::time::sleep_until(began + Duration::from_millis(millis)).await;
            if millis == 4000 {
                let (id, taken) = (snapshot::RunId::random().snapshot(1), Instant::now());
                publisher.publish(Arc::new(snapshot::Snapshot { id, taken_at: 1.0, taken, state: Arc::default() }));
            }
            let mut found = Vec::new();
            for path in ["/livez", "/healthz", "/readyz"] {
                found.push(ask(&router, path).await.0);
            }
            assert_eq!(found, [live, live, ready], "{millis}");
        }
        for path in ["/apis", GROUP, VERSION, "/openapi/v2", "/nowhere"] {
            assert_eq!(ask(&router, path).await.0, 403, "{path}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn every_error_is_a_status_of_kubernetes_and_the_metric_is_looked_at_before_the_snapshot() {
        let (router, _publisher) = serve(AccessRule::new(Vec::new().into(), false));
        let metric = |rest: &str| format!("{VERSION}/namespaces/kdcube/{rest}");
        for (path, status, reason, message) in [
            ("/nowhere".to_owned(), 404, "NotFound", "there is no such path"),
            (metric("kdcube_nothing"), 404, "NotFound", "there is no metric"),
            (metric("kdcube_proc_queue_total?labelSelector=%21%21"), 400, "BadRequest", ""),
            (metric("kdcube_proc_queue_total"), 503, "ServiceUnavailable", "there is no fresh snapshot"),
        ] {
            let (found, body) = ask(&router, &path).await;
            assert_eq!((found, &body["kind"], &body["code"]), (status, &"Status".into(), &status.into()), "{path}");
            assert_eq!(body["reason"], reason, "{path}");
            assert!(body["message"].as_str().unwrap().contains(message), "{body}");
        }
        assert_eq!(ask(&router, "/apis/").await, ask(&router, "/apis").await);
    }
}
