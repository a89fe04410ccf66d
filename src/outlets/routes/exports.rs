//! The push side over HTTP: `/metrics/export` starts an export, `/api/v1/exports` reports on them.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::json;

use super::RouteState;
use super::route::{Route, RouteClass};
use crate::outlets::http::layers::compression;
use crate::outlets::push::delivery::ExportOutcome;

pub(super) const STATS: Route = Route {
    path: "/api/v1/exports",
    aliases: &[],
    class: RouteClass::Normal,
    summary: "statistics of each enabled sink",
    methods: || get(stats).layer(compression()),
};

pub(super) const EXPORT: Route = Route {
    path: "/metrics/export",
    aliases: &[],
    class: RouteClass::Export,
    summary: "exports to every enabled sink now",
    methods: || get(export).post(export).layer(compression()),
};

/// One export to every enabled sink: 200 all delivered, 207 some, 502 none.
async fn export(State(state): State<RouteState>) -> Response {
    let report = state.exports.on_demand(&state.reader, state.config.scrape_ttl).await;
    let status = match report.status {
        ExportOutcome::Ok => StatusCode::OK,
        ExportOutcome::Partial => StatusCode::MULTI_STATUS,
        ExportOutcome::Failed => StatusCode::BAD_GATEWAY,
    };
    (status, Json(report)).into_response()
}

/// Statistics of each enabled sink since the start.
async fn stats(State(state): State<RouteState>) -> Response {
    Json(json!({"sinks": state.exports.stats()})).into_response()
}
