//! The table against the conformance cases, and its names against the rules of the outlets.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::*;
use crate::outlets::names::{Mapping, Naming};
use crate::platform::facts::QueueDepth;

fn cases() -> Vec<(String, Value)> {
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/conformance/cases");
    let entries = std::fs::read_dir(dir).expect("cases").map(|entry| entry.expect("entry").path());
    let read = |path: std::path::PathBuf| {
        let text = std::fs::read_to_string(&path).expect("readable");
        (path.display().to_string(), serde_json::from_str(&text).expect("JSON"))
    };
    entries.map(read).collect()
}

/// The value in the payload of a scalar that is in no case's list of scalars: a REST latency or the active tasks.
fn in_payload(case: &Value, key: &str) -> Option<Option<f64>> {
    let components = &case["expected"]["system"]["components"];
    if key == "proc.active_tasks" {
        return Some(components["proc"]["load"].as_f64());
    }
    let percentile = key.strip_prefix("ingress.rest.latency.")?;
    Some(components["ingress"]["latency"]["rest_ms"]["1m"][percentile].as_f64())
}

#[test]
fn scalars_are_those_of_the_cases() {
    let cases = cases();
    assert_eq!(cases.len(), 26);
    for (name, case) in cases {
        let system: SystemPayload = serde_json::from_value(case["expected"]["system"].clone()).expect("payload");
        let expected: BTreeMap<String, f64> =
            serde_json::from_value(case["expected"]["scalars"].clone()).expect("scalars");
        let mut left = expected;
        for (metric, reading) in scalars(&system) {
            let names = || metric.aliases.iter().copied().chain([metric.key]);
            let wanted = names().find_map(|name| left.get(name).copied());
            left.retain(|name, _| !names().any(|known| known == name));
            if let Some(expected) = in_payload(&case, metric.key) {
                assert_eq!(reading.value(), expected, "{name}: {}", metric.key);
                continue;
            }
            match (wanted, reading) {
                (Some(wanted), Reading::Value(value)) => {
                    assert!((wanted - value).abs() <= 1e-9, "{name}: {} is {value}, not {wanted}", metric.key);
                }
                (None, Reading::Absent(_)) => {}
                (wanted, reading) => panic!("{name}: {} is {reading:?}, expected {wanted:?}", metric.key),
            }
        }
        assert!(left.is_empty(), "{name}: no row for {left:?}");
    }
}

#[test]
fn an_empty_payload_has_no_scalar() {
    let absent = scalars(&SystemPayload::default()).filter(|(_, reading)| reading.value().is_none()).count();
    assert_eq!(absent, scalars::TABLE.len());
    assert_eq!(samples(&SystemPayload::default()), []);
}

#[test]
fn keys_names_and_aliases_are_legal_and_unique() {
    let mut seen = BTreeSet::new();
    for metric in all() {
        let names = metric.aliases.iter().chain([&metric.key]);
        names.for_each(|name| assert!(seen.insert(*name), "{name} twice"));
        assert!(metric.key.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "._".contains(c)));
        assert!(!metric.help.is_empty() && !metric.help.ends_with('.'), "{}", metric.key);
        assert!(!metric.absent.is_empty());
        for label in metric.labels {
            assert!(!["quantile", "le", "type", "env", "service", "region", "cluster"].contains(label));
        }
    }
    // An empty mapping also looks for clashes among the names that outlets use.
    for naming in [Naming::Default, Naming::Platform, Naming::Both] {
        Mapping::parse("{}", naming).expect("no clash");
    }
}

#[test]
fn scalars_have_no_labels_and_families_no_dots() {
    for metric in all() {
        assert_eq!(metric.is_scalar(), metric.key.contains('.'), "{}", metric.key);
        assert!(!metric.is_scalar() || metric.labels.is_empty());
    }
}

#[test]
fn an_alias_finds_its_metric() {
    assert_eq!(find("proc.exec.p95").map(|metric| metric.key), Some("proc.exec.p95_ms"));
    assert_eq!(find("ingress.rest.latency.p95_ms").map(|metric| metric.key), Some("ingress.rest.latency.p95"));
    assert!(find("proc.exec").is_none());
}

/// The platform's guide to autoscaling suggests these keys; its metrics service exports only the first.
#[test]
fn the_keys_that_the_platforms_guide_suggests_find_metrics() {
    for (suggested, key) in [
        ("ingress.sse.total_connections", "ingress.sse.total_connections"),
        ("ingress.throttling.rate_limit_429", "throttling.rate_limit_429"),
        ("proc.queue.depth", "proc.queue.total"),
        ("proc.queue.wait_ms_p95", "proc.queue.wait.p95_ms"),
        ("proc.capacity.utilization", "proc.queue.utilization_ratio"),
        ("proc.active_tasks", "proc.active_tasks"),
    ] {
        assert_eq!(find(suggested).map(|metric| metric.key), Some(key));
    }
}

#[test]
fn no_two_samples_share_name_and_labels() {
    for (name, case) in cases() {
        let system: SystemPayload = serde_json::from_value(case["expected"]["system"].clone()).expect("payload");
        let mut seen = BTreeSet::new();
        for sample in samples(&system) {
            assert!(seen.insert((sample.metric.key, sample.labels.clone())), "{name}: {sample:?} twice");
        }
    }
}

/// The lines of one family, as `label,label value`.
fn lines(system: &SystemPayload, family: &str) -> Vec<String> {
    let of_family = samples(system).into_iter().filter(|sample| sample.metric.key == family);
    of_family
        .map(|sample| {
            let labels: Vec<&str> = sample.labels.iter().map(|(_, label)| label.as_str()).collect();
            format!("{} {}", labels.join(","), sample.value)
        })
        .collect()
}

#[test]
fn queued_tasks_are_told_by_role_and_by_state_where_they_are_known() {
    let mut system = SystemPayload::default();
    let stats = &mut system.queue_stats;
    (stats.anonymous, stats.registered, stats.paid, stats.privileged) = (Some(1), Some(0), Some(0), Some(0));
    stats.total = Some(7);
    let depths = ["anonymous 1", "registered 0", "paid 0", "privileged 0", "external 6"];
    assert_eq!(lines(&system, "proc_queue_depth"), depths);
    // What an upstream sent has no states.
    assert!(lines(&system, "proc_queue_tasks").is_empty());
    system.queue_depths.external = Some(QueueDepth { ready: 1, inflight: 2, continuations: 3 });
    let states = ["external,ready 1", "external,inflight 2", "external,continuation 3"];
    assert_eq!(lines(&system, "proc_queue_tasks"), states);
    system.queue_stats.paid = None;
    system.queue_stats.total = None;
    assert_eq!(lines(&system, "proc_queue_depth"), ["anonymous 1", "registered 0", "privileged 0"]);
}

#[test]
fn every_process_has_a_status() {
    let (_, case) = cases().into_iter().find(|(name, _)| name.contains("health-words")).expect("the case");
    let system: SystemPayload = serde_json::from_value(case["expected"]["system"].clone()).expect("payload");
    let told = ["proc,healthy 1", "proc,degraded 1", "proc,unhealthy 1", "proc,stale 0", "proc,missing 0"];
    let lines = lines(&system, "processes");
    assert!(told.iter().all(|line| lines.iter().any(|own| own == line)), "{lines:?}");
    assert!(lines.contains(&"proc,unknown 2".to_owned()), "{lines:?}");
}
