//! The middleware around the routes, as layers of `tower`: limits for each class of routes, and what every response gets.
//!
//! An error of a layer becomes a JSON problem here: what the layers answer by themselves is plain text or empty.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::error_handling::HandleErrorLayer;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use tower::limit::GlobalConcurrencyLimitLayer;
use tower::load_shed::LoadShedLayer;
use tower::timeout::TimeoutLayer;
use tower::{BoxError, ServiceBuilder};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::sensitive_headers::SetSensitiveRequestHeadersLayer;
use tower_http::set_header::response::SetMultipleResponseHeadersLayer;

use super::gate::{AccessCheck, AccessRule, RequestCounter, check_access, count};
use super::limits::Budget;
use super::problem::HttpProblem;
use crate::problems::ProblemRegistry;

/// Nothing here may be cached, sniffed, framed, embedded by another site, or run as a script.
const SECURITY_HEADERS: [(HeaderName, &str); 7] = [
    (header::CACHE_CONTROL, "no-store"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (header::X_FRAME_OPTIONS, "DENY"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (header::REFERRER_POLICY, "no-referrer"),
];

/// Gzip for clients that accept it.
pub(in crate::outlets) fn compression() -> CompressionLayer {
    CompressionLayer::new()
}

/// Time, body and, where the budget has one, requests in flight: all routes of the router share the permits.
pub(in crate::outlets) fn limit<S>(router: Router<S>, budget: Budget) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    let Budget { time, in_flight, body } = budget;
    let timed = ServiceBuilder::new()
        .layer(HandleErrorLayer::new(async move |_: BoxError| timed_out(time)))
        .layer(TimeoutLayer::new(time));
    let router = router.layer(timed);
    let router = match in_flight {
        // Shed rather than queued: a queue would only make every response late.
        Some(most) => router.layer(
            ServiceBuilder::new()
                .layer(HandleErrorLayer::new(async |_: BoxError| overloaded()))
                .layer(LoadShedLayer::new())
                .layer(GlobalConcurrencyLimitLayer::new(most)),
        ),
        None => router,
    };
    // The length that is announced, before anything is read; then the bytes that arrive.
    router.layer(DefaultBodyLimit::max(body)).layer(from_fn_with_state(body, check_length))
}

/// Outside of the limits: a request that is rejected takes no permit.
pub(in crate::outlets) fn require_access<S>(
    router: Router<S>,
    rule: &AccessRule,
    problems: &Arc<ProblemRegistry>,
) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    let check = AccessCheck { rule: rule.clone(), problems: Arc::clone(problems) };
    router.layer(from_fn_with_state(check, check_access))
}

/// What every response gets, whatever answers: the security headers and its count. A handler that panics answers 500.
pub(in crate::outlets) fn common<S>(router: Router<S>, counter: RequestCounter) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    let headers = SECURITY_HEADERS.map(|(name, value)| (name, HeaderValue::from_static(value)).into());
    catch_panics(router)
        .layer(SetSensitiveRequestHeadersLayer::new([header::AUTHORIZATION]))
        .layer(from_fn_with_state(counter, count))
        .layer(SetMultipleResponseHeadersLayer::overriding(headers.to_vec()))
}

/// A handler that panics answers 500.
pub(in crate::outlets) fn catch_panics<S>(router: Router<S>) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    router.layer(CatchPanicLayer::custom(panicked))
}

async fn check_length(State(longest): State<usize>, request: Request, next: Next) -> Response {
    let announced = request.headers().get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    if announced.is_some_and(|length: usize| length > longest) {
        return HttpProblem::too_large(longest).into_response();
    }
    next.run(request).await
}

fn timed_out(limit: Duration) -> HttpProblem {
    HttpProblem::unavailable(format!("no answer within {limit:?}"))
}

