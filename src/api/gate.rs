//! What every request passes: token, limits, time, counting, and the headers of every answer.

use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::ApiState;
use super::problem::Problem;

/// No route reads a body; what is longer than this is refused rather than drained.
const MAX_BODY: u64 = 16 * 1024;

/// The label of requests to paths that are no route: paths themselves would be without bound.
const OTHER: &str = "other";

/// Routes that answer without a token, so that orchestrators need none.
const HEALTH: &[&str] = &["/health", "/healthz", "/livez", "/readyz", "/-/healthy", "/-/ready"];

const ROUTES: &[&str] = &[
    "/",
    "/metrics",
    "/metrics/combined",
    "/metrics/export",
    "/metrics/ingress/system",
    "/metrics/proc/system",
    "/api/v1/exports",
    "/api/v1/signals",
];

pub(super) async fn pass(State(state): State<ApiState>, request: Request, next: Next) -> Response {
    let route = label(request.uri().path());
    let mut response = match refuse(&state, route, request.headers()) {
        Some(response) => response,
        None => answer(request, next, state.config.time_limit).await,
    };
    state.telemetry.http_request(route, response.status().as_u16());
    harden(response.headers_mut());
    response
}

fn label(path: &str) -> &'static str {
    HEALTH.iter().chain(ROUTES).find(|route| **route == path).copied().unwrap_or(OTHER)
}

fn refuse(state: &ApiState, route: &str, headers: &HeaderMap) -> Option<Response> {
    if !HEALTH.contains(&route) && !state.config.tokens.admit(headers) {
        return Some(unauthorized());
    }
    let length = headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse::<u64>().ok()?;
    let too_long = || Problem::new(StatusCode::PAYLOAD_TOO_LARGE, format!("a body may have {MAX_BODY} bytes"));
    (length > MAX_BODY).then(|| too_long().into_response())
}

fn unauthorized() -> Response {
    let detail = "this route needs `Authorization: Bearer <token>` with a token of METRICS_AUTH_TOKEN";
    let mut response = Problem::new(StatusCode::UNAUTHORIZED, detail).into_response();
    let challenge = HeaderValue::from_static("Bearer realm=\"kdcube-metrics\"");
    response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    response
}

async fn answer(request: Request, next: Next, limit: Duration) -> Response {
    let late = || Problem::unavailable(format!("no answer within {limit:?}")).into_response();
    tokio::time::timeout(limit, next.run(request)).await.unwrap_or_else(|_| late())
}

/// Nothing here may be cached, sniffed, framed, or run as a script.
fn harden(headers: &mut HeaderMap) {
    const ALWAYS: [(HeaderName, &str); 4] = [
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    for (name, value) in ALWAYS {
        headers.insert(name, HeaderValue::from_static(value));
    }
}
