//! Proxy mode's system routes: what the upstreams told in the newest tick, as they told it.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::value::RawValue;

use super::RouteState;
use crate::config::Mode;
use crate::outlets::http::problem::HttpProblem;
use crate::platform::facts::Component;
use crate::sources::proxy::config::ProxyConfig;
use crate::sources::proxy::{UpstreamError, UpstreamReplies, UpstreamReply};

/// Ingress' body, unchanged.
pub(super) async fn ingress(State(state): State<RouteState>) -> Result<Response, HttpProblem> {
    body(&state, Component::Ingress).await
}

/// The processor's body, unchanged.
pub(super) async fn proc(State(state): State<RouteState>) -> Result<Response, HttpProblem> {
    body(&state, Component::Proc).await
}

async fn body(state: &RouteState, component: Component) -> Result<Response, HttpProblem> {
    match newest(state).await?.of(component) {
        UpstreamReply::Body(body) => {
            let json = HeaderValue::from_static("application/json");
            Ok(([(header::CONTENT_TYPE, json)], body.clone()).into_response())
        }
        UpstreamReply::Failed(error) => Err(HttpProblem::new(status(error), error.to_string())),
        UpstreamReply::NotConfigured => Err(HttpProblem::new(StatusCode::BAD_REQUEST, not_configured(component))),
    }
}

/// `{"timestamp", "mode", "ingress", "proc"}`; a side that told nothing says why. 502 if neither did.
pub(super) async fn combined(State(state): State<RouteState>) -> Result<Response, HttpProblem> {
    let answers = newest(&state).await?;
    let body = UpstreamEnvelope::of(&answers);
    let told = [&body.ingress, &body.proc].into_iter().any(|side| matches!(side, Side::ParsedPayload(_)));
    Ok((if told { StatusCode::OK } else { StatusCode::BAD_GATEWAY }, Json(body)).into_response())
}

/// Both sides' bodies as they were told.
#[derive(Serialize)]
pub(crate) struct UpstreamEnvelope<'a> {
    timestamp: f64,
    mode: &'static str,
    ingress: Side<'a>,
    proc: Side<'a>,
}

impl<'a> UpstreamEnvelope<'a> {
    pub(crate) fn of(answers: &'a UpstreamReplies) -> Self {
        let (ingress, proc) = (side(answers, Component::Ingress), side(answers, Component::Proc));
        Self { timestamp: answers.taken_at, mode: Mode::Proxy.as_str(), ingress, proc }
    }
}

#[derive(Serialize)]
#[serde(untagged)]
enum Side<'a> {
    ParsedPayload(&'a RawValue),
    Failed {
        error: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        status: Option<u16>,
    },
}

fn side(answers: &UpstreamReplies, component: Component) -> Side<'_> {
    match answers.of(component) {
        // It was read as JSON when it came.
        UpstreamReply::Body(body) => serde_json::from_slice(body)
            .map_or_else(|_| Side::Failed { error: "is not JSON".to_owned(), status: None }, Side::ParsedPayload),
        UpstreamReply::Failed(error) => {
            Side::Failed { error: error.to_string(), status: error.status().map(|status| status.as_u16()) }
        }
        UpstreamReply::NotConfigured => Side::Failed { error: not_configured(component), status: None },
    }
}

/// What was told in the newest tick, unless that is long ago.
async fn newest(state: &RouteState) -> Result<Arc<UpstreamReplies>, HttpProblem> {
    // The tick that this may cause is wanted, its snapshot is not.
    let _ = state.reader.fresher_than(state.config.scrape_ttl).await;
    let answers = state.answers.as_ref().and_then(|answers| answers.borrow().clone());
    answers
        .filter(|answers| state.reader.is_fresh(answers.at))
        .ok_or_else(|| HttpProblem::unavailable("no upstream was asked yet, or lately: see the log"))
}

/// An upstream's own error, or that it could not be talked to.
fn status(error: &UpstreamError) -> StatusCode {
    error.status().unwrap_or(StatusCode::BAD_GATEWAY)
}

fn not_configured(component: Component) -> String {
    format!("{} is not set: nobody is asked for {}", ProxyConfig::variable(component), component.as_str())
}
