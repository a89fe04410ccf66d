//! What every request passes: certificate, token, limits, time, counting, and the headers of every answer.

use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::limits::{EXPORT_REQUESTS, HEALTH_TIME, MARGIN, MAX_BODY};
use super::problem::Problem;
use super::{ApiConfig, ApiState};

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

pub(super) async fn pass(State(state): State<ApiState>, request: Request, next: Next) -> Response {
    let route = label(request.uri().path());
    let mut response = match refuse(&state.config, route, &request) {
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

fn refuse(config: &ApiConfig, route: &str, request: &Request) -> Option<Response> {
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
    let too_long = || Problem::new(StatusCode::PAYLOAD_TOO_LARGE, format!("a body may have {MAX_BODY} bytes"));
    (length > MAX_BODY).then(|| too_long().into_response())
}

fn uncertified() -> Response {
    let detail = "this route needs a client certificate of an authority in METRICS_TLS_CLIENT_CA_FILE";
    Problem::new(StatusCode::FORBIDDEN, detail).into_response()
}

/// RFC 6750 tells a wrong token from none.
fn unauthorized(headers: &HeaderMap) -> Response {
    let detail = "this route needs `Authorization: Bearer <token>` with a token of METRICS_AUTH_TOKEN";
    let mut response = Problem::new(StatusCode::UNAUTHORIZED, detail).into_response();
    let challenge = if headers.contains_key(header::AUTHORIZATION) {
        "Bearer realm=\"kdcube-metrics\", error=\"invalid_token\""
    } else {
        "Bearer realm=\"kdcube-metrics\""
    };
    response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
    response
}

async fn answer(state: &ApiState, route: &str, request: Request, next: Next) -> Response {
    let patience = patience(route, state.config.request_timeout);
    if HEALTH.contains(&route) {
        return within(patience, request, next).await;
    }
    let seats = if route == EXPORT { &state.export_seats } else { &state.seats };
    // Not awaited: a queue would only make everybody late.
    match seats.try_acquire() {
        Ok(_seat) => within(patience, request, next).await,
        Err(_) => crowded(),
    }
}

/// How long an answer may take.
fn patience(route: &str, request_timeout: Duration) -> Duration {
    match route {
        EXPORT => request_timeout * EXPORT_REQUESTS + MARGIN,
        health if HEALTH.contains(&health) => HEALTH_TIME,
        _ => request_timeout + MARGIN,
    }
}

async fn within(limit: Duration, request: Request, next: Next) -> Response {
    let late = || Problem::unavailable(format!("no answer within {limit:?}")).into_response();
    tokio::time::timeout(limit, next.run(request)).await.unwrap_or_else(|_| late())
}

fn crowded() -> Response {
    let mut response = Problem::unavailable("too many requests are under way already").into_response();
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
