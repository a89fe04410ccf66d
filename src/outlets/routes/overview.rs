//! `/api/v1/overview`: the page's facts in words, as `kdcube-metrics top` shows them.

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::routing::get;

use super::RouteState;
use super::description::texts;
use super::landing::with_inputs;
use super::route::{Route, RouteClass};
use crate::outlets::http::layers::compression;
use crate::outlets::page::overview::Overview;

pub(super) const OVERVIEW: Route = Route {
    path: "/api/v1/overview",
    aliases: &[],
    class: RouteClass::Normal,
    summary: "what this page says, as text for terminals; every worker with ?workers=all",
    methods: || get(overview).layer(compression()),
    describe: |route| {
        let route = route.json::<Overview>(StatusCode::OK, "the verdict, problems, decisions, numbers and workers");
        route.query("workers", texts(&[]), "`all` lists every worker")
    },
};

/// Answers without a fresh snapshot, too: the verdict says so.
async fn overview(State(state): State<RouteState>, uri: Uri) -> Json<Overview> {
    Json(with_inputs(&state, &uri, Overview::of))
}
