//! The push side, asked and looked at: `/metrics/export` and `/api/v1/exports`.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::ApiState;
use crate::engine::exports::Outcome;

/// One export to every enabled sink, now: 200 all delivered, 207 some, 502 none.
pub(super) async fn export(State(state): State<ApiState>) -> Response {
    let report = state.exports.on_demand(&state.reader, state.config.scrape_ttl).await;
    let status = match report.status {
        Outcome::Ok => StatusCode::OK,
        Outcome::Partial => StatusCode::MULTI_STATUS,
        Outcome::Failed => StatusCode::BAD_GATEWAY,
    };
    (status, Json(report)).into_response()
}

/// What is known of every enabled sink since the start.
pub(super) async fn records(State(state): State<ApiState>) -> Response {
    Json(json!({"sinks": state.exports.records()})).into_response()
}
