//! What is counted comes out again, and repeated things are said once.

use std::time::Duration;

use crate::base::log_throttle::LogThrottle;

use super::*;
use crate::platform::facts::InputKind;
use crate::telemetry::{ExportEnd, PointCounts};

fn value(telemetry: &Telemetry, name: &str, label: Option<&str>) -> Option<f64> {
    let observed = Observed { up: true, snapshot_age_seconds: Some(1.5) };
    let read = telemetry.read(observed);
    let (_, rows) = read.iter().find(|(metric, _)| metric.name == name)?;
    rows.iter()
        .find(|row| label.is_none_or(|label| row.labels.iter().any(|(_, value)| value == label)))
        .map(|row| row.value)
}

#[test]
fn what_is_counted_comes_out() {
    let telemetry = Telemetry::default();
    telemetry.tick_finished(true, Duration::from_millis(3));
    telemetry.tick_finished(false, Duration::from_secs(9));
    telemetry.malformed(InputKind::Heartbeat, 4);
    telemetry.http_request("/metrics", 200);
    telemetry.export_ended("cloudwatch", ExportEnd::Failed, Duration::from_millis(1), 5.0);
    telemetry.export_ended("cloudwatch", ExportEnd::NoData, Duration::from_millis(1), 6.0);
    telemetry.export_retried("cloudwatch");
    telemetry.export_points("cloudwatch", PointCounts { delivered: 7, waiting: 3, dropped: 2 });
    assert_eq!(value(&telemetry, "kdcube_metrics_up", None), Some(1.0));
    assert_eq!(value(&telemetry, "kdcube_metrics_ticks_total", Some("failed")), Some(1.0));
    assert_eq!(value(&telemetry, "kdcube_metrics_tick_duration_seconds", Some("0.0025")), Some(0.0));
    assert_eq!(value(&telemetry, "kdcube_metrics_tick_duration_seconds", Some("0.005")), Some(1.0));
    assert_eq!(value(&telemetry, "kdcube_metrics_tick_duration_seconds", Some("+Inf")), Some(2.0));
    assert_eq!(value(&telemetry, "kdcube_metrics_malformed_total", Some("heartbeat")), Some(4.0));
    assert_eq!(value(&telemetry, "kdcube_metrics_http_requests_total", Some("/metrics")), Some(1.0));
    for (name, label, expected) in [
        ("exports_total", "failed", Some(1.0)),
        ("exports_total", "no_data", Some(1.0)),
        ("exports_total", "ok", Some(0.0)),
        ("export_retries_total", "cloudwatch", Some(1.0)),
        ("export_delivered_points_total", "cloudwatch", Some(7.0)),
        ("export_waiting_points", "cloudwatch", Some(3.0)),
        ("export_dropped_points_total", "cloudwatch", Some(2.0)),
        ("export_last_failure_timestamp_seconds", "cloudwatch", Some(5.0)),
        ("export_last_success_timestamp_seconds", "cloudwatch", None),
    ] {
        assert_eq!(value(&telemetry, &format!("kdcube_metrics_{name}"), Some(label)), expected, "{name}");
    }
}

#[test]
fn what_is_unknown_is_absent() {
    let telemetry = Telemetry::default();
    assert_eq!(value(&telemetry, "kdcube_metrics_leader", None), None);
    assert_eq!(value(&telemetry, "kdcube_metrics_export_duration_seconds", None), None);
    telemetry.set_leader(false);
    telemetry.register_sink("pushgateway");
    assert_eq!(value(&telemetry, "kdcube_metrics_leader", None), Some(0.0));
    assert_eq!(value(&telemetry, "kdcube_metrics_exports_total", Some("ok")), Some(0.0));
}

#[cfg(target_os = "linux")]
#[test]
fn linux_tells_of_the_process() {
    let telemetry = Telemetry::default();
    for metric in TABLE.iter().filter(|metric| metric.name.starts_with("process_")) {
        let value = value(&telemetry, metric.name, None).expect(metric.name);
        assert!(value >= 0.0 && value.is_finite(), "{} {value}", metric.name);
    }
    assert!(value(&telemetry, "process_start_time_seconds", None).expect("known") > 1.6e9);
    assert!(value(&telemetry, "process_resident_memory_bytes", None).expect("known") > 1e5);
}

#[tokio::test(start_paused = true)]
async fn a_repeated_thing_is_said_once_then_with_its_number() {
    let once = LogThrottle::new(Duration::from_secs(60));
    assert_eq!(once.admit("a"), Some(1));
    assert_eq!(once.admit("a"), None);
    assert_eq!(once.admit("b"), Some(1));
    tokio::time::advance(Duration::from_secs(61)).await;
    assert_eq!(once.admit("a"), Some(2));
    assert_eq!(once.admit("a"), None);
}
