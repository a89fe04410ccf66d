//! What is spooled while CloudWatch is unavailable, throttles or rejects, and that nothing is lost or sent twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use kdcube_metrics::outlets::names::Mapping;
use kdcube_metrics::outlets::push::batch::ExportBatch;
use kdcube_metrics::outlets::push::cloudwatch::sink::CloudWatchSink;
use kdcube_metrics::outlets::push::sink::{Sink, SinkError};
use serde_json::json;
use tokio::time::timeout;

use super::{arrivals, batch, config, expected, loader, many, push, recently, sink, sink_with};
use crate::aws_server::{AwsServer, Moto, SECRET};
use crate::fault::Fault;

#[tokio::test(flavor = "multi_thread")]
async fn points_of_an_outage_are_delivered_later_once_and_with_their_own_time() {
    let moto = Moto::start();
    let mut server = AwsServer::start_with(&moto).await;
    let sink = sink(&server);
    server.stop().await;
    let times = [recently(180.0), recently(120.0), recently(60.0)];
    for (n, at) in times.into_iter().enumerate() {
        let batch = batch(&n.to_string(), at, many(2));
        for _attempt in 0..2 {
            let error = sink.export(&batch).await.unwrap_err();
            assert!(error.may_retry() && error.to_string().contains("cannot be reached"), "{error:?}");
        }
    }
    assert_eq!(sink.point_counts().waiting, 6);

    server.resume().await;
    // Even without a new snapshot.
    assert_eq!(push(&sink, &ExportBatch::default()).await, Ok(6));
    assert_eq!(arrivals(&server), times.map(|at| expected(2, at)).concat());
    let read = moto.series("KDCube/Metrics");
    assert_eq!(read[1]["points"], json!(times.map(|at| (at, 1.0, 1.0, "Count"))));
    assert_eq!((sink.point_counts().waiting, sink.point_counts().dropped), (0, 0));
}

#[tokio::test]
async fn a_spool_evicts_what_is_too_old() {
    let server = AwsServer::start().await;
    let sink = sink_with(&server, &[("METRICS_CLOUDWATCH_SPOOL_SEC", "90")]);
    server.mishaps([Fault::Answer(503, ""), Fault::Answer(503, "")]);
    let times = [recently(120.0), recently(60.0), recently(0.0)];
    for (n, at) in times[..2].iter().enumerate() {
        sink.export(&batch(&n.to_string(), *at, many(1))).await.unwrap_err();
    }
    assert_eq!(push(&sink, &batch("new", times[2], many(1))).await, Ok(2));
    assert_eq!(arrivals(&server), [expected(1, times[1]), expected(1, times[2])].concat());
    assert_eq!(sink.point_counts().dropped, 1);
}

#[tokio::test]
async fn outages_and_throttles_may_be_retried_and_lose_nothing() {
    let server = AwsServer::start().await;
    let answers = [
        (400, "Throttling"),
        (400, "ThrottlingException"),
        (400, "RequestLimitExceeded"),
        (429, ""),
        (500, ""),
        (503, ""),
    ];
    for (status, code) in answers {
        let (sink, at, before) = (sink(&server), recently(0.0), server.points().len());
        server.mishaps([Fault::Answer(status, code)]);
        let error = sink.export(&batch("a", at, many(1))).await.unwrap_err();
        assert!(error.may_retry() && error.to_string().contains(code), "{error:?}");
        assert_eq!(push(&sink, &batch("a", at, many(1))).await, Ok(1));
        assert_eq!(server.points().len(), before + 1);
    }
    assert_eq!(server.requests(), 2 * answers.len(), "the client does not retry by itself");
}

#[tokio::test]
async fn rejections_may_not_be_retried() {
    let server = AwsServer::start().await;
    for (code, points) in [("AccessDenied", 1), ("ExpiredToken", 1), ("InvalidParameterValue", 0)] {
        let sink = sink(&server);
        // Expired credentials are fetched anew once.
        let answers = if code == "ExpiredToken" { 2 } else { 1 };
        server.mishaps((0..answers).map(|_| Fault::Answer(400, code)));
        let error = sink.export(&batch("a", recently(0.0), many(1))).await.unwrap_err();
        assert!(!error.may_retry() && error.to_string().contains(code), "{error:?}");
        assert_eq!(sink.point_counts().waiting, points, "{code}");
    }
}

