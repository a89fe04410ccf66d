//! A circuit breaker's state and statistics.

use serde_json::{Map, Value};

use super::{ParseError, object, utf8};
use crate::platform::facts::CircuitState;

/// Fields that the platform always writes: an object without one of them is something else.
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

const STATES: &str = "closed, open or half_open";

/// A circuit breaker's state.
///
/// # Errors
/// An unknown state.
pub fn circuit_state(bytes: &[u8]) -> Result<CircuitState, ParseError> {
    CircuitState::named(utf8(bytes)?).ok_or(ParseError::BadText { expected: STATES })
}

/// A circuit breaker's statistics, as written.
///
/// # Errors
/// Not a JSON object, a field missing, or an unknown state.
pub fn circuit_stats(bytes: &[u8]) -> Result<Map<String, Value>, ParseError> {
    let object = object(bytes)?;
    if let Some(missing) = FIELDS.iter().find(|field| !object.contains_key(**field)) {
        return Err(ParseError::MissingField(missing));
    }
    match object.get("state").and_then(Value::as_str) {
        Some(state) if CircuitState::named(state).is_some() => Ok(object),
        _ => Err(ParseError::BadField { field: "state", expected: STATES }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statistics_with_a_missing_field_or_an_unknown_state_are_rejected() {
        let whole: Map<String, Value> = FIELDS.iter().map(|field| ((*field).to_owned(), Value::from(1))).collect();
        let with = |state: Value| {
            let mut stats = whole.clone();
            stats.insert("state".to_owned(), state);
            circuit_stats(&serde_json::to_vec(&stats).unwrap())
        };
        assert!(with("half_open".into()).is_ok());
        for odd in [Value::from("ajar"), Value::Null, Value::from(3)] {
            assert_eq!(with(odd).unwrap_err().to_string(), "field state is not closed, open or half_open");
        }
        let partial = br#"{"name": "x", "state": "open", "failure_count": 3}"#;
        assert_eq!(circuit_stats(partial), Err(ParseError::MissingField("success_count")));
    }

    #[test]
    fn a_state_is_one_of_three_words() {
        for state in CircuitState::ALL {
            assert_eq!(circuit_state(state.as_str().as_bytes()), Ok(state));
        }
        for odd in [&b"ajar"[..], b"", b"OPEN", b" open", b"\xff"] {
            assert!(circuit_state(odd).is_err(), "{odd:?}");
        }
    }
}
