//! What is counted comes out, what is unknown is absent, and the table keeps the rules of its names.

use std::collections::BTreeSet;
use std::time::Duration;

use super::*;
use crate::catalog::{Part, find};
use crate::platform::facts::InputKind;
use crate::problems::code::code;
use crate::telemetry::client_events::{ClientEventLevel, ClientEventOutcome};
use crate::telemetry::{ExportEnd, PointCounts, Telemetry};

const OBSERVED: Observed =
    Observed { up: true, snapshot_age_seconds: Some(1.5), snapshot_taken_at: Some(7.5), scope_found: Some(true) };

/// The values of a metric with a label value, or all of them.
fn values(telemetry: &Telemetry, key: &str, label: Option<&str>) -> Vec<f64> {
    let of_metric = |sample: &Sample| sample.metric.key == key;
    let labelled = |sample: &Sample| label.is_none_or(|label| sample.labels.iter().any(|(_, value)| value == label));
    let samples = samples(&telemetry.own_state(OBSERVED));
    samples.iter().filter(|sample| of_metric(sample) && labelled(sample)).map(|sample| sample.value).collect()
}

#[test]
fn what_is_counted_comes_out() {
    let telemetry = Telemetry::default();
    telemetry.tick_finished(false, Duration::from_secs(9));
    telemetry.malformed(InputKind::Heartbeat, 4);
    telemetry.http_request("/metrics", 200);
    telemetry.client_event(ClientEventOutcome::Received(ClientEventLevel::Warn));
    telemetry.export_ended("cloudwatch", ExportEnd::Failed, Duration::from_millis(1), 5.0);
    telemetry.export_ended("cloudwatch", ExportEnd::NoData, Duration::from_millis(1), 6.0);
    telemetry.export_retried("cloudwatch");
    telemetry.export_points("cloudwatch", PointCounts { delivered: 7, waiting: 3, dropped: 2 });
    for (name, label, expected) in [
        ("up", None, 1.0),
        ("snapshot_age_seconds", None, 1.5),
        ("ticks_total", Some("failed"), 1.0),
        ("ticks_total", Some("ok"), 0.0),
        ("malformed_total", Some("heartbeat"), 4.0),
        ("http_requests_total", Some("/metrics"), 1.0),
        ("refused_connections_total", Some("idle"), 0.0),
        ("client_events_total", Some("warn"), 1.0),
        ("client_events_total", Some("rate_limited"), 0.0),
        ("exports_total", Some("failed"), 1.0),
        ("exports_total", Some("no_data"), 1.0),
        ("exports_total", Some("ok"), 0.0),
        ("export_retries_total", Some("cloudwatch"), 1.0),
        ("export_delivered_points_total", Some("cloudwatch"), 7.0),
        ("export_waiting_points", Some("cloudwatch"), 3.0),
        ("export_dropped_points_total", Some("cloudwatch"), 2.0),
        ("export_last_failure_timestamp_seconds", Some("cloudwatch"), 5.0),
    ] {
        assert_eq!(values(&telemetry, &format!("kdcube_metrics_{name}"), label), [expected], "{name} {label:?}");
    }
}

#[test]
fn what_is_unknown_is_absent_until_it_is_known() {
    let telemetry = Telemetry::default();
    let own = |name: &str| values(&telemetry, &format!("kdcube_metrics_{name}"), None);
    for name in [
        "postgres_errors_total",
        "upstream_up",
        "client_events_total",
        "reloads_total",
        "gateway_config_info",
        "gateway_config_change_timestamp_seconds",
        "tls_certificate_expiry_timestamp_seconds",
        "exports_total",
        "export_duration_seconds",
    ] {
        assert!(own(name).is_empty(), "{name}");
    }
    telemetry.set_gateway_config("saved", None);
    assert_eq!(values(&telemetry, "kdcube_metrics_gateway_config_info", Some("saved")), [1.0]);
    assert!(own("gateway_config_change_timestamp_seconds").is_empty());
    telemetry.set_gateway_config("published", Some(7.5));
    assert_eq!(own("gateway_config_info"), [1.0], "the source that was is gone");
    assert_eq!(own("gateway_config_change_timestamp_seconds"), [7.5]);
    telemetry.problems().set(code("sink_failing"), "pushgateway", Some("refused".to_owned()), 1.0);
    telemetry.problems().set(code("sink_failing"), "cloudwatch", Some("refused".to_owned()), 1.0);
    assert_eq!(values(&telemetry, "kdcube_metrics_problem", Some("sink_failing")), [2.0]);
    telemetry.problems().set(code("sink_failing"), "pushgateway", None, 2.0);
    telemetry.problems().set(code("sink_failing"), "cloudwatch", None, 2.0);
    assert!(own("problem").is_empty(), "a code without a problem is gone");
    telemetry.leadership().contend();
    telemetry.register_postgres();
    telemetry.register_sink("pushgateway");
    assert_eq!((own("leader"), own("postgres_errors_total")), (vec![0.0], vec![0.0]));
    assert_eq!(own("exports_total"), [0.0, 0.0, 0.0]);
    assert!(own("export_last_success_timestamp_seconds").is_empty());
}

