//! The running program and its sinks under every fault: what is delivered, what is spooled, and the counters.

use std::collections::BTreeSet;
use std::time::Duration;

use kdcube_metrics::base::clock::{Clock, SystemClock};
use serde_json::Value;

use crate::aws_server::{AwsServer, KEY, REGION, SECRET};
use crate::fault::Fault;
use crate::pushgateway::{EMBEDDED, OFTEN, PUSH, Pushgateway, SCHEDULED, WITH_RETRIES};
use crate::support::{RedisServer, Server, eventually};

const SOON: Duration = Duration::from_secs(20);
/// An interval long enough for an answer on a busy machine: a late one may be sent again.
const STEADY: (&str, &str) = ("METRICS_EXPORT_INTERVAL_SEC", "1");
/// One batch, at the start.
const RARELY: (&str, &str) = ("METRICS_EXPORT_INTERVAL_SEC", "86400");
/// One tick, at the start: every batch is about the same snapshot.
const FROZEN: [(&str, &str); 3] = [
    ("METRICS_SAMPLE_INTERVAL_SEC", "600"),
    ("METRICS_STALE_AFTER_SEC", "3600"),
    ("METRICS_PROM_SCRAPE_TTL_SEC", "3600"),
];

/// The settings that push to this CloudWatch.
fn cloudwatch(url: &str) -> [(&str, &str); 5] {
    [
        ("METRICS_EXPORT_CLOUDWATCH", "1"),
        ("AWS_ENDPOINT_URL", url),
        ("AWS_REGION", REGION),
        ("AWS_ACCESS_KEY_ID", KEY),
        ("AWS_SECRET_ACCESS_KEY", SECRET),
    ]
}

fn stats(server: &Server, sink: &str) -> Value {
    let all = server.get("/api/v1/exports").json();
    let mut all = all["sinks"].as_array().unwrap().iter();
    all.find(|stats| stats["name"] == sink).unwrap().clone()
}

fn count(server: &Server, sink: &str, what: &str) -> u64 {
    stats(server, sink)[what].as_u64().unwrap()
}

/// One of the server's own series on `/metrics`.
fn metric(server: &Server, series: &str) -> u64 {
    let text = server.get("/metrics").text();
    let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("{series} is not in {text}")).parse().unwrap()
}

/// The times of all points, in order of arrival; no point may arrive twice.
fn times(aws: &AwsServer) -> Vec<f64> {
    let points = aws.points();
    let once: BTreeSet<_> = points.iter().map(|datum| (datum.name.as_str(), datum.at.to_bits())).collect();
    assert_eq!(once.len(), points.len(), "a point was sent twice");
    points.iter().map(|datum| datum.at).collect()
}

fn distinct(times: impl IntoIterator<Item = f64>) -> usize {
    times.into_iter().map(f64::to_bits).collect::<BTreeSet<_>>().len()
}

