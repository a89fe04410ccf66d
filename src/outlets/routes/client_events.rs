//! `POST /api/events/client`: a browser's log event becomes one line of the log.
//!
//! Requests and responses are those of the platform's collector. The route is public, so events are bounded in size,
//! rate and shape before they are logged.

mod event;
mod log_line;
mod peer;
mod rate;
mod validation;

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Extension, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use bytes::Bytes;
use serde::Serialize;
use utoipa::ToSchema;

use self::event::{ClientEvent, EventType};
use self::peer::Peer;
use self::rate::RateLimits;
use self::validation::ValidationError;
use super::RouteState;
use super::description::JSON;
use super::route::{Route, RouteClass};
use crate::outlets::http::gate::PeerAddress;
use crate::outlets::http::problem::HttpProblem;
use crate::settings::{Setting, Settings, setting};
use crate::telemetry::Telemetry;
use crate::telemetry::client_events::ClientEventOutcome;

const CLIENT_EVENTS: &Setting = setting("METRICS_CLIENT_EVENTS");

pub(super) const EVENTS: Route = Route {
    path: "/api/events/client",
    aliases: &[],
    class: RouteClass::ClientEvents,
    summary: "receives log events of browsers (POST)",
    methods: || post(receive),
    describe: |route| {
        route
            .takes::<ClientEvent>(JSON, event::example())
            .json::<ReceivedEvent>(StatusCode::OK, "received")
            .problem(StatusCode::NOT_FOUND, "switched off")
            .json::<InvalidEvent>(StatusCode::UNPROCESSABLE_ENTITY, "everything that is wrong with the event")
            .problem(StatusCode::TOO_MANY_REQUESTS, "too many events; see Retry-After")
    },
};

/// Reads whether events are received; an error is recorded.
pub(crate) fn read_switch(settings: &mut Settings) -> Option<bool> {
    settings.get(CLIENT_EVENTS)
}

/// Receives events, within limits, and counts them.
#[derive(Debug)]
pub(super) struct ClientEvents {
    limits: RateLimits,
    telemetry: Arc<Telemetry>,
}

/// Why an event is not received.
#[derive(Debug)]
enum EventRejection {
    SwitchedOff,
    /// The body is too large or did not arrive.
    Body(BytesRejection),
    RateLimited,
    Invalid(Vec<ValidationError>),
}

/// The answer to an event that was received.
#[derive(Debug, Serialize, ToSchema)]
struct ReceivedEvent {
    /// Always `received`.
    status: &'static str,
    event_type: EventType,
    /// `error`, `warn` or `info`.
    level: &'static str,
}

/// The answer to an event that is not valid.
#[derive(Debug, Serialize, ToSchema)]
struct InvalidEvent {
    detail: Vec<ValidationError>,
}

async fn receive(
    State(state): State<RouteState>,
    connection: Option<Extension<PeerAddress>>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, EventRejection> {
    let events = state.client_events.ok_or(EventRejection::SwitchedOff)?;
    let body = body.map_err(EventRejection::Body)?;
    let peer = Peer::of(&headers, connection.map(|Extension(PeerAddress(address))| address));
    let event = events.admit(peer, &headers, &body)?;
    log_line::write(&event);
    let received = ReceivedEvent { status: "received", event_type: event.event_type, level: event.level.as_str() };
    Ok(Json(received).into_response())
}

impl ClientEvents {
    pub(super) fn new(telemetry: &Arc<Telemetry>) -> Self {
        telemetry.register_client_events();
        Self { limits: RateLimits::new(), telemetry: Arc::clone(telemetry) }
    }

    /// The event of a body, if it is within the limits of its peer and of all, and valid.
    fn admit(&self, peer: Peer, headers: &HeaderMap, body: &[u8]) -> Result<ClientEvent, EventRejection> {
        if !self.limits.admit(peer, body.len()) {
            self.telemetry.client_event(ClientEventOutcome::RateLimited);
            return Err(EventRejection::RateLimited);
        }
        match ClientEvent::parse(headers, body) {
            Ok(event) => {
                self.telemetry.client_event(ClientEventOutcome::Received(event.level));
                Ok(event)
            }
            Err(errors) => {
                self.telemetry.client_event(ClientEventOutcome::Invalid);
                Err(EventRejection::Invalid(errors))
            }
        }
    }
}

impl IntoResponse for EventRejection {
    fn into_response(self) -> Response {
        match self {
            Self::SwitchedOff => {
                let detail = "client events are switched off by METRICS_CLIENT_EVENTS=0";
                HttpProblem::new(StatusCode::NOT_FOUND, detail).into_response()
            }
            Self::Body(rejection) => HttpProblem::new(rejection.status(), rejection.body_text()).into_response(),
            Self::RateLimited => {
                let detail = "too many client events; see the limits in docs/security.md";
                let mut response = HttpProblem::new(StatusCode::TOO_MANY_REQUESTS, detail).into_response();
                response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
                response
            }
            // The form in which the platform's service reports them.
            Self::Invalid(detail) => (StatusCode::UNPROCESSABLE_ENTITY, Json(InvalidEvent { detail })).into_response(),
        }
    }
}

#[cfg(test)]
mod tests;
