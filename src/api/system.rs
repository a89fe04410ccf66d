//! The platform's own payload, with and without the envelope.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::ApiState;
use super::problem::Problem;
use crate::monitoring::SystemMonitoring;

#[derive(Serialize)]
struct Combined<'a> {
    timestamp: f64,
    mode: &'static str,
    system: &'a SystemMonitoring,
}

/// `{"timestamp", "mode", "system"}`.
pub(super) async fn combined(State(state): State<ApiState>) -> Result<Response, Problem> {
    let snapshot = state.truth().await?;
    let body = Combined { timestamp: snapshot.taken_at, mode: state.config.mode, system: &snapshot.monitoring };
    Ok(Json(body).into_response())
}

/// The payload alone: both components are in it, whichever is asked for.
pub(super) async fn bare(State(state): State<ApiState>) -> Result<Response, Problem> {
    let snapshot = state.truth().await?;
    Ok(Json(&snapshot.monitoring).into_response())
}