fn overloaded() -> Response {
    let mut response = HttpProblem::unavailable("too many requests are in flight").into_response();
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

/// Without the panic's message, which the log has: it may quote anything.
fn panicked(_: Box<dyn Any + Send>) -> Response {
    HttpProblem::new(StatusCode::INTERNAL_SERVER_ERROR, "a defect, please report it; see the log").into_response()
}

#[cfg(test)]
mod tests {
    use axum::body::{Body, to_bytes};
    use axum::routing::get;
    use futures_util::FutureExt;
    use serde_json::Value;
    use tower::ServiceExt;

    use super::*;
    use crate::outlets::http::auth::Tokens;

    const TIME: Duration = Duration::from_secs(7);

    /// A handler that never answers, under a budget.
    fn pending(budget: Budget) -> Router {
        limit(Router::new().route("/", get(std::future::pending::<()>)), budget)
    }

    async fn send(router: &Router, headers: &[(HeaderName, &str)]) -> Response {
        let request = headers.iter().fold(Request::get("/"), |request, (name, value)| request.header(name, *value));
        router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
    }

    async fn problem(response: Response) -> (u16, String) {
        assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
        let status = response.status().as_u16();
        let body = to_bytes(response.into_body(), 10_000).await.unwrap();
        let body: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(body["status"], status);
        (status, body["detail"].as_str().unwrap().to_owned())
    }

    #[tokio::test(start_paused = true)]
    async fn a_late_response_becomes_a_problem_at_the_time_limit() {
        for in_flight in [None, Some(1)] {
            let began = tokio::time::Instant::now();
            let response = send(&pending(Budget { time: TIME, in_flight, body: 10 }), &[]).await;
            assert_eq!(began.elapsed().as_secs(), TIME.as_secs());
            assert!(!response.headers().contains_key(header::RETRY_AFTER));
            assert_eq!(problem(response).await, (503, "no answer within 7s".to_owned()));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn requests_beyond_the_permits_are_shed_at_once_and_permits_come_back() {
        let router = pending(Budget { time: TIME, in_flight: Some(2), body: 10 });
        let (mut first, mut second) = (Box::pin(send(&router, &[])), Box::pin(send(&router, &[])));
        assert!((&mut first).now_or_never().is_none() && (&mut second).now_or_never().is_none());
        let third = send(&router, &[]).now_or_never().expect("it is not queued");
        assert_eq!(third.headers()[header::RETRY_AFTER], "1");
        assert_eq!(problem(third).await.0, 503);
        // One client goes away, the other gets its response: both give their permit back.
        drop(first);
        assert!(send(&router, &[]).now_or_never().is_none(), "there is a permit again");
        assert_eq!(problem(second.await).await.0, 503);
        assert!(send(&router, &[]).now_or_never().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_limit_in_flight_nothing_is_shed() {
        let router = pending(Budget { time: TIME, in_flight: None, body: 10 });
        let mut waiting: Vec<_> = (0..1000).map(|_| Box::pin(send(&router, &[]))).collect();
        assert!(waiting.iter_mut().all(|request| request.now_or_never().is_none()));
    }

    #[tokio::test]
    async fn an_announced_body_has_a_limit() {
        let router = limit(Router::new().route("/", get("ok")), Budget::health());
        for (length, status) in [("0", 200), ("16384", 200), ("16385", 413), ("99999999", 413)] {
            let response = send(&router, &[(header::CONTENT_LENGTH, length)]).await;
            assert_eq!(response.status().as_u16(), status, "{length}");
        }
        let large = send(&router, &[(header::CONTENT_LENGTH, "16385")]).await;
        assert_eq!(problem(large).await, (413, "a body may have 16384 bytes".to_owned()));
    }

    #[tokio::test]
    async fn a_panic_is_a_problem_that_is_counted_and_does_not_quote_it() {
        async fn broken() {
            panic!("hunter2");
        }
        let telemetry: std::sync::Arc<crate::telemetry::Telemetry> = std::sync::Arc::default();
        let counter = RequestCounter::new(std::sync::Arc::clone(&telemetry), ["/"].into());
        let router = common(Router::new().route("/", get(broken)), counter);
        let response = send(&router, &[]).await;
        assert_eq!(response.headers()[header::CACHE_CONTROL], "no-store");
        let (status, detail) = problem(response).await;
        assert!(status == 500 && !detail.contains("hunter2"), "{detail}");
        let counts = telemetry.own_state(crate::telemetry::Observed::default()).http.requests;
        assert_eq!(counts.get(&("/", 500)), Some(&1));
    }

    #[tokio::test]
    async fn tokens_do_not_print() {
        async fn show(request: Request) -> String {
            format!("{:?}", request.headers())
        }
        let router = common(Router::new().route("/", get(show)), RequestCounter::new(Default::default(), [].into()));
        let response = send(&router, &[(header::AUTHORIZATION, "Bearer hunter2")]).await;
        let body = to_bytes(response.into_body(), 10_000).await.unwrap();
        let shown = String::from_utf8_lossy(&body);
        assert!(shown.contains("authorization") && !shown.contains("hunter2"), "{shown}");
    }

    #[tokio::test]
    async fn a_rejected_request_takes_no_permit() {
        let rule = AccessRule::new(Tokens::from(vec!["hunter2".into()]), false);
        let problems = Arc::new(ProblemRegistry::new(""));
        let router = require_access(pending(Budget { time: TIME, in_flight: Some(0), body: 10 }), &rule, &problems);
        assert_eq!(send(&router, &[]).await.status(), StatusCode::UNAUTHORIZED);
        let admitted = send(&router, &[(header::AUTHORIZATION, "Bearer hunter2")]).await;
        assert_eq!(admitted.status(), StatusCode::SERVICE_UNAVAILABLE);
    }
}
