//! The letters of both formats.

use super::*;
use crate::analysis::recorded::Case;
use crate::catalog::{Unit, find};

fn sample(labels: Vec<(&'static str, String)>, value: f64) -> Sample {
    Sample { metric: find("proc_queue_wait_seconds").expect("known"), labels, value, scope: None }
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
    let samples = crate::catalog::samples(&Case::read(path.as_ref()).state());
    insta::assert_snapshot!("text", render(&samples, &Mapping::default(), TextFormat::Text));
    insta::assert_snapshot!("openmetrics", render(&samples, &Mapping::default(), TextFormat::OpenMetrics));
}
