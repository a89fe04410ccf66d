//! The platform's own payload, with and without the envelope.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::RouteState;
use crate::outlets::http::problem::HttpProblem;
use crate::payload;
use crate::payload::shapes::SystemPayload;

#[derive(Serialize)]
struct SystemEnvelope {
    timestamp: f64,
    mode: &'static str,
    system: SystemPayload,
}

/// `{"timestamp", "mode", "system"}`.
pub(super) async fn combined(State(state): State<RouteState>) -> Result<Response, HttpProblem> {
    let snapshot = state.truth().await?;
    let body = SystemEnvelope {
        timestamp: snapshot.taken_at,
        mode: state.config.mode,
        system: payload::system(&snapshot.state),
    };
    Ok(Json(body).into_response())
}

/// The payload alone: both components are in it, whichever is asked for.
pub(super) async fn bare(State(state): State<RouteState>) -> Result<Response, HttpProblem> {
    let snapshot = state.truth().await?;
    Ok(Json(payload::system(&snapshot.state)).into_response())
}
