//! Proxy mode's system routes: what the upstreams told in the newest tick, as they told it.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::value::RawValue;

use super::ApiState;
use super::problem::Problem;
use crate::config::Mode;
use crate::config::proxy::ProxyConfig;
use crate::signals::Component;
use crate::sources::proxy::{Answer, Answers, Refusal};

/// Ingress' body, unchanged.
pub(super) async fn ingress(State(state): State<ApiState>) -> Result<Response, Problem> {
    body(&state, Component::Ingress).await
}

/// The processor's body, unchanged.
pub(super) async fn proc(State(state): State<ApiState>) -> Result<Response, Problem> {
    body(&state, Component::Proc).await
}

async fn body(state: &ApiState, component: Component) -> Result<Response, Problem> {
    match newest(state).await?.of(component) {
        Answer::Told(body) => {
            let json = HeaderValue::from_static("application/json");
            Ok(([(header::CONTENT_TYPE, json)], body.clone()).into_response())
        }
        Answer::Refused(refusal) => Err(Problem::new(status(refusal), refusal.detail.as_str())),
        Answer::NotConfigured => Err(Problem::new(StatusCode::BAD_REQUEST, not_configured(component))),
    }
}

/// `{"timestamp", "mode", "ingress", "proc"}`; a side that told nothing says why. 502 if neither did.
pub(super) async fn combined(State(state): State<ApiState>) -> Result<Response, Problem> {
    let answers = newest(&state).await?;
    let body = Combined::of(&answers);
    let told = [&body.ingress, &body.proc].into_iter().any(|side| matches!(side, Side::Told(_)));
    Ok((if told { StatusCode::OK } else { StatusCode::BAD_GATEWAY }, Json(body)).into_response())
}

/// Both sides' bodies as they were told.
#[derive(Serialize)]
pub(crate) struct Combined<'a> {
    timestamp: f64,
    mode: &'static str,
    ingress: Side<'a>,
    proc: Side<'a>,
}

impl<'a> Combined<'a> {
    pub(crate) fn of(answers: &'a Answers) -> Self {
        let (ingress, proc) = (side(answers, Component::Ingress), side(answers, Component::Proc));
        Self { timestamp: answers.taken_at, mode: Mode::Proxy.as_str(), ingress, proc }
    }
}

#[derive(Serialize)]
#[serde(untagged)]
enum Side<'a> {
    Told(&'a RawValue),
    Failed {
        error: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        status: Option<u16>,
    },
}

fn side(answers: &Answers, component: Component) -> Side<'_> {
    match answers.of(component) {
        // It was read as JSON when it came.
        Answer::Told(body) => serde_json::from_slice(body)
            .map_or_else(|_| Side::Failed { error: "is not JSON".to_owned(), status: None }, Side::Told),
        Answer::Refused(refusal) => Side::Failed { error: refusal.detail.clone(), status: refusal.status },
        Answer::NotConfigured => Side::Failed { error: not_configured(component), status: None },
    }
}

/// What was told in the newest tick, unless that is long ago.
async fn newest(state: &ApiState) -> Result<Arc<Answers>, Problem> {
    // The tick that this may cause is wanted, its snapshot is not.
    let _ = state.reader.fresher_than(state.config.scrape_ttl).await;
    let answers = state.answers.as_ref().and_then(|answers| answers.borrow().clone());
    answers
        .filter(|answers| state.reader.is_fresh(answers.at))
        .ok_or_else(|| Problem::unavailable("no upstream was asked yet, or lately: see the log"))
}

/// An upstream's own error, or that it could not be talked to.
fn status(refusal: &Refusal) -> StatusCode {
    refusal.status.and_then(|status| StatusCode::from_u16(status).ok()).unwrap_or(StatusCode::BAD_GATEWAY)
}

fn not_configured(component: Component) -> String {
    format!("{} is not set: nobody is asked for {}", ProxyConfig::variable(component), component.as_str())
}
