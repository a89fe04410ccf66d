//! Proxy mode's system routes: the bodies that the upstreams returned in the newest tick, unchanged.

use std::sync::Arc;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::RouteState;
use crate::engine::proxy_ticker::UpstreamRepliesReader;
use crate::outlets::http::problem::HttpProblem;
use crate::platform::facts::Component;
use crate::sources::mode::Mode;
use crate::sources::proxy::config::ProxyConfig;
use crate::sources::proxy::{UpstreamError, UpstreamReplies, UpstreamReply};

/// One upstream's body, or the problem with it.
pub(super) async fn component(
    state: &RouteState,
    replies: &UpstreamRepliesReader,
    component: Component,
) -> Result<Response, HttpProblem> {
    match newest(state, replies).await?.of(component) {
        UpstreamReply::Body(body) => {
            let json = HeaderValue::from_static("application/json");
            Ok(([(header::CONTENT_TYPE, json)], body.clone()).into_response())
        }
        UpstreamReply::Failed(error) => Err(HttpProblem::new(status(error), error.to_string())),
        UpstreamReply::NotConfigured => Err(HttpProblem::new(StatusCode::BAD_REQUEST, not_configured(component))),
    }
}

/// `{"timestamp", "mode", "ingress", "proc"}`, with the error in place of a body that failed. 502 if both failed.
pub(super) async fn combined(state: &RouteState, replies: &UpstreamRepliesReader) -> Result<Response, HttpProblem> {
    let replies = newest(state, replies).await?;
    let body = UpstreamEnvelope::of(&replies);
    let any = [&body.ingress, &body.proc].into_iter().any(|side| matches!(side, Side::ParsedPayload(_)));
    Ok((if any { StatusCode::OK } else { StatusCode::BAD_GATEWAY }, Json(body)).into_response())
}

/// Both upstreams' bodies, unchanged.
#[derive(Serialize, ToSchema)]
pub(crate) struct UpstreamEnvelope<'a> {
    /// The tick's time, Unix seconds.
    timestamp: f64,
    mode: &'static str,
    /// This and `proc`: the body, or `{"error", "status"}` of an upstream that failed.
    #[schema(value_type = Value)]
    ingress: Side<'a>,
    #[schema(value_type = Value)]
    proc: Side<'a>,
}

impl<'a> UpstreamEnvelope<'a> {
    pub(crate) fn of(replies: &'a UpstreamReplies) -> Self {
        let (ingress, proc) = (side(replies, Component::Ingress), side(replies, Component::Proc));
        Self { timestamp: replies.taken_at, mode: Mode::Proxy.as_str(), ingress, proc }
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

fn side(replies: &UpstreamReplies, component: Component) -> Side<'_> {
    match replies.of(component) {
        // It was parsed as JSON when it arrived.
        UpstreamReply::Body(body) => serde_json::from_slice(body)
            .map_or_else(|_| Side::Failed { error: "is not JSON".to_owned(), status: None }, Side::ParsedPayload),
        UpstreamReply::Failed(error) => {
            Side::Failed { error: error.to_string(), status: error.status().map(|status| status.as_u16()) }
        }
        UpstreamReply::NotConfigured => Side::Failed { error: not_configured(component), status: None },
    }
}

/// The replies of the newest tick, unless they are stale.
async fn newest(state: &RouteState, replies: &UpstreamRepliesReader) -> Result<Arc<UpstreamReplies>, HttpProblem> {
    // For the tick that this may trigger; its snapshot is not needed.
    let _ = state.reader.fresher_than(state.config.scrape_ttl).await;
    let newest = replies.borrow().clone();
    newest
        .filter(|replies| state.reader.is_fresh(replies.at))
        .ok_or_else(|| HttpProblem::unavailable("no upstream has replied yet, or not lately: see the log"))
}

/// The status of an upstream's own error, or 502 where there was no response.
fn status(error: &UpstreamError) -> StatusCode {
    error.status().unwrap_or(StatusCode::BAD_GATEWAY)
}

fn not_configured(component: Component) -> String {
    format!("{} is not set: {} has no upstream", ProxyConfig::variable(component), component.as_str())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::{Value, json};

    use super::*;

    fn refused(status: StatusCode) -> UpstreamReply {
        UpstreamReply::Failed(UpstreamError::Status { upstream: "proc at http://p".into(), status, advice: "look" })
    }

    fn envelope(ingress: UpstreamReply, proc: UpstreamReply) -> Value {
        let replies = UpstreamReplies { ingress, proc, at: tokio::time::Instant::now(), taken_at: 12.5 };
        serde_json::to_value(UpstreamEnvelope::of(&replies)).unwrap()
    }

    #[tokio::test]
    async fn each_side_is_its_body_or_its_error_with_the_status_if_it_answered() {
        let body = || UpstreamReply::Body(r#"{"b": 1, "a": [2.50]}"#.into());
        let away = UpstreamError::Unreachable { upstream: "p".into(), cause: "refused".into(), variable: "V" };
        for (reply, side) in [
            (
                refused(StatusCode::FORBIDDEN),
                json!({"error": "proc at http://p answers 403 Forbidden; look", "status": 403}),
            ),
            (refused(StatusCode::ACCEPTED), json!({"error": "proc at http://p answers 202 Accepted; look"})),
            (UpstreamReply::Failed(away), json!({"error": "p cannot be reached (refused); is V right?"})),
            (UpstreamReply::Body("<html>".into()), json!({"error": "is not JSON"})),
            (UpstreamReply::NotConfigured, json!({"error": "METRICS_PROC_BASE_URL is not set: proc has no upstream"})),
        ] {
            let whole = envelope(body(), reply);
            let expected = json!({"timestamp": 12.5, "mode": "proxy", "ingress": {"b": 1, "a": [2.5]}, "proc": side});
            assert_eq!(whole, expected);
        }
        let replies = UpstreamReplies { ingress: body(), proc: body(), at: tokio::time::Instant::now(), taken_at: 1.0 };
        let text = serde_json::to_string(&UpstreamEnvelope::of(&replies)).unwrap();
        assert_eq!(text.matches(r#"{"b": 1, "a": [2.50]}"#).count(), 2, "to the byte: {text}");
    }

    #[test]
    fn an_upstreams_own_error_keeps_its_status_and_everything_else_is_a_bad_gateway() {
        let of = |reply: UpstreamReply| match reply {
            UpstreamReply::Failed(error) => status(&error).as_u16(),
            _ => 0,
        };
        let circuit = |status| {
            let UpstreamReply::Failed(last) = refused(status) else { panic!("it is one") };
            UpstreamReply::Failed(UpstreamError::CircuitOpen { last: Box::new(last), left: Duration::from_secs(1) })
        };
        for (reply, expected) in [
            (refused(StatusCode::UNAUTHORIZED), 401),
            (refused(StatusCode::SERVICE_UNAVAILABLE), 503),
            (refused(StatusCode::ACCEPTED), 502),
            (refused(StatusCode::FOUND), 502),
            (circuit(StatusCode::NOT_FOUND), 404),
            (UpstreamReply::Failed(UpstreamError::NoToken("no token".into())), 502),
        ] {
            assert_eq!(of(reply.clone()), expected, "{reply:?}");
        }
    }
}
