//! The letters of both formats.

use super::*;
use crate::catalog::{Unit, find};

fn sample(labels: Vec<(&'static str, String)>, value: f64) -> Sample {
    Sample { metric: find("proc_queue_wait_seconds").expect("known"), labels, value }
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
fn openmetrics_declares_units_and_ends() {
    let mut text = render(&[sample(Vec::new(), 1.0)], &Mapping::default(), TextFormat::OpenMetrics);
    finish(&mut text, TextFormat::OpenMetrics);
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
    let text = encoder.into_text();
    assert_eq!(
        text,
        "# HELP process_cpu_seconds a\\\"b\n# TYPE process_cpu_seconds counter\n# UNIT process_cpu_seconds seconds\n"
    );
}

/// The whole output for a recorded deployment: what a change does to it is seen at a glance.
#[test]
fn the_whole_output_is_as_it_was() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/conformance/cases/fleet-component-config.json");
    let case: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let system = serde_json::from_value(case["expected"]["system"].clone()).unwrap();
    let samples = crate::catalog::samples(&system);
    insta::assert_snapshot!("text", render(&samples, &Mapping::default(), TextFormat::Text));
    insta::assert_snapshot!("openmetrics", render(&samples, &Mapping::default(), TextFormat::OpenMetrics));
}

/// What the server reports about itself after a little of everything; what differs between machines is left out.
#[test]
fn the_whole_own_output_is_as_it_was() {
    let telemetry = busy_telemetry();
    for (name, format) in [("own_text", TextFormat::Text), ("own_openmetrics", TextFormat::OpenMetrics)] {
        let observed = crate::catalog::own::Observed { up: true, snapshot_age_seconds: Some(1.5) };
        let own = telemetry.read(observed);
        let mut text = render_own(&own, format);
        finish(&mut text, format);
        let stable: Vec<&str> = text.lines().filter(|line| !line.contains("process_") && !line.contains("build_info{")).collect();
        insta::assert_snapshot!(name, stable.join("\n"));
    }
}

fn busy_telemetry() -> crate::telemetry::Telemetry {
    use crate::platform::facts::{Component, InputKind};
    use crate::telemetry::http::{CloseReason, Files};
    use crate::telemetry::{ExportEnd, PointCounts, Telemetry};
    use std::time::Duration;
    let telemetry = Telemetry::default();
    telemetry.tick_finished(true, Duration::from_millis(3));
    telemetry.tick_finished(false, Duration::from_secs(9));
    telemetry.source_error();
    telemetry.record_failed(&"broken");
    telemetry.set_leader(true);
    telemetry.register_postgres();
    telemetry.postgres_failed();
    telemetry.set_source_cost(3, 41);
    telemetry.set_dropped(7);
    telemetry.malformed(InputKind::Heartbeat, 4);
    telemetry.malformed(InputKind::Circuit, 1);
    telemetry.http_request("/metrics", 200);
    telemetry.http_request("/metrics", 401);
    telemetry.upstream_asked(Component::Proc, None);
    telemetry.upstream_asked(Component::Ingress, Some("refused"));
    telemetry.upstream_age(Component::Proc, Some(0.25));
    telemetry.door.set_open(5);
    telemetry.door.closed_early(CloseReason::Idle);
    telemetry.door.follows(Files::Tokens);
    telemetry.door.reloaded(Files::Tls, true);
    telemetry.door.reloaded(Files::Tls, false);
    telemetry.door.certificate_ends(Some(1_900_000_000.5));
    telemetry.register_sink("pushgateway");
    telemetry.export_ended("cloudwatch", ExportEnd::Failed, Duration::from_millis(1), 1_800_000_005.0);
    telemetry.export_ended("cloudwatch", ExportEnd::NoData, Duration::from_millis(700), 6.0);
    telemetry.export_ended("pushgateway", ExportEnd::Ok, Duration::from_micros(1500), 1_800_000_006.0);
    telemetry.export_retried("cloudwatch");
    telemetry.export_tally("cloudwatch", PointCounts { delivered: 7, waiting: 3, dropped: 2 });
    telemetry
}
