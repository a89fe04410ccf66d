//! The running program and its sinks under every fault: what arrives, what waits, what the counters say.

use std::collections::BTreeSet;
use std::time::Duration;

use kdcube_metrics::base::clock::{Clock, SystemClock};
use serde_json::Value;

use crate::aws_server::{AwsServer, KEY, REGION, SECRET};
use crate::fault::Fault;
use crate::pushgateway::{EMBEDDED, OFTEN, PUSH, Pushgateway, SCHEDULED};
use crate::support::{RedisServer, Server, eventually};

const SOON: Duration = Duration::from_secs(20);
/// Rounds long enough that an answer is in time on a busy machine: one that is not may be sent again.
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

fn record(server: &Server, sink: &str) -> Value {
    let records = server.get("/api/v1/exports").json();
    let mut records = records["sinks"].as_array().unwrap().iter();
    records.find(|record| record["name"] == sink).unwrap().clone()
}

fn count(server: &Server, sink: &str, what: &str) -> u64 {
    record(server, sink)[what].as_u64().unwrap()
}

/// One of the server's own series on `/metrics`.
fn metric(server: &Server, series: &str) -> u64 {
    let text = server.get("/metrics").text();
    let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("{series} is not in {text}")).parse().unwrap()
}

/// The times of all points, in the order of arrival; no point may have come twice.
fn times(aws: &AwsServer) -> Vec<f64> {
    let points = aws.points();
    let once: BTreeSet<_> = points.iter().map(|datum| (datum.name.as_str(), datum.at.to_bits())).collect();
    assert_eq!(once.len(), points.len(), "a point was sent twice");
    points.iter().map(|datum| datum.at).collect()
}

fn distinct(times: impl IntoIterator<Item = f64>) -> usize {
    times.into_iter().map(f64::to_bits).collect::<BTreeSet<_>>().len()
}

