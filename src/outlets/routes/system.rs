//! The platform's own system payload: computed here, or in proxy mode the bodies of the upstreams.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Serialize;
use utoipa::ToSchema;

use super::route::{Route, RouteClass};
use super::upstreams::UpstreamEnvelope;
use super::{RouteState, upstreams};
use crate::outlets::http::layers::compression;
use crate::outlets::http::problem::HttpProblem;
use crate::payload;
use crate::payload::shapes::SystemPayload;
use crate::platform::facts::Component;

pub(super) const COMBINED: Route = Route {
    path: "/metrics/combined",
    aliases: &[],
    class: RouteClass::Normal,
    summary: "the whole system payload with its envelope",
    methods: || get(combined).layer(compression()),
    describe: |route| route.json_by_mode::<SystemEnvelope, UpstreamEnvelope>("the payload"),
};

pub(super) const INGRESS: Route = Route {
    path: "/metrics/ingress/system",
    aliases: &[],
    class: RouteClass::Normal,
    summary: "the payload alone",
    methods: || get(ingress).layer(compression()),
    describe: |route| route.json_of_platform::<SystemPayload>("the payload"),
};

pub(super) const PROC: Route = Route {
    path: "/metrics/proc/system",
    aliases: &[],
    class: RouteClass::Normal,
    summary: "the payload alone",
    methods: || get(proc).layer(compression()),
    describe: |route| route.json_of_platform::<SystemPayload>("the payload"),
};

/// The payload, computed here.
#[derive(Serialize, ToSchema)]
struct SystemEnvelope {
    /// The tick's time, Unix seconds.
    timestamp: f64,
    mode: &'static str,
    system: SystemPayload,
}

/// `{"timestamp", "mode", "system"}`; in proxy mode `{"timestamp", "mode", "ingress", "proc"}`.
async fn combined(State(state): State<RouteState>) -> Result<Response, HttpProblem> {
    if let Some(replies) = &state.replies {
        return upstreams::combined(&state, replies).await;
    }
    let snapshot = state.fresh().await?;
    let body = SystemEnvelope {
        timestamp: snapshot.taken_at,
        mode: state.config.mode,
        system: payload::system(&snapshot.state),
    };
    Ok(Json(body).into_response())
}

async fn ingress(State(state): State<RouteState>) -> Result<Response, HttpProblem> {
    bare(&state, Component::Ingress).await
}

async fn proc(State(state): State<RouteState>) -> Result<Response, HttpProblem> {
    bare(&state, Component::Proc).await
}

/// The payload alone. Computed here it holds both components on either path.
async fn bare(state: &RouteState, component: Component) -> Result<Response, HttpProblem> {
    if let Some(replies) = &state.replies {
        return upstreams::component(state, replies, component).await;
    }
    let snapshot = state.fresh().await?;
    Ok(Json(payload::system(&snapshot.state)).into_response())
}
