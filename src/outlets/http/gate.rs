//! What every request passes: certificate, token, limits, time, counting, and the headers of every answer.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::sync::Semaphore;

use super::auth::Tokens;
use super::limits::{EXPORT_REQUESTS, HEALTH_TIME, MARGIN, MAX_BODY};
use super::limits::{MAX_EXPORT_ASKERS, MAX_IN_FLIGHT};
use super::problem::HttpProblem;
use crate::telemetry::Telemetry;

/// The label of requests to paths that are no route: paths themselves would be without bound.
const OTHER: &str = "other";

/// Whether the client's connection has shown a certificate that holds; the server says so of every request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Certified(pub(super) bool);

/// The route that pushes.
const EXPORT: &str = "/metrics/export";

/// Routes that answer without token and certificate, so that orchestrators need none, and at once,
/// whoever else waits.
const HEALTH: &[&str] = &["/health", "/healthz", "/livez", "/readyz", "/-/healthy", "/-/ready"];

const ROUTES: &[&str] = &[
    "/",
    "/metrics",
    "/metrics/combined",
    EXPORT,
    "/metrics/ingress/system",
    "/metrics/proc/system",
    "/api/v1/exports",
    "/api/v1/signals",
];

/// What the gate needs to know; cheap to clone.
#[derive(Debug, Clone)]
pub struct Gate {
    tokens: Tokens,
    needs_certificate: bool,
    request_timeout: Duration,
    telemetry: Arc<Telemetry>,
    /// One permit for each request in flight, and of those for each that waits for an export.
    permits: Arc<Semaphore>,
    export_permits: Arc<Semaphore>,
}

impl Gate {
    /// A gate that admits whoever has one of `tokens` and, where needed, a client certificate.
    #[must_use]
    pub fn new(tokens: Tokens, needs_certificate: bool, request_timeout: Duration, telemetry: Arc<Telemetry>) -> Self {
        let [permits, export_permits] = [MAX_IN_FLIGHT, MAX_EXPORT_ASKERS].map(|most| Arc::new(Semaphore::new(most)));
        Self { tokens, needs_certificate, request_timeout, telemetry, permits, export_permits }
    }
}

pub async fn pass(State(state): State<Gate>, request: Request, next: Next) -> Response {
    let route = label(request.uri().path());
    let mut response = match refuse(&state, route, &request) {
        Some(response) => response,
        None => answer(&state, route, request, next).await,
    };
    state.telemetry.http_request(route, response.status().as_u16());
    harden(response.headers_mut());
    response
}

fn label(path: &str) -> &'static str {
    HEALTH.iter().chain(ROUTES).find(|route| **route == path).copied().unwrap_or(OTHER)
}

fn refuse(config: &Gate, route: &str, request: &Request) -> Option<Response> {
    if !HEALTH.contains(&route) {
        let certified = request.extensions().get().is_some_and(|Certified(certified)| *certified);
        if config.needs_certificate && !certified {
            return Some(uncertified());
        }
        if !config.tokens.admit(request.headers()) {
            return Some(unauthorized(request.headers()));
        }
    }
    let length = request.headers().get(header::CONTENT_LENGTH)?.to_str().ok()?.parse::<usize>().ok()?;
    let too_long = || HttpProblem::new(StatusCode::PAYLOAD_TOO_LARGE, format!("a body may have {MAX_BODY} bytes"));
    (length > MAX_BODY).then(|| too_long().into_response())
}

fn uncertified() -> Response {
    let detail = "this route needs a client certificate of an authority in METRICS_TLS_CLIENT_CA_FILE";
    HttpProblem::new(StatusCode::FORBIDDEN, detail).into_response()
}

/// RFC 6750 tells a wrong token from none.
fn unauthorized(headers: &HeaderMap) -> Response {
    let detail = "this route needs `Authorization: Bearer <token>` with a token of METRICS_AUTH_TOKEN";
    let mut response = HttpProblem::new(StatusCode::UNAUTHORIZED, detail).into_response();
    let challenge = if headers.contains_key(header::AUTHORIZATION) {
        "Bearer realm=\"kdcube-metrics\", error=\"invalid_token\""
    } else {
        "Bearer realm=\"kdcube-metrics\""
    };
    response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
    response
}

async fn answer(state: &Gate, route: &str, request: Request, next: Next) -> Response {
    let time_limit = time_limit(route, state.request_timeout);
    if HEALTH.contains(&route) {
        return within(time_limit, request, next).await;
    }
    let permits = if route == EXPORT { &state.export_permits } else { &state.permits };
    // Not awaited: a queue would only make everybody late.
    match permits.try_acquire() {
        Ok(_permit) => within(time_limit, request, next).await,
        Err(_) => overloaded(),
    }
}

/// How long an answer may take.
fn time_limit(route: &str, request_timeout: Duration) -> Duration {
    match route {
        EXPORT => request_timeout * EXPORT_REQUESTS + MARGIN,
        health if HEALTH.contains(&health) => HEALTH_TIME,
        _ => request_timeout + MARGIN,
    }
}

async fn within(limit: Duration, request: Request, next: Next) -> Response {
    let late = || HttpProblem::unavailable(format!("no answer within {limit:?}")).into_response();
    tokio::time::timeout(limit, next.run(request)).await.unwrap_or_else(|_| late())
}

fn overloaded() -> Response {
    let mut response = HttpProblem::unavailable("too many requests are under way already").into_response();
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

/// Nothing here may be cached, sniffed, framed, embedded by another site, or run as a script.
fn harden(headers: &mut HeaderMap) {
    const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; \
                          frame-ancestors 'none'";
    const ALWAYS: [(HeaderName, &str); 7] = [
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_FRAME_OPTIONS, "DENY"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    for (name, value) in ALWAYS {
        headers.insert(name, HeaderValue::from_static(value));
    }
}
