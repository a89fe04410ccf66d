//! Both text formats, line by line and as a whole.

use std::time::Duration;

use super::*;
use crate::analysis::recorded::Case;
use crate::catalog::{Part, Unit, find, own};
use crate::outlets::names::Naming;
use crate::platform::facts::{Component, InputKind};
use crate::telemetry::http::{CloseReason, WatchedFiles};
use crate::telemetry::{ExportEnd, Observed, PointCounts, Telemetry};

fn sample(labels: Vec<(&'static str, String)>, value: f64) -> Sample {
    let metric = find("proc_queue_wait_seconds").expect("known");
    Sample { metric, labels, part: Part::Whole, value, scope: None }
}

#[test]
fn values_read_back_and_labels_are_escaped() {
    let samples = [
        sample(vec![("percentile", "a\"b\\c\nd".to_owned()), ("window", "1m".to_owned())], 0.1 + 0.2),
        sample(Vec::new(), 0.0),
        sample(Vec::new(), 1e300),
        sample(Vec::new(), -1.5e-9),
    ];
    let text = render(&samples, &Mapping::default(), TextFormat::Text);
    let lines: Vec<&str> = text.lines().skip(2).collect();
    assert_eq!(
        lines,
        [
            r#"kdcube_proc_queue_wait_seconds{percentile="a\"b\\c\nd",window="1m"} 0.30000000000000004"#,
            "kdcube_proc_queue_wait_seconds 0",
            "kdcube_proc_queue_wait_seconds 1e300",
            "kdcube_proc_queue_wait_seconds -1.5e-9",
        ]
    );
}

#[test]
fn a_metric_with_two_names_is_a_family_under_each() {
    let mapping = Mapping::parse(r#"{"proc_queue_wait_seconds": "wait.seconds"}"#, Naming::Both).unwrap();
    let samples = [sample(vec![("window", "1m".to_owned())], 1.0), sample(vec![("window", "1h".to_owned())], 2.0)];
    let text = render(&samples, &mapping, TextFormat::OpenMetrics);
    let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with("# HELP")).collect();
    let family = |name: &str| {
        [
            format!("# TYPE {name} gauge"),
            format!("# UNIT {name} seconds"),
            format!("{name}{{window=\"1m\"}} 1"),
            format!("{name}{{window=\"1h\"}} 2"),
        ]
    };
    let expected = [family("wait_seconds"), family("kdcube_wait_seconds")].concat();
    assert_eq!(lines, [&expected[..], &["# EOF".to_owned()]].concat());
}

#[test]
fn openmetrics_declares_units_and_ends() {
    let text = render(&[sample(Vec::new(), 1.0)], &Mapping::default(), TextFormat::OpenMetrics);
    assert!(text.contains("# UNIT kdcube_proc_queue_wait_seconds seconds\n"), "{text}");
    assert!(text.ends_with("# EOF\n"));
}

#[test]
fn names_that_mislead_are_untyped() {
    assert_eq!(declared_type("kdcube_proc_queue_total", Kind::Gauge), None);
    assert_eq!(declared_type("x_total", Kind::Counter), Some(Kind::Counter));
    assert_eq!(declared_type("x", Kind::Counter), None);
    assert_eq!(declared_type("x_ratio", Kind::Gauge), Some(Kind::Gauge));
}

#[test]
fn a_counter_family_drops_its_suffix_in_openmetrics() {
    let mut encoder = Encoder::new(TextFormat::OpenMetrics);
    let declared =
        Declared { name: "process_cpu_seconds_total", kind: Some(Kind::Counter), help: "a\"b", unit: Unit::Seconds };
    encoder.declare(declared);
    let lines = [
        r#"# HELP process_cpu_seconds a\"b"#,
        "# TYPE process_cpu_seconds counter",
        "# UNIT process_cpu_seconds seconds",
        "# EOF\n",
    ];
    assert_eq!(encoder.finish(), lines.join("\n"));
}

/// The whole output for a recorded deployment: what a change does to it is seen at a glance.
#[test]
fn the_whole_output_is_as_it_was() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/conformance/cases/fleet-component-config.json");
    let samples = crate::catalog::samples(&Case::read(path.as_ref()).state());
    insta::assert_snapshot!("text", render(&samples, &Mapping::default(), TextFormat::Text));
    insta::assert_snapshot!("openmetrics", render(&samples, &Mapping::default(), TextFormat::OpenMetrics));
}