#[tokio::test]
async fn credentials_that_expire_early_are_fetched_anew() {
    let server = AwsServer::start().await;
    let (loads, url) = (Arc::new(AtomicUsize::new(0)), server.url());
    let counter = Arc::clone(&loads);
    let load = move || {
        // Only the second ones are accepted.
        let first = counter.fetch_add(1, Ordering::SeqCst) == 0;
        loader(url.clone(), if first { "expired" } else { SECRET })()
    };
    let sink = CloudWatchSink::with_loader(config(&[]), Arc::new(Mapping::default()), load);
    server.mishaps([Fault::Answer(400, "ExpiredToken")]);
    assert_eq!(push(&sink, &batch("a", recently(0.0), many(1))).await, Ok(1));
    assert_eq!(push(&sink, &batch("b", recently(0.0), many(1))).await, Ok(1));
    assert_eq!((loads.load(Ordering::SeqCst), server.requests()), (2, 3));
}

#[tokio::test]
async fn an_invalid_point_costs_only_itself() {
    let server = AwsServer::start().await;
    let sink = sink(&server);
    server.poison("role-700");
    let at = recently(0.0);
    let error = sink.export(&batch("a", at, many(1500))).await.unwrap_err();
    assert!(matches!(&error, SinkError::Invalid(message) if message.contains("InvalidParameterValue")), "{error}");
    let all_but_one: Vec<_> = expected(1500, at).into_iter().filter(|(role, _)| role != "role-700").collect();
    assert_eq!(arrivals(&server), all_but_one);
    assert!(server.requests() < 40, "{} requests", server.requests());
    assert_eq!((sink.point_counts().waiting, sink.point_counts().dropped), (0, 1));
}

#[tokio::test]
async fn points_that_are_all_rejected_do_not_block_later_ones() {
    let server = AwsServer::start().await;
    let sink = sink(&server);
    let long_ago = recently(15.0 * 86_400.0);
    assert!(!sink.export(&batch("old", long_ago, many(1200))).await.unwrap_err().may_retry());
    assert_eq!((sink.point_counts().waiting, sink.point_counts().dropped), (0, 1200));
    assert!(server.requests() < 25, "{} requests", server.requests());
    assert_eq!(push(&sink, &batch("new", recently(0.0), many(3))).await, Ok(3));
}

#[tokio::test]
async fn a_connection_lost_between_requests_loses_nothing() {
    let server = AwsServer::start().await;
    let (sink, at) = (sink(&server), recently(0.0));
    server.mishaps([Fault::None, Fault::Reset]);
    let error = sink.export(&batch("a", at, many(2500))).await.unwrap_err();
    assert!(error.may_retry(), "{error:?}");
    assert_eq!(sink.point_counts().waiting, 1500, "what was delivered is gone at once");
    assert_eq!(push(&sink, &batch("a", at, many(2500))).await, Ok(1500));
    assert_eq!(arrivals(&server), expected(2500, at));
}

#[tokio::test]
async fn an_attempt_dropped_while_the_server_hangs_loses_and_repeats_nothing() {
    let server = AwsServer::start().await;
    let (sink, at) = (sink(&server), recently(0.0));
    let this = batch("a", at, many(2500));
    server.mishaps([Fault::Hang, Fault::None, Fault::Hang]);
    for waiting in [2500, 1500] {
        timeout(Duration::from_millis(500), sink.export(&this)).await.unwrap_err();
        assert_eq!(sink.point_counts().waiting, waiting);
    }
    assert_eq!(push(&sink, &this).await, Ok(1500));
    assert_eq!(push(&sink, &this).await, Ok(0));
    assert_eq!(arrivals(&server), expected(2500, at));
}

#[tokio::test]
async fn the_final_flush_sends_the_spool_once_more() {
    let server = AwsServer::start().await;
    let (sink, at) = (sink(&server), recently(60.0));
    assert_eq!(sink.shutdown().await, Ok(()));
    assert_eq!(server.requests(), 0, "an empty spool sends nothing");
    server.mishaps([Fault::Answer(503, "")]);
    sink.export(&batch("a", at, many(3))).await.unwrap_err();
    assert_eq!(sink.shutdown().await, Ok(()));
    assert_eq!((arrivals(&server), sink.point_counts().waiting), (expected(3, at), 0));
}
