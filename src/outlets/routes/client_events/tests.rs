//! The route as a browser sees it: answers, counts and limits.

use axum::body::{Body, to_bytes};
use axum::http::Request;
use futures_util::stream;
use serde_json::{Value, json};

use super::event::example;
use super::*;
use crate::outlets::http::limits::PEER_EVENTS;
use crate::outlets::routes::tests::Routes;
use crate::telemetry::Observed;

const MAX_BODY: usize = 256 * 1024;

async fn send(routes: &Routes, from: &str, body: impl Into<Body>) -> (StatusCode, Value) {
    let request = Request::post(EVENTS.path).header("content-type", "application/json").header("x-forwarded-for", from);
    let response = routes.respond(request.body(body.into()).unwrap()).await;
    let status = response.status();
    let body = to_bytes(response.into_body(), 100_000).await.unwrap();
    (status, serde_json::from_slice(&body).unwrap())
}

fn counted(routes: &Routes) -> Option<[u64; 5]> {
    let counts = routes.telemetry.own_state(Observed::default()).client_events?;
    Some(ClientEventOutcome::ALL.map(|outcome| counts.of(outcome)))
}

#[tokio::test]
async fn a_valid_event_is_received_and_an_invalid_one_is_explained_without_a_token() {
    let routes = Routes::with_client_events(true);
    let received = send(&routes, "203.0.113.7", example().to_string()).await;
    assert_eq!(received, (StatusCode::OK, json!({"status": "received", "event_type": "log", "level": "error"})));
    let (status, body) = send(&routes, "203.0.113.7", "{}").await;
    assert_eq!((status, body["detail"].as_array().unwrap().len()), (StatusCode::UNPROCESSABLE_ENTITY, 12));
    assert_eq!(counted(&routes), Some([1, 0, 0, 1, 0]));
}

#[tokio::test]
async fn events_beyond_the_limit_are_rejected_and_counted() {
    let routes = Routes::with_client_events(true);
    let mut last = StatusCode::OK;
    for _ in 0..PEER_EVENTS.burst + 20 {
        last = send(&routes, "203.0.113.7", example().to_string()).await.0;
    }
    assert_eq!(last, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(send(&routes, "203.0.113.8", example().to_string()).await.0, StatusCode::OK);
    let [received, .., limited] = counted(&routes).unwrap();
    // A slow machine admits a few more: the limit refills as time passes.
    assert!(received > u64::from(PEER_EVENTS.burst) && limited > 0, "{received} {limited}");
}

#[tokio::test]
async fn a_body_may_have_256_kib_announced_or_not() {
    let routes = Routes::with_client_events(true);
    let mut event = example();
    event["message"] = "".into();
    event["message"] = "x".repeat(MAX_BODY - event.to_string().len()).into();
    assert_eq!(send(&routes, "203.0.113.7", event.to_string()).await.0, StatusCode::OK);
    let chunk = || Ok::<_, std::convert::Infallible>(vec![b' '; MAX_BODY]);
    let chunks = Body::from_stream(stream::iter([chunk(), chunk()]));
    for body in [Body::from(vec![b' '; MAX_BODY + 1]), chunks] {
        let (status, problem) = send(&routes, "203.0.113.7", body).await;
        assert_eq!((status, &problem["status"]), (StatusCode::PAYLOAD_TOO_LARGE, &json!(413)));
    }
    assert_eq!(counted(&routes), Some([1, 0, 0, 0, 0]), "neither was read");
}

#[tokio::test]
async fn other_methods_are_answered_with_the_one_there_is() {
    for method in ["GET", "PUT", "DELETE", "OPTIONS"] {
        let request = Request::builder().method(method).uri(EVENTS.path).body(Body::empty()).unwrap();
        let response = Routes::with_client_events(true).respond(request).await;
        assert_eq!(
            (response.status(), &response.headers()["allow"]),
            (StatusCode::METHOD_NOT_ALLOWED, &"POST".parse().unwrap())
        );
    }
}

#[tokio::test]
async fn switched_off_nothing_is_received() {
    let routes = Routes::with_client_events(false);
    let (status, problem) = send(&routes, "203.0.113.7", example().to_string()).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert!(problem["detail"].as_str().unwrap().contains("METRICS_CLIENT_EVENTS=0"), "{problem}");
    assert_eq!(counted(&routes), None);
}
