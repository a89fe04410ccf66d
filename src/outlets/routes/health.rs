//! Health for orchestrators: alive, ticking, fresh. Never asks for a token and never waits.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::RouteState;
use crate::base::clock::{Clock, SystemClock};
use crate::outlets::http::problem::HttpProblem;

/// The process answers. The platform's consoles and load balancers read this one.
pub(super) async fn health() -> Response {
    Json(json!({"status": "ok", "ts": SystemClock.now()})).into_response()
}

/// A tick began within three intervals, or waits for its source within the time limits of requests:
/// if not, only a restart helps.
pub(super) async fn live(State(state): State<RouteState>) -> Response {
    if state.reader.is_live() {
        return (StatusCode::OK, "ok\n").into_response();
    }
    HttpProblem::unavailable("no tick began within three intervals: the collector hangs").into_response()
}

/// A fresh snapshot exists: if not, numbers must not be asked of this replica.
pub(super) async fn ready(State(state): State<RouteState>) -> Response {
    if state.reader.is_ready() {
        return (StatusCode::OK, "ok\n").into_response();
    }
    let detail = if state.reader.latest().is_some() {
        "the newest snapshot is older than METRICS_STALE_AFTER_SEC: the source cannot be read"
    } else {
        "no snapshot was taken yet"
    };
    HttpProblem::unavailable(detail).into_response()
}
