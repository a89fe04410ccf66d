//! The push side, asked and looked at: `/metrics/export` and `/api/v1/exports`.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::RouteState;
use crate::outlets::push::delivery::ExportOutcome;

/// One export to every enabled sink, now: 200 all delivered, 207 some, 502 none.
pub(super) async fn export(State(state): State<RouteState>) -> Response {
    let report = state.exports.on_demand(&state.reader, state.config.scrape_ttl).await;
    let status = match report.status {
        ExportOutcome::Ok => StatusCode::OK,
        ExportOutcome::Partial => StatusCode::MULTI_STATUS,
        ExportOutcome::Failed => StatusCode::BAD_GATEWAY,
    };
    (status, Json(report)).into_response()
}

/// What is known of every enabled sink since the start.
pub(super) async fn stats(State(state): State<RouteState>) -> Response {
    Json(json!({"sinks": state.exports.stats()})).into_response()
}
