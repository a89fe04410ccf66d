//! The CloudWatch sink: what is delivered, what is spooled, and what is never sent twice.

mod chain;
mod outages;

use std::sync::Arc;
use std::time::Duration;

use aws_config::{BehaviorVersion, ConfigLoader};
use aws_sdk_cloudwatch::config::Credentials;
use kdcube_metrics::base::clock::{Clock, SystemClock};
use kdcube_metrics::catalog::{Part, Sample, find};
use kdcube_metrics::outlets::names::Mapping;
use kdcube_metrics::outlets::push::batch::{ExportBatch, SnapshotSamples};
use kdcube_metrics::outlets::push::cloudwatch::config::{CloudWatchConfig, read};
use kdcube_metrics::outlets::push::cloudwatch::sink::CloudWatchSink;
use kdcube_metrics::outlets::push::sink::{Sink, SinkError};
use kdcube_metrics::settings::Settings;
use serde_json::json;

use crate::aws_server::{AwsServer, KEY, Moto, REGION, SECRET};

const MINUTE: Duration = Duration::from_mins(1);

fn config(variables: &[(&'static str, &'static str)]) -> CloudWatchConfig {
    let fixed = [
        ("METRICS_EXPORT_CLOUDWATCH", "1"),
        ("METRICS_CLOUDWATCH_REGION", REGION),
        ("METRICS_CLOUDWATCH_INCLUDE", "*"),
    ];
    let mut settings = Settings::from_environment(fixed.iter().chain(variables).copied());
    let config = read(&mut settings, MINUTE);
    assert_eq!(settings.errors(), []);
    config.unwrap()
}

fn loader(url: String, secret: &'static str) -> impl Fn() -> ConfigLoader {
    move || {
        let credentials = Credentials::new(KEY, secret, None, None, "tests");
        aws_config::defaults(BehaviorVersion::latest()).endpoint_url(&url).credentials_provider(credentials)
    }
}

fn sink_with(server: &AwsServer, variables: &[(&'static str, &'static str)]) -> CloudWatchSink {
    CloudWatchSink::with_loader(config(variables), Arc::new(Mapping::default()), loader(server.url(), SECRET))
}

fn sink(server: &AwsServer) -> CloudWatchSink {
    sink_with(server, &[])
}

/// A whole second of the recent past.
fn recently(seconds_ago: f64) -> f64 {
    (SystemClock.now() - seconds_ago).floor()
}

fn queued(role: &str, value: f64) -> Sample {
    Sample {
        metric: find("proc_queue_tasks").unwrap(),
        labels: vec![("role", role.to_owned())],
        part: Part::Whole,
        value,
        scope: None,
    }
}

fn batch(id: &str, at: f64, samples: Vec<Sample>) -> ExportBatch {
    ExportBatch {
        snapshot: Some(SnapshotSamples { id: id.to_owned(), at, samples, scope_found: None }),
        snapshot_age_seconds: Some(0.0),
        snapshot_taken_at: Some(at),
    }
}

/// One attempt; returns how many points it delivered.
async fn push(sink: &CloudWatchSink, batch: &ExportBatch) -> Result<u64, SinkError> {
    let before = sink.point_counts().delivered;
    sink.export(batch).await?;
    Ok(sink.point_counts().delivered - before)
}

/// So many series, each with its number as value.
fn many(count: u32) -> Vec<Sample> {
    (0..count).map(|n| queued(&format!("role-{n}"), f64::from(n))).collect()
}

/// Every accepted (role, time), in order; a repetition would show.
fn arrivals(server: &AwsServer) -> Vec<(String, f64)> {
    let points = server.points().into_iter();
    points.map(|datum| (datum.dimensions.last().unwrap().1.clone(), datum.at)).collect()
}