#[test]
fn before_the_first_snapshot_there_is_no_age() {
    let samples = of_snapshot(Observed::default());
    let found: Vec<(&str, f64)> = samples.iter().map(|sample| (sample.metric.key, sample.value)).collect();
    assert_eq!(found, [("kdcube_metrics_up", 0.0)]);
}

#[test]
fn of_the_snapshot_are_up_age_time_and_scope_alone() {
    let samples = of_snapshot(OBSERVED);
    let found: Vec<(&str, f64)> = samples.iter().map(|sample| (sample.metric.key, sample.value)).collect();
    let expected = [
        ("kdcube_metrics_up", 1.0),
        ("kdcube_metrics_snapshot_age_seconds", 1.5),
        ("kdcube_metrics_snapshot_timestamp_seconds", 7.5),
        ("kdcube_metrics_scope_found", 1.0),
    ];
    assert_eq!(found, expected);
}

#[test]
fn the_parts_of_a_histogram_agree() {
    let telemetry = Telemetry::default();
    telemetry.tick_finished(true, Duration::from_millis(3));
    telemetry.tick_finished(true, Duration::from_secs(9));
    let samples = samples(&telemetry.own_state(OBSERVED));
    let ticks = samples.iter().filter(|sample| sample.metric.key == "kdcube_metrics_tick_duration_seconds");
    let parts: Vec<(Part, f64)> = ticks.map(|sample| (sample.part, sample.value)).collect();
    let buckets: Vec<(f64, f64)> = parts
        .iter()
        .filter_map(|(part, value)| if let Part::Bucket { le } = part { Some((*le, *value)) } else { None })
        .collect();
    assert!(buckets.is_sorted(), "bounds ascend and counts are cumulative: {buckets:?}");
    assert!(buckets.is_sorted_by_key(|(_, count)| *count), "{buckets:?}");
    assert_eq!(buckets.last(), Some(&(f64::INFINITY, 2.0)));
    assert_eq!(parts[buckets.len()..], [(Part::Sum, 9.003), (Part::Count, 2.0)]);
}

#[test]
fn only_histograms_have_parts() {
    let telemetry = Telemetry::default();
    telemetry.register_sink("pushgateway");
    for sample in samples(&telemetry.own_state(OBSERVED)) {
        assert_eq!(sample.metric.kind == Kind::Histogram, sample.part != Part::Whole, "{sample:?}");
    }
}

#[test]
fn samples_of_one_metric_follow_each_other() {
    let telemetry = Telemetry::default();
    ["cloudwatch", "pushgateway"].into_iter().for_each(|sink| telemetry.register_sink(sink));
    let samples = samples(&telemetry.own_state(OBSERVED));
    let mut seen = BTreeSet::new();
    for family in samples.chunk_by(|a, b| a.metric == b.metric) {
        assert!(seen.insert(family[0].metric.key), "{} comes twice", family[0].metric.key);
    }
}

#[test]
fn names_follow_the_rules_and_are_not_among_the_keys() {
    for metric in all() {
        let Metric { key, kind, help, labels, absent, .. } = metric;
        assert!(metric.is_own() && !metric.is_scalar());
        assert!(key.starts_with("kdcube_metrics_") || key.starts_with("process_"), "{key}");
        assert_eq!(*kind == Kind::Counter, key.ends_with("_total"), "{key}");
        assert!(!help.is_empty() && !help.ends_with('.') && !absent.is_empty(), "{key}");
        assert!(!labels.contains(&"le") && !labels.contains(&"quantile"), "{key}");
        assert!(find(key).is_none(), "{key} can be mapped or pushed");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn linux_has_every_process_metric() {
    let telemetry = Telemetry::default();
    for metric in all().filter(|metric| metric.key.starts_with("process_")) {
        assert_eq!(values(&telemetry, metric.key, None).len(), 1, "{}", metric.key);
    }
}