/// Both outlets of the counters account for every point that arrived; between two rounds they do so exactly.
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
async fn whatever_cloudwatch_answers_a_round_arrives_whole_and_once() {
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
    let server = Server::ready(&[&cloudwatch(&url)[..], &FROZEN, &[EMBEDDED, SCHEDULED, STEADY]].concat());
    eventually("rounds after the mishaps", SOON, || {
        count(&server, "cloudwatch", "ok") >= 2 && count(&server, "cloudwatch", "waiting") == 0
    });
    // Only rounds ask for ticks here, so each snapshot is one batch's. The newest may be under way.
    let ticks = metric(&server, "kdcube_metrics_ticks_total{result=\"ok\"}");
    let arrived = distinct(times(&aws));
    assert!(arrived >= 3 && arrived + 1 >= ticks as usize, "{arrived} of {ticks} rounds arrived");
    // A request a batch, besides the seven that had a fault.
    eventually("as many requests as rounds", SOON, || aws.requests() == 7 + aws.accepted().len());

    counters_agree(&server, &aws);
    let told = record(&server, "cloudwatch");
    assert!(told["last_error"].as_str().unwrap().starts_with("CloudWatch answers"), "{told}");
    assert!(told["last_success"].as_f64() >= told["last_error_at"].as_f64(), "{told}");
    // Every request beyond the first of a batch is a retry, and a refusal ends its batch.
    assert!(told["failed"].as_u64() >= Some(1) && told["retries"].as_u64() >= Some(1), "{told}");
    assert!(told["retries"].as_u64() <= Some(7), "{told}");
    let retries = metric(&server, "kdcube_metrics_export_retries_total{sink=\"cloudwatch\"}");
    assert_eq!(Some(retries), told["retries"].as_u64());
    let log = server.log();
    assert!(log.contains("pushes arrive again") && !log.contains(SECRET), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cloudwatch_that_comes_late_gets_what_it_missed() {
    let mut aws = AwsServer::start().await;
    aws.stop().await;
    let url = aws.url();
    let server = Server::ready(&[&cloudwatch(&url)[..], &[EMBEDDED, SCHEDULED, STEADY]].concat());
    eventually("rounds in vain", SOON, || count(&server, "cloudwatch", "failed") >= 3);
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
async fn while_redis_is_away_nothing_is_pushed_and_then_it_goes_on() {
    let aws = AwsServer::start().await;
    let (url, mut redis) = (aws.url(), RedisServer::start());
    let source = redis.url();
    let own = [("REDIS_URL", source.as_str()), ("METRICS_STALE_AFTER_SEC", "1"), SCHEDULED, STEADY];
    let server = Server::ready(&[&cloudwatch(&url)[..], &own].concat());
    eventually("pushes", SOON, || count(&server, "cloudwatch", "ok") >= 1);
    redis.stop();
    let down = SystemClock.now();
    eventually("rounds without data", SOON, || count(&server, "cloudwatch", "no_data") >= 2);
    let (before, rounds) = (aws.requests(), count(&server, "cloudwatch", "no_data"));
    eventually("more of them", SOON, || count(&server, "cloudwatch", "no_data") >= rounds + 2);
    assert_eq!(aws.requests(), before, "nothing is known, nothing is said");
    assert_eq!(count(&server, "cloudwatch", "failed"), 0, "it is not the sink that fails");
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
    assert!(!log.contains("a push failed"), "{log}");
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
        eventually("rounds", SOON, || {
            count(&server, hangs, "failed") >= failed + 2 && count(&server, works, "ok") >= ok + 3
        });
        let took = |sink| count(&server, sink, "last_duration_ms");
        assert!(took(works) < took(hangs), "{} {}", record(&server, works), record(&server, hangs));
    };
    both("cloudwatch", "pushgateway");
    assert_eq!(count(&server, "pushgateway", "failed"), 0);
    // And the other way batch.
    gateway.hang(true);
    aws.recover();
    eventually("CloudWatch", SOON, || count(&server, "cloudwatch", "waiting") == 0);
    both("pushgateway", "cloudwatch");
    gateway.hang(false);
    let ok = count(&server, "pushgateway", "ok");
    eventually("both", SOON, || count(&server, "pushgateway", "ok") > ok);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_that_reaches_some_sinks_is_207_and_tells_of_each() {
    let (aws, gateway) = (AwsServer::start().await, Pushgateway::start());
    let (url, place) = (aws.url(), gateway.url());
    let push = [EMBEDDED, PUSH, ("METRICS_PROM_PUSHGATEWAY_URL", place.as_str())];
    let server = Server::ready(&[&cloudwatch(&url)[..], &push].concat());
    aws.mishaps([Fault::Answer(403, "AccessDenied")]);
    let answer = server.get("/metrics/export");
    let told = answer.json();
    assert_eq!((answer.status, &told["status"]), (207, &"partial".into()), "{told}");
    assert!(told["ts"].is_f64());
    let [refused, taken] = [&told["sinks"][0], &told["sinks"][1]];
    assert_eq!(
        (&refused["name"], &refused["status"], &refused["samples"]),
        (&"cloudwatch".into(), &"failed".into(), &0.into())
    );
    assert!(refused["error"].as_str().unwrap().contains("cloudwatch:PutMetricData"), "{refused}");
    assert_eq!(
        (&taken["name"], &taken["status"], &taken["error"]),
        (&"pushgateway".into(), &"ok".into(), &Value::Null)
    );
    assert!(taken["samples"].as_u64() > Some(20) && taken["duration_ms"].is_u64(), "{taken}");
    // What was refused waits, and goes with the next.
    eventually("another export", SOON, || server.get("/metrics/export").status == 200);
    assert_eq!(distinct(times(&aws)), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn askers_at_the_same_time_share_one_export() {
    let aws = AwsServer::start().await;
    let url = aws.url();
    let server = Server::ready(&[&cloudwatch(&url)[..], &[EMBEDDED]].concat());
    aws.mishaps([Fault::Late(Duration::from_millis(800))]);
    let answers: BTreeSet<_> = std::thread::scope(|scope| {
        let askers: Vec<_> = (0..8).map(|_| scope.spawn(|| server.get("/metrics/export").text())).collect();
        askers.into_iter().map(|asker| asker.join().unwrap()).collect()
    });
    assert_eq!((answers.len(), aws.requests()), (1, 1), "{answers:?}");
    // Whoever comes at once after them is told the same.
    assert!(answers.contains(&server.get("/metrics/export").text()));
    assert_eq!(aws.requests(), 1);
    assert_eq!(count(&server, "cloudwatch", "ok"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_scheduler_nothing_is_pushed_until_somebody_asks() {
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
async fn told_to_stop_in_the_middle_of_a_push_it_waits_for_the_answer() {
    let aws = AwsServer::start().await;
    let url = aws.url();
    aws.mishaps([Fault::Late(Duration::from_millis(700))]);
    let server = Server::ready(&[&cloudwatch(&url)[..], &[EMBEDDED, SCHEDULED, RARELY]].concat());
    eventually("the push", SOON, || aws.requests() == 1);
    let (code, took, log) = server.terminate();
    assert_eq!((code, aws.accepted().len(), aws.requests()), (Some(0), 1, 1), "{log}");
    assert!(took < Duration::from_secs(5) && !log.contains("WARN"), "{took:?} {log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_at_the_end_is_delivered_within_the_goodbye() {
    // Cut in the middle of a push that hangs, and refused so that it is not tried again.
    for fault in [Fault::Hang, Fault::Answer(403, "AccessDenied")] {
        let aws = AwsServer::start().await;
        let url = aws.url();
        aws.mishaps([fault]);
        let server = Server::ready(&[&cloudwatch(&url)[..], &[EMBEDDED, SCHEDULED, RARELY]].concat());
        eventually("the push", SOON, || aws.requests() == 1);
        let (code, took, log) = server.terminate();
        assert_eq!((code, aws.accepted().len()), (Some(0), 1), "{log}");
        assert!(!times(&aws).is_empty() && took < Duration::from_secs(8), "{took:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_delivered_at_the_end_is_told() {
    let mut aws = AwsServer::start().await;
    let url = aws.url();
    aws.stop().await;
    let server = Server::ready(&[&cloudwatch(&url)[..], &[EMBEDDED, SCHEDULED, RARELY]].concat());
    eventually("the push", SOON, || count(&server, "cloudwatch", "waiting") > 0);
    let (code, took, log) = server.terminate();
    assert_eq!(code, Some(0), "{log}");
    assert!(took < Duration::from_secs(8) && log.contains("points that could not be delivered are lost"), "{log}");
}
