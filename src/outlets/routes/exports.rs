//! The push side over HTTP: `/metrics/export` starts an export, `/api/v1/exports` reports on them.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Serialize;
use utoipa::ToSchema;

use super::RouteState;
use super::route::{Route, RouteClass};
use crate::outlets::http::layers::compression;
use crate::outlets::push::delivery::{ExportOutcome, Report, SinkStats};

pub(super) const STATS: Route = Route {
    path: "/api/v1/exports",
    aliases: &[],
    class: RouteClass::Normal,
    summary: "statistics of each enabled sink",
    methods: || get(stats).layer(compression()),
    describe: |route| route.json::<ExportStats>(StatusCode::OK, "every enabled sink"),
};

pub(super) const EXPORT: Route = Route {
    path: "/metrics/export",
    aliases: &[],
    class: RouteClass::Export,
    summary: "exports to every enabled sink now",
    methods: || get(export).post(export).layer(compression()),
    describe: |route| {
        route
            .json::<Report>(StatusCode::OK, "all was delivered")
            .json::<Report>(StatusCode::MULTI_STATUS, "some sinks failed")
            .json::<Report>(StatusCode::BAD_GATEWAY, "all sinks failed")
    },
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
#[derive(Debug, Serialize, ToSchema)]
struct ExportStats {
    sinks: Vec<SinkStats>,
}

async fn stats(State(state): State<RouteState>) -> Json<ExportStats> {
    Json(ExportStats { sinks: state.exports.stats() })
}
