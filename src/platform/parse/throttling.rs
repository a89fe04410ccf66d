//! Throttled requests, and whether consoles can show them.

use serde_json::{Map, Value};

use super::{LONGEST_NAME, object};
use crate::base::clock::UnixSeconds;
use crate::platform::facts::{ThrottlingDetail, ThrottlingEvent};

/// Fields that consoles need.
const FIELDS: [&str; 9] = [
    "timestamp",
    "event_id",
    "reason",
    "http_status",
    "session_id",
    "user_type",
    "fingerprint",
    "endpoint",
    "retry_after",
];

/// Fields that may be missing; shown as null.
const OPTIONAL: [&str; 2] = ["queue_stats", "rate_limit_stats"];

/// Reasons that consoles can show.
const REASONS: [&str; 7] = [
    "session_rate_limit",
    "hourly_rate_limit",
    "burst_rate_limit",
    "system_backpressure",
    "anonymous_backpressure",
    "registered_backpressure",
    "paid_backpressure",
];

/// A throttled request. A member that is not a JSON object still counts as an event, without detail.
#[must_use]
pub fn throttling_event(member: &[u8], score: UnixSeconds) -> ThrottlingEvent {
    let detail = object(member).ok().map(|object| ThrottlingDetail {
        reason: text(&object, "reason"),
        http_status: object.get("http_status").and_then(whole),
        session_id: text(&object, "session_id"),
        shown: shown(object),
    });
    ThrottlingEvent { at: score, detail }
}

/// A short text: it is kept for a day.
fn text(object: &Map<String, Value>, field: &str) -> Option<String> {
    object.get(field).and_then(Value::as_str).filter(|text| text.len() <= LONGEST_NAME).map(str::to_owned)
}

/// A status, also when written as `429.0`.
fn whole(value: &Value) -> Option<i64> {
    #[expect(clippy::cast_possible_truncation, reason = "whole and small")]
    let float = || value.as_f64().filter(|float| float.fract() == 0.0 && float.abs() < 1e6).map(|float| float as i64);
    value.as_i64().or_else(float)
}

/// The event as consoles show it: with all fields, and with a reason they can show.
fn shown(mut object: Map<String, Value>) -> Option<Value> {
    let known = object.get("reason").and_then(Value::as_str).is_some_and(|reason| REASONS.contains(&reason));
    if !known || !FIELDS.iter().all(|field| object.contains_key(*field)) {
        return None;
    }
    for field in OPTIONAL {
        object.entry(field).or_insert(Value::Null);
    }
    Some(Value::Object(object))
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = r#"{"timestamp": 1.5, "event_id": "e", "reason": "hourly_rate_limit", "http_status": 429.0,
        "session_id": "s", "user_type": "paid", "fingerprint": "f", "endpoint": "/", "retry_after": 60}"#;

    fn detail(text: &str) -> ThrottlingDetail {
        throttling_event(text.as_bytes(), 2.5).detail.unwrap()
    }

    #[test]
    fn missing_optional_fields_are_shown_as_null() {
        let whole = detail(WHOLE);
        let shown = whole.shown.unwrap();
        assert_eq!(
            (whole.http_status, &shown["queue_stats"], &shown["timestamp"]),
            (Some(429), &Value::Null, &1.5.into())
        );
        assert_eq!(shown.as_object().unwrap().len(), 11);
    }

    #[test]
    fn an_event_that_consoles_cannot_show_still_counts() {
        let odd = detail(&WHOLE.replace("hourly_rate_limit", "full_moon"));
        assert_eq!((odd.reason.as_deref(), odd.http_status, odd.shown), (Some("full_moon"), Some(429), None));
        let short = detail(r#"{"reason": "burst_rate_limit", "http_status": 429}"#);
        assert_eq!((short.reason.as_deref(), short.session_id, short.shown), (Some("burst_rate_limit"), None, None));
        assert_eq!(throttling_event(b"not json", 2.5), ThrottlingEvent { at: 2.5, detail: None });
    }
}
