//! `/api/v1/problems`: what is wrong now, with its remedy. Answers without a fresh snapshot too: that is a problem itself.

use axum::Json;
use axum::extract::State;
use axum::routing::get;
use serde_json::{Value, json};

use super::RouteState;
use super::route::{Route, RouteClass};
use crate::analysis::state::Quality;
use crate::outlets::http::layers::compression;
use crate::problems::ProblemRegistry;

pub(super) const PROBLEMS: Route = Route {
    path: "/api/v1/problems",
    aliases: &[],
    class: RouteClass::Normal,
    summary: "what is wrong now, since when, and what to do about it",
    methods: || get(problems).layer(compression()),
};

async fn problems(State(state): State<RouteState>) -> Json<Value> {
    let quality = state.reader.fresh().map(|snapshot| snapshot.state.quality);
    Json(problem_list(state.telemetry.problems(), quality))
}

/// The active problems and the quality of the snapshot; `None` without a fresh one.
pub(crate) fn problem_list(problems: &ProblemRegistry, quality: Option<Quality>) -> Value {
    json!({"problems": problems.active(), "quality": quality.map(Quality::as_str)})
}
