//! `/api/v1/lease`: which replica records and pushes, and how this one stands.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::json;

use super::RouteState;
use super::route::{Route, RouteClass};

pub(super) const LEASE: Route = Route {
    path: "/api/v1/lease",
    aliases: &[],
    class: RouteClass::Normal,
    summary: "which replica records and pushes",
    methods: || get(lease),
};

/// `standing` is `leader`, `follower` or `alone`; `lease` is the record as this replica saw it last, null without one.
async fn lease(State(state): State<RouteState>) -> Response {
    let leadership = state.telemetry.leadership();
    let (record, refused) = (leadership.record(), leadership.refused());
    let takeovers = leadership.takeovers();
    Json(json!({"standing": leadership.standing(), "lease": record, "takeovers": takeovers, "refused": refused}))
        .into_response()
}
