//! Every recorded case must come out as recorded; then each deliberate deviation by itself.

mod case;
mod deviations;

use std::fmt::Write as _;

use serde_json::Value;

use super::{Inputs, analyze, rolling_points};
use crate::history::History;
use case::Case;

/// Not in our payload on purpose.
const SKIPPED: [&str; 2] = ["data_bus", "redis_url"];

#[test]
fn recorded_cases_come_out_as_recorded() {
    let mut report = String::new();
    let mut cases = 0;
    for entry in std::fs::read_dir("tests/conformance/cases").unwrap() {
        let case = Case::read(&entry.unwrap().path());
        let found = differences(&case);
        if !found.is_empty() {
            writeln!(report, "{}:\n  {}", case.name, found.join("\n  ")).unwrap();
        }
        cases += 1;
    }
    assert!(cases >= 26, "only {cases} cases found");
    assert!(report.is_empty(), "{report}");
}

fn differences(case: &Case) -> Vec<String> {
    let mut history = History::new(1_000_000);
    history.absorb(&mut case.signals.clone(), case.now);
    let points = rolling_points(&inputs(case, &history));
    let mut found = point_differences(case, &points);
    history.record(case.now, &points);
    let monitoring = analyze(&inputs(case, &history));
    let shown = serde_json::to_value(&monitoring).unwrap();
    diff("", &case.system, &shown, &mut found);
    // What is shown must be readable again: an upstream may be one of us.
    let mut again: super::SystemPayload = serde_json::from_value(shown).unwrap();
    // The one part that is not shown.
    again.queue_depths = monitoring.queue_depths.clone();
    assert!(again == monitoring, "{}: not the same when read again", case.name);
    found
}

fn inputs<'a>(case: &'a Case, history: &'a History) -> Inputs<'a> {
    Inputs {
        signals: &case.signals,
        history,
        gateway: &case.gateway,
        instance_id: &case.instance_id,
        database_max_connections: None,
        now: case.now,
    }
}

fn point_differences(case: &Case, points: &[(crate::platform::facts::RollingSeries, f64)]) -> Vec<String> {
    let mut ours: Vec<_> = points.iter().map(|(series, value)| (case::key_of(*series), *value)).collect();
    ours.sort_by(|left, right| left.0.cmp(&right.0));
    if ours == case.points { Vec::new() } else { vec![format!("points: {:?} became {ours:?}", case.points)] }
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
