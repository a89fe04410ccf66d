//! The view against the recorded payloads, and against states of which little is known.

use std::fmt::Write as _;

use serde_json::Value;

use super::system;
use crate::analysis::SystemState;
use crate::analysis::recorded::Case;
use crate::analysis::state::{Cause, Queue, Reading};
use crate::payload::shapes::SystemPayload;
use crate::platform::facts::PerRole;

/// Not in our payload on purpose.
const SKIPPED: [&str; 2] = ["data_bus", "redis_url"];

#[test]
fn recorded_payloads_come_out_as_recorded() {
    let mut report = String::new();
    for case in Case::all() {
        let payload = system(&case.state());
        let shown = serde_json::to_value(&payload).unwrap();
        let mut found = Vec::new();
        diff("", &case.system, &shown, &mut found);
        if !found.is_empty() {
            writeln!(report, "{}:\n  {}", case.name, found.join("\n  ")).unwrap();
        }
        // What is shown must be readable again: an upstream may be one of us.
        let again: SystemPayload = serde_json::from_value(shown).unwrap();
        assert!(again == payload, "{}: not the same when read again", case.name);
    }
    assert!(report.is_empty(), "{report}");
}

#[test]
fn of_nothing_nothing_is_shown() {
    let shown = system(&SystemState::default());
    assert_eq!((shown.components.ingress, shown.components.proc, shown.autoscaler.proc), (None, None, None));
    assert_eq!((shown.sse_connections, shown.throttling_stats, shown.queue_utilization), (None, None, None));
    assert!(shown.instances.is_empty() && shown.circuit_breakers.is_empty());
    assert_eq!((shown.db_connections.max_connections, shown.db_connections.estimated_total), (None, None));
}

#[test]
fn bookkeeping_that_is_off_is_zero_and_one_that_is_unreadable_is_null() {
    for (cause, expected) in [(Cause::SwitchedOff, Some(0.0)), (Cause::Unreadable, None)] {
        let average_wait = PerRole { paid: Reading::absent(cause), ..PerRole::default() };
        let state = SystemState { queue: Queue { average_wait, ..Queue::default() }, ..SystemState::default() };
        let view = system(&state).queue_analytics;
        assert_eq!(view.individual_queues.paid.avg_wait, expected);
        assert!(view.wait_times.is_empty());
    }
}

#[test]
fn the_utilization_is_rounded_to_one_decimal() {
    for (ratio, percent) in [(1.0 / 3.0, 33.3), (0.28999, 29.0), (1.0, 100.0)] {
        let queue = Queue { utilization: Reading::Value(ratio), ..Queue::default() };
        let state = SystemState { queue, ..SystemState::default() };
        assert_eq!(system(&state).queue_utilization, Some(percent));
    }
}

fn diff(path: &str, expected: &Value, ours: &Value, found: &mut Vec<String>) {
    match (expected, ours) {
        (Value::Object(left), Value::Object(right)) => {
            let keys: std::collections::BTreeSet<_> = left.keys().chain(right.keys()).collect();
            for key in keys.into_iter().filter(|key| !SKIPPED.contains(&key.as_str())) {
                match (left.get(key), right.get(key)) {
                    (Some(left), Some(right)) => diff(&format!("{path}.{key}"), left, right, found),
                    (left, right) => found.push(format!("{path}.{key}: {left:?} became {right:?}")),
                }
            }
        }
        (Value::Array(left), Value::Array(right)) if left.len() == right.len() => {
            for (index, (left, right)) in left.iter().zip(right).enumerate() {
                diff(&format!("{path}[{index}]"), left, right, found);
            }
        }
        (Value::Number(left), Value::Number(right)) => {
            if (left.as_f64().unwrap() - right.as_f64().unwrap()).abs() > 1e-9 {
                found.push(format!("{path}: {left} became {right}"));
            }
        }
        _ if expected == ours => {}
        _ => found.push(format!("{path}: {expected} became {ours}")),
    }
}
