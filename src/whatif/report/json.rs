//! Outcomes as JSON.

use serde_json::{Value, json as object};

use crate::base::number;
use crate::whatif::outcome::Outcome;

/// An array, an object an outcome; times in seconds. A wait without users is null.
#[must_use]
pub fn json(outcomes: &[Outcome]) -> String {
    let outcomes: Vec<Value> = outcomes.iter().map(outcome).collect();
    let mut text = serde_json::to_string_pretty(&outcomes).unwrap_or_default();
    text.push('\n');
    text
}

fn outcome(outcome: &Outcome) -> Value {
    let wait = |index: usize| {
        let wait = outcome.waits.as_ref().and_then(|waits| waits.get(index));
        wait.map_or(Value::Null, |wait| number::json(number::round(*wait, 3)))
    };
    object!({
        "load": outcome.load,
        "policy": outcome.policy,
        "users": outcome.arrived,
        "wait_seconds": {"p50": wait(0), "p95": wait(1), "p99": wait(2)},
        "refused_requests": outcome.refused,
        "users_gave_up": outcome.gave_up,
        "restarted_tasks": outcome.restarted,
        "replica_hours": number::round(outcome.replica_hours, 3),
        "actions": outcome.actions,
        "oscillations": outcome.oscillations,
        "recovery_seconds": number::json(outcome.recovery_seconds),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::whatif::report::table::tests::outcome;

    #[test]
    fn an_outcome_is_an_object_with_its_units_in_the_names() {
        let text = json(&[outcome("a", "x"), Outcome { waits: None, ..outcome("a", "y") }]);
        let parsed: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(parsed[0]["wait_seconds"], object!({"p50": 0, "p95": 12.34, "p99": 60}));
        assert_eq!((&parsed[0]["replica_hours"], &parsed[0]["users_gave_up"]), (&object!(7.25), &object!(1)));
        assert_eq!(parsed[1]["wait_seconds"]["p95"], Value::Null);
    }
}
