//! What the platform's console reads from ingress: `/monitoring/system`, and the circuit breakers without their reset.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::route::{Route, RouteClass};
use super::{RouteState, upstreams};
use crate::outlets::http::layers::compression;
use crate::outlets::http::problem::HttpProblem;
use crate::payload;
use crate::payload::shapes::{CircuitBreakersView, ConsoleSections};
use crate::platform::facts::Component;

pub(super) const SYSTEM: Route = Route {
    path: "/monitoring/system",
    aliases: &[],
    class: RouteClass::Normal,
    summary: "the payload as ingress shows it to the platform's console",
    methods: || get(system).layer(compression()),
    describe: |route| {
        route.json_of_platform::<ConsoleSections>(
            "these sections in the console's form, and all others of `SystemPayload`",
        )
    },
};

pub(super) const CIRCUIT_BREAKERS: Route = Route {
    path: "/admin/circuit-breakers",
    aliases: &[],
    class: RouteClass::Normal,
    summary: "the circuit breakers and how many are open",
    methods: || get(circuit_breakers).layer(compression()),
    describe: |route| route.json::<CircuitBreakersView>(StatusCode::OK, "the circuit breakers"),
};

/// Computed here, or in proxy mode the body of ingress.
async fn system(State(state): State<RouteState>) -> Result<Response, HttpProblem> {
    if let Some(replies) = &state.replies {
        return upstreams::component(&state, replies, Component::Ingress).await;
    }
    let snapshot = state.fresh().await?;
    let unshowable = |error: serde_json::Error| HttpProblem::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string());
    Ok(Json(payload::console(&snapshot.state).map_err(unshowable)?).into_response())
}

/// From the snapshot in every mode: which upstream's circuits count is decided there.
async fn circuit_breakers(State(state): State<RouteState>) -> Result<Response, HttpProblem> {
    let snapshot = state.fresh().await?;
    Ok(Json(payload::circuit_breakers(&snapshot.state)).into_response())
}