fn expected(count: u32, at: f64) -> Vec<(String, f64)> {
    (0..count).map(|n| (format!("role-{n}"), at)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn points_arrive_and_boto3_reads_them_back() {
    let moto = Moto::start();
    let server = AwsServer::start_with(&moto).await;
    let dimensions = ("METRICS_CLOUDWATCH_DIMENSIONS_JSON", r#"{"env": "test"}"#);
    let sink = sink_with(&server, &[dimensions, ("METRICS_CLOUDWATCH_NAMESPACE", "Acme/Chat")]);
    let at = recently(60.0);
    let scalar = Sample {
        metric: find("ingress.sse.saturation_percent").unwrap(),
        labels: vec![],
        part: Part::Whole,
        value: 31.25,
        scope: None,
    };
    assert_eq!(push(&sink, &batch("a", at, vec![scalar, queued("chat", 0.0)])).await, Ok(2));

    let read = moto.series("Acme/Chat");
    let sse = json!({
        "name": "ingress/sse/saturation_percent", "dimensions": {"env": "test"}, "points": [[at, 31.25, 1.0, "Percent"]],
    });
    let queue = json!({
        "name": "proc_queue_tasks", "dimensions": {"env": "test", "role": "chat"}, "points": [[at, 0.0, 1.0, "Count"]],
    });
    assert_eq!(read, [sse, queue]);
    assert!(server.points().iter().all(|datum| datum.resolution == 60));
}

#[tokio::test]
async fn high_resolution_is_requested_if_configured() {
    let server = AwsServer::start().await;
    let sink = sink_with(&server, &[("METRICS_CLOUDWATCH_HIGH_RESOLUTION", "1")]);
    sink.export(&batch("a", recently(0.0), many(1))).await.unwrap();
    assert_eq!(server.points()[0].resolution, 1);
}

#[tokio::test]
async fn a_wrong_secret_is_denied_and_not_logged() {
    let server = AwsServer::start().await;
    let loader = loader(server.url(), "wr0ng-secret");
    let sink = CloudWatchSink::with_loader(config(&[]), Arc::new(Mapping::default()), loader);
    let error = sink.export(&batch("a", recently(0.0), many(1))).await.unwrap_err();
    let SinkError::Denied(message) = &error else { panic!("{error:?}") };
    assert_eq!(server.requests(), 1);
    assert!(message.contains("SignatureDoesNotMatch") && message.contains("secret"), "{error}");
    assert!(!message.contains("wr0ng") && !message.contains(KEY), "{error}");
    assert_eq!(sink.point_counts().waiting, 1, "nothing is lost if the secret is corrected in time");
}

#[tokio::test]
async fn more_than_a_thousand_points_are_several_requests() {
    let server = AwsServer::start().await;
    let sink = sink(&server);
    let at = recently(0.0);
    assert_eq!(push(&sink, &batch("a", at, many(2500))).await, Ok(2500));
    assert_eq!(server.accepted().iter().map(|put| put.data.len()).collect::<Vec<_>>(), [1000, 1000, 500]);
    assert_eq!(arrivals(&server), expected(2500, at));
    assert!(server.accepted().iter().all(|put| put.gzip), "large bodies are compressed");
}

#[tokio::test]
async fn a_small_body_is_not_compressed() {
    let server = AwsServer::start().await;
    sink(&server).export(&batch("a", recently(0.0), many(2))).await.unwrap();
    assert!(!server.accepted()[0].gzip);
}

#[tokio::test]
async fn a_request_stays_below_a_megabyte() {
    let server = AwsServer::start().await;
    let sink = sink(&server);
    let samples = (0..1500).map(|n| queued(&format!("{n}{}", "x".repeat(1000)), 1.0)).collect();
    assert_eq!(push(&sink, &batch("a", recently(0.0), samples)).await, Ok(1500));
    assert!(server.accepted().iter().all(|put| put.bytes <= 1_000_000 && put.bytes > 400_000));
}

#[tokio::test]
async fn what_cloudwatch_would_not_accept_is_dropped_and_counted() {
    let server = AwsServer::start().await;
    let sink = sink(&server);
    let values = [f64::NAN, f64::INFINITY, 1e300, 1e-300, -1e300, 0.0, -2.5];
    let mut samples: Vec<_> = values.iter().map(|value| queued("chat", *value)).collect();
    samples.push(queued("größe", 1.0));
    let this = batch("a", recently(0.0), samples);
    assert_eq!(push(&sink, &this).await, Ok(2));
    assert_eq!(push(&sink, &this).await, Ok(0));
    assert_eq!(
        (sink.point_counts().dropped, sink.point_counts().waiting),
        (6, 0),
        "counted once, however often it is retried"
    );
}

#[tokio::test]
async fn only_included_metrics_are_sent() {
    let server = AwsServer::start().await;
    let sink = sink_with(&server, &[("METRICS_CLOUDWATCH_INCLUDE", "instances")]);
    assert_eq!(push(&sink, &batch("a", recently(0.0), many(3))).await, Ok(0));
    assert_eq!((server.requests(), sink.point_counts().dropped), (0, 0));
}

#[tokio::test]
async fn a_check_resolves_region_and_credentials_and_pushes_nothing() {
    let server = AwsServer::start().await;
    assert!(sink(&server).check().await.unwrap().ends_with(REGION));
    let without = || aws_config::defaults(BehaviorVersion::latest()).no_credentials();
    let sink = CloudWatchSink::with_loader(config(&[]), Arc::new(Mapping::default()), without);
    assert!(sink.check().await.unwrap_err().to_string().contains("no credentials found"));
    assert_eq!(server.requests(), 0);
}
