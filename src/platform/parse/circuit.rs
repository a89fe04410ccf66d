//! A circuit breaker's statistics.

use serde_json::{Map, Value};

use super::{ParseError, object};
use crate::platform::facts::CircuitState;

/// Fields that its writer always writes; without one of them the whole is not what it seems.
const FIELDS: [&str; 12] = [
    "name",
    "state",
    "failure_count",
    "success_count",
    "last_failure_time",
    "last_success_time",
    "total_requests",
    "total_failures",
    "opened_at",
    "last_state_change",
    "consecutive_failures",
    "consecutive_successes",
];

/// A circuit breaker's statistics, as written.
///
/// # Errors
/// Not a JSON object, a field missing, or a state that nobody knows.
pub fn circuit_stats(bytes: &[u8]) -> Result<Map<String, Value>, ParseError> {
    let object = object(bytes)?;
    if let Some(missing) = FIELDS.iter().find(|field| !object.contains_key(**field)) {
        return Err(format!("field {missing} is missing"));
    }
    match object.get("state").and_then(Value::as_str) {
        Some(state) if CircuitState::named(state).is_some() => Ok(object),
        _ => Err("field state is not closed, open or half_open".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statistics_are_whole_or_not_at_all() {
        let whole: Map<String, Value> = FIELDS.iter().map(|field| ((*field).to_owned(), Value::from(1))).collect();
        let with = |state: Value| {
            let mut stats = whole.clone();
            stats.insert("state".to_owned(), state);
            circuit_stats(&serde_json::to_vec(&stats).unwrap())
        };
        assert!(with("half_open".into()).is_ok());
        for odd in [Value::from("ajar"), Value::Null, Value::from(3)] {
            assert_eq!(with(odd).unwrap_err(), "field state is not closed, open or half_open");
        }
        let partial = br#"{"name": "x", "state": "open", "failure_count": 3}"#;
        assert_eq!(circuit_stats(partial).unwrap_err(), "field success_count is missing");
    }
}
