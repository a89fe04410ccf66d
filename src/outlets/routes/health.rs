//! Health for orchestrators: the process runs, ticks, and has a fresh snapshot. Needs no token and never waits.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Serialize;
use utoipa::ToSchema;

use super::RouteState;
use super::description::TEXT;
use super::route::{Route, RouteClass};
use crate::base::clock::{Clock, SystemClock, UnixSeconds};
use crate::outlets::http::problem::HttpProblem;

pub(super) const HEALTH: Route = Route {
    path: "/health",
    aliases: &[],
    class: RouteClass::Health,
    summary: "the process answers",
    methods: || get(health),
    describe: |route| route.json::<Health>(StatusCode::OK, "the process answers"),
};

pub(super) const LIVE: Route = Route {
    path: "/livez",
    aliases: &["/healthz", "/-/healthy"],
    class: RouteClass::Health,
    summary: "a tick began within three intervals",
    methods: || get(live),
    describe: |route| {
        route.body(StatusCode::OK, TEXT, "ok").problem(StatusCode::SERVICE_UNAVAILABLE, "only a restart helps")
    },
};

pub(super) const READY: Route = Route {
    path: "/readyz",
    aliases: &["/-/ready"],
    class: RouteClass::Health,
    summary: "a fresh snapshot exists",
    methods: || get(ready),
    describe: |route| {
        route.body(StatusCode::OK, TEXT, "ok").problem(StatusCode::SERVICE_UNAVAILABLE, "there is no fresh snapshot")
    },
};

/// The process answers. The platform's consoles and load balancers read this one.
async fn health() -> Json<Health> {
    Json(Health { status: "ok", ts: SystemClock.now() })
}

#[derive(Debug, Serialize, ToSchema)]
struct Health {
    /// Always `ok`.
    status: &'static str,
    /// Unix seconds.
    #[schema(value_type = f64)]
    ts: UnixSeconds,
}

/// A tick began within three intervals, or waits for its source within the time limits of requests.
/// Otherwise only a restart helps.
async fn live(State(state): State<RouteState>) -> Response {
    if state.reader.is_live() {
        return (StatusCode::OK, "ok\n").into_response();
    }
    HttpProblem::unavailable("no tick began within three intervals: the collector hangs").into_response()
}

/// A fresh snapshot exists: without one this replica has no numbers to serve.
async fn ready(State(state): State<RouteState>) -> Response {
    if state.reader.is_ready() {
        return (StatusCode::OK, "ok\n").into_response();
    }
    let detail = if state.reader.latest().is_some() {
        "the newest snapshot is older than METRICS_STALE_AFTER_SEC: the source cannot be read"
    } else {
        "no snapshot has been taken yet"
    };
    HttpProblem::unavailable(detail).into_response()
}
