//! `/api/v1/lease`: which replica records and pushes, and how this one stands.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use serde::Serialize;
use utoipa::ToSchema;

use super::RouteState;
use super::route::{Route, RouteClass};
use crate::base::lease::{LeaseRecord, Standing};

pub(super) const LEASE: Route = Route {
    path: "/api/v1/lease",
    aliases: &[],
    class: RouteClass::Normal,
    summary: "which replica records and pushes",
    methods: || get(lease),
    describe: |route| route.json::<LeaseAnswer>(StatusCode::OK, "the lease as this replica sees it"),
};

/// Which replica records and pushes.
#[derive(Debug, Serialize, ToSchema)]
struct LeaseAnswer {
    standing: Standing,
    /// The record as this replica saw it last; null without one.
    lease: Option<LeaseRecord>,
    /// Times that this replica took the lease from another one; null where there is none.
    takeovers: Option<u64>,
    /// Why it acts alone although it should not.
    refused: Option<String>,
}

async fn lease(State(state): State<RouteState>) -> Json<LeaseAnswer> {
    let leadership = state.telemetry.leadership();
    Json(LeaseAnswer {
        standing: leadership.standing(),
        lease: leadership.record(),
        takeovers: leadership.takeovers(),
        refused: leadership.refused(),
    })
}