/// The same for the server's own metrics; lines that differ between machines are left out.
#[test]
fn the_whole_own_output_is_as_it_was() {
    let observed = Observed {
        up: true,
        snapshot_age_seconds: Some(1.5),
        snapshot_taken_at: Some(1_800_000_004.5),
        scope_found: Some(true),
    };
    let samples = own::samples(&busy_telemetry().own_state(observed));
    for (name, format) in [("own_text", TextFormat::Text), ("own_openmetrics", TextFormat::OpenMetrics)] {
        let text = render(&samples, &Mapping::default(), format);
        let varies = |line: &str| line.contains("process_") || line.contains("build_info{");
        let stable: Vec<&str> = text.lines().filter(|line| !varies(line)).collect();
        insta::assert_snapshot!(name, stable.join("\n"));
    }
}

#[test]
fn a_bucket_has_its_bound_behind_the_other_labels() {
    let samples = own::samples(&busy_telemetry().own_state(Observed::default()));
    let text = render(&samples, &Mapping::default(), TextFormat::Text);
    for line in [
        r#"kdcube_metrics_tick_duration_seconds_bucket{le="0.0025"} 0"#,
        r#"kdcube_metrics_export_duration_seconds_bucket{sink="pushgateway",le="+Inf"} 1"#,
        r#"kdcube_metrics_export_duration_seconds_count{sink="pushgateway"} 1"#,
        "kdcube_metrics_tick_duration_seconds_sum 9.003",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} in {text}");
    }
}

#[test]
fn every_family_is_declared_once_with_both_kinds_of_metrics_in_one_text() {
    let mut samples = vec![sample(Vec::new(), 1.0)];
    samples.extend(own::samples(&busy_telemetry().own_state(Observed::default())));
    let text = render(&samples, &Mapping::default(), TextFormat::OpenMetrics);
    let mut declared: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")).collect();
    let families = declared.len();
    declared.sort_unstable();
    declared.dedup();
    assert_eq!(declared.len(), families);
    assert_eq!(text.matches("# EOF\n").count(), 1);
}

/// A telemetry with a value in every own metric.
fn busy_telemetry() -> Telemetry {
    let telemetry = Telemetry::default();
    report_ticks(&telemetry);
    report_sources(&telemetry);
    report_http(&telemetry);
    report_exports(&telemetry);
    telemetry
}

fn report_ticks(telemetry: &Telemetry) {
    telemetry.tick_finished(true, Duration::from_millis(3));
    telemetry.tick_finished(false, Duration::from_secs(9));
    telemetry.set_source_cost(3, 41);
    telemetry.points_recorded(Some(&"broken"), 1_800_000_000.0);
}

fn report_sources(telemetry: &Telemetry) {
    telemetry.source_error();
    telemetry.set_dropped(7);
    telemetry.register_postgres();
    telemetry.postgres_queried(Some("refused".to_owned()), 1_800_000_000.0);
    telemetry.malformed(InputKind::Heartbeat, 4);
    telemetry.malformed(InputKind::Circuit, 1);
    telemetry.upstream_asked(Component::Proc, None, 1_800_000_000.0);
    telemetry.upstream_asked(Component::Ingress, Some("refused".to_owned()), 1_800_000_000.0);
    telemetry.upstream_age(Component::Proc, Some(0.25));
}

fn report_http(telemetry: &Telemetry) {
    telemetry.http_request("/metrics", 200);
    telemetry.http_request("/metrics", 401);
    telemetry.grpc_request("GetMetrics", "OK");
    (0..6).for_each(|_| telemetry.connection_opened());
    telemetry.connection_closed();
    telemetry.connection_closed_early(CloseReason::Idle);
    telemetry.register_watched_files(WatchedFiles::Tokens);
    telemetry.files_reloaded(WatchedFiles::Tls, None, 1_800_000_000.0);
    telemetry.files_reloaded(WatchedFiles::Tls, Some(&["refused".to_owned()]), 1_800_000_000.0);
    telemetry.set_certificate(Some(("localhost".to_owned(), 1_900_000_000.5)), 1_800_000_000.0);
}

fn report_exports(telemetry: &Telemetry) {
    telemetry.register_sink("pushgateway");
    telemetry.export_ended("cloudwatch", ExportEnd::Failed, Duration::from_millis(1), 1_800_000_005.0);
    telemetry.export_ended("cloudwatch", ExportEnd::NoData, Duration::from_millis(700), 6.0);
    telemetry.export_ended("pushgateway", ExportEnd::Ok, Duration::from_micros(1500), 1_800_000_006.0);
    telemetry.export_retried("cloudwatch");
    telemetry.export_points("cloudwatch", PointCounts { delivered: 7, waiting: 3, dropped: 2 });
}
