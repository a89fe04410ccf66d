//! Mappings that are read, and everything that is told of those that are not.

use proptest::prelude::*;

use super::*;
use crate::catalog::{find, own};

fn problems(text: &str) -> String {
    Mapping::parse(text).expect_err("has problems").join("\n")
}

#[test]
fn a_name_serves_both_worlds() {
    let mapping = Mapping::parse(r#"{"proc.queue.total": "Processor/Queue Depth"}"#).expect("fine");
    let metric = find("proc.queue.total").expect("known");
    assert_eq!(mapping.prometheus_name(metric), "Processor_Queue_Depth");
    assert_eq!(mapping.cloudwatch(metric), ("Processor/Queue Depth", "Count"));
    assert!(mapping.is_mapped(metric));
}

#[test]
fn fields_and_aliases_are_accepted() {
    let text = r#"{"proc.exec.p95": {"metric": "exec", "unit": "Seconds"}, "proc.queue.total": {"cloudwatch_name": "9q"},
        "proc.queue.wait.p95_ms": {"unit": "None"}}"#;
    let mapping = Mapping::parse(text).expect("fine");
    assert_eq!(mapping.cloudwatch(find("proc.exec.p95_ms").expect("known")), ("exec", "Seconds"));
    assert_eq!(mapping.prometheus_name(find("proc.queue.total").expect("known")), "_9q");
    assert_eq!(mapping.cloudwatch(find("proc.queue.wait.p95").expect("known")), ("proc/queue/wait/p95_ms", "None"));
    assert!(!mapping.is_mapped(find("proc.queue.pressure_ratio").expect("known")));
}

#[test]
fn unmapped_names_follow_the_rules() {
    let mapping = Mapping::default();
    let metric = find("proc.queue.pressure_ratio.1m").expect("known");
    assert_eq!(mapping.prometheus_name(metric), "kdcube_proc_queue_pressure_ratio_1m");
    assert_eq!(mapping.cloudwatch(metric), ("proc/queue/pressure_ratio/1m", "None"));
}

#[test]
fn an_own_metric_has_a_fixed_name() {
    let mapping = Mapping::parse(r#"{"proc.queue.total": "renamed"}"#).expect("fine");
    for metric in own::all() {
        assert_eq!(mapping.prometheus_name(metric), metric.key);
        assert_eq!(prometheus_name(metric), metric.key);
        assert!(!mapping.is_mapped(metric));
        assert!(problems(&format!(r#"{{"{}": "x"}}"#, metric.key)).contains("unknown metric key"));
    }
}

#[test]
fn all_problems_are_told_at_once() {
    let told = problems(
        r#"{"proc.queue.totl": "x", "proc.queue.total": {"unit": "Furlongs"}, "proc.exec.p95": 5,
            "throttling.rate_limit_429": "", "throttling.backpressure_503": {"nme": "x"}}"#,
    );
    for part in ["totl", "Furlongs", "proc.exec.p95", "blank", "nme"] {
        assert!(told.contains(part), "{part} in {told}");
    }
    assert_eq!(told.lines().count(), 5, "{told}");
}

#[test]
fn two_keys_may_not_end_in_one_name() {
    assert!(problems(r#"{"proc.queue.total": "x", "proc.exec.p95": "x"}"#).contains("one Prometheus name"));
    assert!(problems(r#"{"proc.queue.total": "a/b", "proc.exec.p95": "a.b"}"#).contains("one Prometheus name"));
    assert!(problems(r#"{"proc.queue.total": "kdcube_proc_queue_pressure_ratio"}"#).contains("one Prometheus name"));
    assert!(problems(r#"{"proc.exec.p95": "x", "proc.exec.p95_ms": "y"}"#).contains("same metric"));
    assert!(problems(r#"{"proc.exec.p95": "kdcube_metrics_up"}"#).contains("reserved"));
    assert!(problems(r#"{"proc.exec.p95": "push_time_seconds"}"#).contains("reserved"));
}

#[test]
fn what_is_not_an_object_is_refused() {
    for text in ["", "[]", "null", "{", "7"] {
        assert!(problems(text).contains("not a JSON object"), "{text}");
    }
}

proptest! {
    #[test]
    fn no_text_panics(text in ".{0,200}") {
        let _ = Mapping::parse(&text);
    }

    #[test]
    fn no_entry_panics_and_names_are_legal(name in ".{0,40}", unit in ".{0,20}", field in ".{0,8}") {
        let text = serde_json::json!({"proc.queue.total": {"name": &name, field: unit}, "proc.exec.p95": name}).to_string();
        let _ = Mapping::parse(&text);
        let text = serde_json::json!({"proc.queue.total": name}).to_string();
        if let Ok(mapping) = Mapping::parse(&text) {
            let legal = mapping.prometheus_name(find("proc.queue.total").expect("known"));
            prop_assert!(legal.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_'));
            prop_assert!(legal.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'));
        }
    }
}
