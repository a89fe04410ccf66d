//! One tick and one push: output, what is left in Redis and at the sinks, and exit codes.

use serde_json::Value;

use crate::pushgateway::{EMBEDDED, PUSH, Pushgateway};
use crate::support::{GATEWAY, RedisServer, free_port, program};

const P: &str = "acme:chat:kdcube";
/// Variables and arguments.
type Form = (&'static [(&'static str, &'static str)], &'static [&'static str]);
/// Both ways to start it.
const FORMS: [Form; 2] = [(&[], &["once"]), (&[("METRICS_RUN_ONCE", "1")], &["serve"])];

fn run(variables: &[(&str, &str)], arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = program(&[&[GATEWAY][..], variables].concat(), arguments).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// The one line of a summary.
fn summary(text: &str) -> Value {
    assert_eq!(text.lines().count(), 1, "{text}");
    serde_json::from_str(text).unwrap()
}

fn points(redis: &RedisServer) -> i64 {
    redis::cmd("ZCARD").arg(format!("{P}:metrics:queue_depth:proc")).query(&mut redis.connection()).unwrap()
}

/// A value of a dry run, as Prometheus text.
fn line(text: &str, series: &str) -> f64 {
    let value = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    value.unwrap_or_else(|| panic!("{series} is not in {text}")).parse().unwrap()
}

#[test]
fn it_pushes_records_and_reports_and_a_dry_run_does_nothing() {
    let (gateway, redis) = (Pushgateway::start(), RedisServer::start().with_deployment());
    let (url, place) = (redis.url(), gateway.url());
    let to = [
        PUSH,
        ("REDIS_URL", url.as_str()),
        ("METRICS_PROM_PUSHGATEWAY_URL", place.as_str()),
        // For servers that stop, not for runs that end.
        ("METRICS_PROM_PUSH_DELETE_ON_SHUTDOWN", "1"),
    ];
    let (code, text, _) = run(&to, &["once", "--dry-run"]);
    assert_eq!((code, line(&text, "kdcube_proc_queue_total")), (Some(0), 0.0));
    assert!(text.contains(&format!("PUT {place}/metrics/job/kdcube_metrics")), "{text}");
    assert_eq!((points(&redis), gateway.lines("kdcube_proc_queue_total").len()), (0, 0));
    for (runs, (more, arguments)) in (1..).zip(FORMS) {
        let (code, text, log) = run(&[&to, more].concat(), arguments);
        let report = summary(&text);
        assert_eq!((code, &report["status"], points(&redis)), (Some(0), &"ok".into(), runs), "{text} {log}");
        assert_eq!((&report["sinks"][0]["name"], &report["sinks"][0]["error"]), (&"pushgateway".into(), &Value::Null));
        assert_eq!(gateway.lines("kdcube_proc_queue_total").len(), 1);
    }
}

#[test]
fn exit_codes_say_what_went_wrong_in_both_forms() {
    let (redis, gone) = (RedisServer::start(), format!("redis://:hunter2@127.0.0.1:{}", free_port()));
    let (url, nowhere) = (redis.url(), format!("http://127.0.0.1:{}", free_port()));
    let to = [PUSH, ("METRICS_PROM_PUSHGATEWAY_URL", nowhere.as_str()), ("METRICS_REQUEST_TIMEOUT_SEC", "0.5")];
    for (more, arguments) in FORMS {
        let (code, text, _) = run(&[&to, more, &[("REDIS_URL", &url)]].concat(), arguments);
        let report = summary(&text);
        assert_eq!((code, &report["status"]), (Some(3), &"failed".into()));
        assert!(report["sinks"][0]["error"].as_str().unwrap().contains("cannot be reached"), "{text}");

        let (code, text, errors) = run(&[&to, more, &[("REDIS_URL", &gone)]].concat(), arguments);
        let report = summary(&text);
        assert_eq!((code, &report["status"], &report["sinks"]), (Some(2), &"failed".into(), &Value::Array(vec![])));
        assert!(report["error"].as_str().unwrap().contains("REDIS_URL") && !(text + &errors).contains("hunter2"));

        let (code, text, errors) = run(&[&to, more, &[("METRICS_PROM_PUSHGATEWAY_URL", "")]].concat(), arguments);
        assert_eq!((code, text.as_str()), (Some(78), ""), "a summary is only of a run");
        assert!(errors.contains("METRICS_PROM_PUSHGATEWAY_URL"), "{errors}");

        let (code, text, _) = run(&[more, &[("REDIS_URL", &url)]].concat(), arguments);
        assert_eq!(code, Some(0));
        assert!(summary(&text)["detail"].as_str().unwrap().contains("no sink is enabled"), "{text}");
    }
}

#[test]
fn a_run_sees_the_hour_and_the_runs_before_it() {
    let redis = RedisServer::start();
    let mut connection = redis.connection();
    let (seconds, _): (f64, f64) = redis::cmd("TIME").query(&mut connection).unwrap();
    let mut pipeline = redis::pipe();
    for index in 0..12_345_u32 {
        let at = seconds - 3000.0 + f64::from(index) * 0.2;
        let member = format!("{at}:{index}.0");
        pipeline.cmd("ZADD").arg(format!("{P}:metrics:task_queue_wait_ms:proc")).arg(at).arg(member).ignore();
    }
    pipeline.query::<()>(&mut connection).unwrap();
    let (url, nowhere) = (redis.url(), format!("http://127.0.0.1:{}", free_port()));
    let to = [PUSH, ("REDIS_URL", url.as_str()), ("METRICS_PROM_PUSHGATEWAY_URL", nowhere.as_str())];
    let queue = format!("{P}:chat:prompt:queue:paid");
    redis::cmd("RPUSH").arg(&queue).arg(&["a", "b", "c", "d"]).exec(&mut connection).unwrap();

    // A run that reaches no sink still leaves its points for the next.
    assert_eq!(run(&[&to[..], &[("METRICS_REQUEST_TIMEOUT_SEC", "1")]].concat(), &["once"]).0, Some(3));
    redis::cmd("LPOP").arg(&queue).arg(2).exec(&mut connection).unwrap();
    assert_eq!(run(&[&to[..], &[("METRICS_REQUEST_TIMEOUT_SEC", "1")]].concat(), &["once"]).0, Some(3));
    redis::cmd("DEL").arg(&queue).exec(&mut connection).unwrap();
    let (_, text, _) = run(&to, &["once", "--dry-run"]);
    assert_eq!(line(&text, "kdcube_latency_samples{series=\"proc_queue_wait\",window=\"1h\"}"), 12_345.0);
    assert_eq!(line(&text, "kdcube_proc_queue_total"), 0.0);
    assert_eq!(line(&text, "kdcube_proc_queue_depth_window{window=\"1h\",stat=\"max\"}"), 4.0);
    assert_eq!(line(&text, "kdcube_proc_queue_depth_1m"), 3.0, "of the points that the two runs wrote");
}

#[test]
fn prices_must_be_numbers() {
    for price in ["-1", "NaN", "inf", "free"] {
        let flag = format!("--price-per-metric={price}");
        assert_eq!(run(&[EMBEDDED], &["once", "--dry-run", &flag]).0, Some(64), "{price}");
    }
}

#[cfg(feature = "cloudwatch")]
mod cloudwatch {
    use super::*;
    use crate::aws_server::{AwsServer, KEY, REGION, SECRET};
    use crate::fault::Fault;

    /// The settings that push to this CloudWatch.
    fn to(url: &str) -> [(&str, &str); 7] {
        [
            EMBEDDED,
            ("METRICS_EXPORT_CLOUDWATCH", "1"),
            ("METRICS_CLOUDWATCH_DIMENSIONS_JSON", r#"{"tenant": "acme"}"#),
            ("AWS_ENDPOINT_URL", url),
            ("AWS_REGION", REGION),
            ("AWS_ACCESS_KEY_ID", KEY),
            ("AWS_SECRET_ACCESS_KEY", SECRET),
        ]
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_dry_run_estimates_the_cost_of_a_month() {
        let aws = AwsServer::start().await;
        let url = aws.url();
        let three = "proc.queue.pressure_ratio,proc.queue.utilization_ratio,ingress.sse.saturation_ratio";
        let own = [("METRICS_CLOUDWATCH_INCLUDE", three), ("METRICS_EXPORT_INTERVAL_SEC", "60")];
        let flags = ["once", "--dry-run", "--price-per-metric=2", "--price-per-1000-requests", "0.5"];
        let (code, text, _) = run(&[&to(&url)[..], &own].concat(), &flags);
        assert_eq!(code, Some(0));
        assert!(text.contains("  proc/queue/pressure_ratio {tenant=acme} = "), "{text}");
        // 30 days of 1,440 minutes; 3 × 2 + 43.2 × 0.5.
        for part in ["3 metrics", "43200 requests", "one batch every 60s", "27.60 USD", "2 USD a metric"] {
            assert!(text.contains(part), "{part} in {text}");
        }
        let (_, text, _) = run(&to(&url), &["once", "--dry-run"]);
        for part in ["86400 requests", "0.3 USD a metric", "0.01 USD a thousand", "us-east-1", "2026"] {
            assert!(text.contains(part), "{part} in {text}");
        }
        assert_eq!(aws.requests(), 0);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn an_outage_is_retried_and_a_denial_is_reported() {
        let aws = AwsServer::start().await;
        let url = aws.url();
        aws.mishaps([Fault::Answer(500, ""), Fault::Answer(400, "Throttling"), Fault::Reset]);
        let (code, text, log) = run(&to(&url), &["once"]);
        assert_eq!((code, aws.accepted().len(), aws.requests()), (Some(0), 1, 4), "{text} {log}");
        let sent = aws.points().len();
        assert_eq!(summary(&text)["sinks"][0]["samples"], sent);
        aws.mishaps([Fault::Answer(403, "AccessDenied")]);
        let (code, text, _) = run(&to(&url), &["once"]);
        assert_eq!((code, aws.requests()), (Some(3), 5));
        assert!(summary(&text)["sinks"][0]["error"].as_str().unwrap().contains("AccessDenied"), "{text}");
    }
}