/// Both counters account for every point that arrived; between two pushes exactly.
fn counters_agree(server: &Server, aws: &AwsServer) {
    let delivered = "kdcube_metrics_export_delivered_points_total{sink=\"cloudwatch\"}";
    eventually("counters that agree", SOON, || {
        let arrived = aws.points().len() as u64;
        count(server, "cloudwatch", "delivered") == arrived && metric(server, delivered) == arrived
    });
    assert_eq!(count(server, "cloudwatch", "dropped"), 0);
    assert_eq!(metric(server, "kdcube_metrics_export_dropped_points_total{sink=\"cloudwatch\"}"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_cloudwatch_answers_a_batch_is_delivered_whole_and_once() {
    let aws = AwsServer::start().await;
    let url = aws.url();
    aws.mishaps([
        Fault::Answer(500, ""),
        Fault::Answer(429, ""),
        Fault::Answer(400, "Throttling"),
        Fault::Reset,
        Fault::Hang,
        Fault::Answer(400, "AccessDenied"),
        Fault::Answer(503, "ServiceUnavailable"),
    ]);
    let server = Server::ready(&[&cloudwatch(&url)[..], &FROZEN, &[EMBEDDED, SCHEDULED, WITH_RETRIES]].concat());
    eventually("batches after the faults", SOON, || {
        count(&server, "cloudwatch", "ok") >= 2 && count(&server, "cloudwatch", "waiting") == 0
    });
    // Only pushes ask for ticks here, so each snapshot belongs to one batch. The newest may be in progress.
    let ticks = metric(&server, "kdcube_metrics_ticks_total{result=\"ok\"}");
    let arrived = distinct(times(&aws));
    assert!(arrived >= 3 && arrived + 1 >= ticks as usize, "{arrived} of {ticks} batches arrived");
    // A request a batch, besides the seven that had a fault.
    eventually("as many requests as batches", SOON, || aws.requests() == 7 + aws.accepted().len());

    counters_agree(&server, &aws);
    let report = stats(&server, "cloudwatch");
    assert!(report["last_error"].as_str().unwrap().starts_with("CloudWatch answers"), "{report}");
    assert!(report["last_success"].as_f64() >= report["last_error_at"].as_f64(), "{report}");
    // Every request beyond the first of a batch is a retry, and a rejection ends its batch.
    assert!(report["failed"].as_u64() >= Some(1) && report["retries"].as_u64() >= Some(1), "{report}");
    assert!(report["retries"].as_u64() <= Some(7), "{report}");
    let retries = metric(&server, "kdcube_metrics_export_retries_total{sink=\"cloudwatch\"}");
    assert_eq!(Some(retries), report["retries"].as_u64());
    let log = server.log_with("problem ended code=\"sink_failing\"");
    let recovered = log.lines().any(|line| line.contains("problem ended code=\"sink_failing\" subject=\"cloudwatch\""));
    assert!(recovered && !log.contains(SECRET), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cloudwatch_that_recovers_gets_what_it_missed() {
    let mut aws = AwsServer::start().await;
    aws.stop().await;
    let url = aws.url();
    let server = Server::ready(&[&cloudwatch(&url)[..], &[EMBEDDED, SCHEDULED, STEADY]].concat());
    eventually("failed batches", SOON, || count(&server, "cloudwatch", "failed") >= 3);
    assert!(count(&server, "cloudwatch", "waiting") >= 40);
    assert!(metric(&server, "kdcube_metrics_export_waiting_points{sink=\"cloudwatch\"}") >= 40);
    let up = SystemClock.now();
    aws.resume().await;
    eventually("deliveries", SOON, || {
        count(&server, "cloudwatch", "ok") >= 2 && count(&server, "cloudwatch", "waiting") == 0
    });
    let times = times(&aws);
    assert!(times.is_sorted(), "oldest first");
    assert!(distinct(times.iter().copied().filter(|at| *at < up)) >= 2, "with their own time: {times:?}");
    assert!(distinct(times.iter().copied().filter(|at| *at >= up)) >= 1, "and those of now");
    counters_agree(&server, &aws);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_pushed_while_redis_is_unavailable() {
    let aws = AwsServer::start().await;
    let (url, mut redis) = (aws.url(), RedisServer::start().with_deployment());
    let source = redis.url();
    let own = [("REDIS_URL", source.as_str()), ("METRICS_STALE_AFTER_SEC", "1"), SCHEDULED, STEADY];
    let server = Server::ready(&[&cloudwatch(&url)[..], &own].concat());
    eventually("pushes", SOON, || count(&server, "cloudwatch", "ok") >= 1);
    redis.stop();
    let down = SystemClock.now();
    eventually("batches without data", SOON, || count(&server, "cloudwatch", "no_data") >= 2);
    let (before, batches) = (aws.requests(), count(&server, "cloudwatch", "no_data"));
    eventually("more of them", SOON, || count(&server, "cloudwatch", "no_data") >= batches + 2);
    assert_eq!(aws.requests(), before, "without a snapshot nothing is sent");
    assert_eq!(count(&server, "cloudwatch", "failed"), 0, "the sink did not fail");
    let answer = server.get("/metrics/export");
    assert_eq!(answer.status, 502);
    assert!(answer.text().contains("there is no fresh snapshot"), "{}", answer.text());

    let up = SystemClock.now();
    redis.restart();
    let ok = count(&server, "cloudwatch", "ok");
    eventually("pushes again", SOON, || count(&server, "cloudwatch", "ok") >= ok + 2);
    let times = times(&aws);
    assert!(!times.iter().any(|at| (down..up).contains(at)), "{down} {up} {times:?}");
    assert!(times.iter().any(|at| *at >= up));
    let (code, _, log) = server.terminate();
    assert_eq!(code, Some(0), "{log}");
    assert!(!log.contains("sink_failing"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sink_that_hangs_does_not_delay_the_other() {
    let (aws, gateway) = (AwsServer::start().await, Pushgateway::start());
    let (url, place) = (aws.url(), gateway.url());
    let push = [PUSH, ("METRICS_PROM_PUSHGATEWAY_URL", place.as_str())];
    aws.mishaps((0..1000).map(|_| Fault::Hang));
    let server = Server::ready(&[&cloudwatch(&url)[..], &push, &[EMBEDDED, SCHEDULED, OFTEN]].concat());
    let both = |hangs, works| {
        let (failed, ok) = (count(&server, hangs, "failed"), count(&server, works, "ok"));
        eventually("batches", SOON, || {
            count(&server, hangs, "failed") >= failed + 2 && count(&server, works, "ok") >= ok + 3
        });
        let took = |sink| count(&server, sink, "last_duration_ms");
        assert!(took(works) < took(hangs), "{} {}", stats(&server, works), stats(&server, hangs));
    };
    both("cloudwatch", "pushgateway");
    assert_eq!(count(&server, "pushgateway", "failed"), 0);
    // And the other way round.
    gateway.hang(true);
    aws.recover();
    eventually("CloudWatch", SOON, || count(&server, "cloudwatch", "waiting") == 0);
    both("pushgateway", "cloudwatch");
    gateway.hang(false);
    let ok = count(&server, "pushgateway", "ok");
    eventually("both", SOON, || count(&server, "pushgateway", "ok") > ok);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_that_reaches_some_sinks_is_207_and_reports_each() {
    let (aws, gateway) = (AwsServer::start().await, Pushgateway::start());
    let (url, place) = (aws.url(), gateway.url());
    let push = [EMBEDDED, PUSH, ("METRICS_PROM_PUSHGATEWAY_URL", place.as_str())];
    let server = Server::ready(&[&cloudwatch(&url)[..], &push].concat());
    aws.mishaps([Fault::Answer(403, "AccessDenied")]);
    let answer = server.get("/metrics/export");
    let report = answer.json();
    assert_eq!((answer.status, &report["status"]), (207, &"partial".into()), "{report}");
    assert!(report["ts"].is_f64());
    let [denied, accepted] = [&report["sinks"][0], &report["sinks"][1]];
    assert_eq!(
        (&denied["name"], &denied["status"], &denied["samples"]),
        (&"cloudwatch".into(), &"failed".into(), &0.into())
    );
    assert!(denied["error"].as_str().unwrap().contains("cloudwatch:PutMetricData"), "{denied}");
    assert_eq!(
        (&accepted["name"], &accepted["status"], &accepted["error"]),
        (&"pushgateway".into(), &"ok".into(), &Value::Null)
    );
    assert!(accepted["samples"].as_u64() > Some(20) && accepted["duration_ms"].is_u64(), "{accepted}");
    // Denied points stay in the spool and are sent with the next batch.
    eventually("another export", SOON, || server.get("/metrics/export").status == 200);
    assert_eq!(distinct(times(&aws)), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_callers_share_one_export() {
    let aws = AwsServer::start().await;
    let url = aws.url();
    let server = Server::ready(&[&cloudwatch(&url)[..], &[EMBEDDED]].concat());
    aws.mishaps([Fault::Late(Duration::from_millis(800))]);
    let answers: BTreeSet<_> = std::thread::scope(|scope| {
        let callers: Vec<_> = (0..8).map(|_| scope.spawn(|| server.get("/metrics/export").text())).collect();
        callers.into_iter().map(|caller| caller.join().unwrap()).collect()
    });
    assert_eq!((answers.len(), aws.requests()), (1, 1), "{answers:?}");
    // A request right after them gets the same report.
    assert!(answers.contains(&server.get("/metrics/export").text()));
    assert_eq!(aws.requests(), 1);
    assert_eq!(count(&server, "cloudwatch", "ok"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_scheduler_only_requests_push() {
    let aws = AwsServer::start().await;
    let url = aws.url();
    let server = Server::ready(&[&cloudwatch(&url)[..], &[EMBEDDED, OFTEN]].concat());
    let later = Server::ready(
        &[&cloudwatch(&url)[..], &[EMBEDDED, SCHEDULED, RARELY, ("METRICS_EXPORT_ON_START", "0")]].concat(),
    );
    let ticks = "kdcube_metrics_ticks_total{result=\"ok\"}";
    eventually("ticks", SOON, || metric(&server, ticks) > 5 && metric(&later, ticks) > 5);
    assert_eq!(aws.requests(), 0);
    assert_eq!(server.get("/metrics/export").status, 200);
    assert_eq!(aws.requests(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn shutdown_waits_for_the_answer_of_a_push_in_progress() {
    let aws = AwsServer::start().await;
    let url = aws.url();
    aws.mishaps([Fault::Late(Duration::from_millis(700))]);
    let server = Server::ready(&[&cloudwatch(&url)[..], &[EMBEDDED, SCHEDULED, RARELY]].concat());
    eventually("the push", SOON, || aws.requests() == 1);
    let (code, took, log) = server.terminate();
    assert_eq!((code, aws.accepted().len(), aws.requests()), (Some(0), 1, 1), "{log}");
    assert!(took < Duration::from_secs(9) && !log.contains("WARN"), "{took:?} {log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_final_flush_delivers_the_spool() {
    // A push that hangs and is interrupted, and one that is denied and not retried.
    for fault in [Fault::Hang, Fault::Answer(403, "AccessDenied")] {
        let aws = AwsServer::start().await;
        let url = aws.url();
        aws.mishaps([fault]);
        let server = Server::ready(&[&cloudwatch(&url)[..], &[EMBEDDED, SCHEDULED, RARELY]].concat());
        eventually("the push", SOON, || aws.requests() == 1);
        let (code, took, log) = server.terminate();
        assert_eq!((code, aws.accepted().len()), (Some(0), 1), "{log}");
        assert!(!times(&aws).is_empty() && took < Duration::from_secs(9), "{took:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn points_that_the_final_flush_cannot_deliver_are_logged() {
    let mut aws = AwsServer::start().await;
    let url = aws.url();
    aws.stop().await;
    let server = Server::ready(&[&cloudwatch(&url)[..], &[EMBEDDED, SCHEDULED, RARELY]].concat());
    eventually("the push", SOON, || count(&server, "cloudwatch", "waiting") > 0);
    let (code, took, log) = server.terminate();
    assert_eq!(code, Some(0), "{log}");
    assert!(took < Duration::from_secs(9) && log.contains("undelivered points are lost"), "{log}");
}
