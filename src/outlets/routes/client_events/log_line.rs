//! One event as one line of the log, at the event's level: `kdcube.events` is the target, as it is the platform's logger.

use std::fmt::Write;

use super::event::ClientEvent;
use crate::telemetry::client_events::ClientEventLevel;

const TARGET: &str = "kdcube.events";

pub(super) fn write(event: &ClientEvent) {
    let line = compact(event);
    match event.level {
        ClientEventLevel::Error => tracing::error!(target: TARGET, "{line}"),
        ClientEventLevel::Warn => tracing::warn!(target: TARGET, "{line}"),
        ClientEventLevel::Info => tracing::info!(target: TARGET, "{line}"),
    }
}

/// Compact JSON in the platform's order of keys.
fn compact(event: &ClientEvent) -> String {
    // An event holds nothing that JSON cannot: keys are texts.
    escape(&serde_json::to_string(event).unwrap_or_default())
}

/// JSON escapes the control characters of ASCII. Others, too, end a line, move a terminal's cursor or reverse its text;
/// outside of JSON's strings there are none, so that each may become an escape.
fn escape(json: &str) -> String {
    let mut escaped = String::with_capacity(json.len());
    for c in json.chars() {
        if is_unsafe(c) {
            // Writing to a String cannot fail; every one of them has four digits.
            let _ = write!(escaped, "\\u{:04x}", u32::from(c));
        } else {
            escaped.push(c);
        }
    }
    escaped
}

/// Control characters, line and paragraph separators, and what changes the direction of text or has no width.
fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::outlets::routes::client_events::event::example;
    use crate::outlets::routes::client_events::event::tests::event_of;

    #[test]
    fn the_line_is_the_platforms() {
        let line = compact(&event_of(&example()).unwrap());
        let expected = r#"{"event_type":"log","origin":"kdcube-frontend","tenant":"acme","project":"chat","user_id":null,"session_id":"s","conversation_id":null,"timestamp":"2026-01-01T00:00:00Z","timezone":"UTC","level":"error","message":"boom","args":[1]}"#;
        assert_eq!(line, expected);
    }

    #[test]
    fn keys_that_are_not_of_an_event_are_dropped_and_the_order_is_fixed() {
        let Value::Object(fields) = example() else { unreachable!() };
        let mut reversed: serde_json::Map<String, Value> = fields.into_iter().rev().collect();
        reversed.insert("password".to_owned(), json!("hunter2"));
        assert_eq!(compact(&event_of(&Value::Object(reversed)).unwrap()), compact(&event_of(&example()).unwrap()));
    }

    #[test]
    fn a_forged_line_stays_inside_its_own() {
        for (text, escaped) in [
            ("a\nERROR kdcube: b", "a\\nERROR kdcube: b"),
            ("\r\u{1b}[2J", "\\r\\u001b[2J"),
            ("\u{7f}\u{85}\u{9b}31m", "\\u007f\\u0085\\u009b31m"),
            ("\u{2028}\u{2029}\u{202e}\u{feff}", "\\u2028\\u2029\\u202e\\ufeff"),
            ("Größe 😀 \"x\"", "Größe 😀 \\\"x\\\""),
        ] {
            let mut body = example();
            body["message"] = json!(text);
            let line = compact(&event_of(&body).unwrap());
            assert!(line.contains(&format!(r#""message":"{escaped}""#)), "{line}");
        }
    }

    proptest! {
        #[test]
        fn any_text_stays_on_one_printable_line_and_can_be_read_back(text in "\\PC*|.*|[\u{0}-\u{ff}\u{2000}-\u{206f}]*", key in ".*") {
            let mut body = example();
            body["message"] = json!(text);
            body["args"] = json!([{key: text}]);
            let line = compact(&event_of(&body).unwrap());
            prop_assert!(!line.contains(is_unsafe));
            prop_assert_eq!(serde_json::from_str::<Value>(&line).unwrap(), body);
        }
    }
}
