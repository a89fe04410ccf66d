//! `/api/v1/problems`: what is wrong now, with its remedy. Answers without a fresh snapshot too: that is a problem itself.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use serde::Serialize;
use utoipa::ToSchema;

use super::RouteState;
use super::route::{Route, RouteClass};
use crate::analysis::state::Quality;
use crate::outlets::http::layers::compression;
use crate::problems::{ActiveProblem, ProblemRegistry};

pub(super) const PROBLEMS: Route = Route {
    path: "/api/v1/problems",
    aliases: &[],
    class: RouteClass::Normal,
    summary: "what is wrong now, since when, and what to do about it",
    methods: || get(problems).layer(compression()),
    describe: |route| route.json::<ProblemList>(StatusCode::OK, "the active problems"),
};

/// The active problems and the quality of the snapshot.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ProblemList {
    problems: Vec<ActiveProblem>,
    /// `ok`, `partial` or `scope_not_found`; null without a fresh snapshot.
    quality: Option<&'static str>,
}

async fn problems(State(state): State<RouteState>) -> Json<ProblemList> {
    let quality = state.reader.fresh().map(|snapshot| snapshot.state.quality);
    Json(problem_list(state.telemetry.problems(), quality))
}

/// `None` without a fresh snapshot.
pub(crate) fn problem_list(problems: &ProblemRegistry, quality: Option<Quality>) -> ProblemList {
    ProblemList { problems: problems.active(), quality: quality.map(Quality::as_str) }
}
