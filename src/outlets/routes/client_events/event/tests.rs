//! Bodies that the platform's service accepts and rejects, with its own errors.

use axum::http::HeaderValue;
use proptest::prelude::*;
use serde_json::json;

use super::*;

/// A body that the platform's page sends.
pub(in crate::outlets::routes::client_events) fn good() -> Value {
    json!({"event_type": "log", "origin": "kdcube-frontend", "tenant": "acme", "project": "chat", "user_id": null,
        "session_id": "s", "conversation_id": null, "timestamp": "2026-01-01T00:00:00Z", "timezone": "UTC",
        "level": "error", "message": "boom", "args": [1]})
}

pub(in crate::outlets::routes::client_events) fn event_of(body: &Value) -> Result<ClientEvent, Vec<ValidationError>> {
    parsed(Some("application/json"), body.to_string().as_bytes())
}

fn parsed(content_type: Option<&str>, body: &[u8]) -> Result<ClientEvent, Vec<ValidationError>> {
    let value = |text| (header::CONTENT_TYPE, HeaderValue::from_str(text).unwrap());
    ClientEvent::parse(&content_type.map(value).into_iter().collect(), body)
}

fn with(key: &str, value: Value) -> Value {
    let mut body = good();
    body[key] = value;
    body
}

/// Type, place and input of every error.
fn errors(result: Result<ClientEvent, Vec<ValidationError>>) -> Vec<Value> {
    let errors = result.expect_err("it is invalid");
    errors.iter().map(|error| serde_json::to_value(error).unwrap()).collect()
}

#[test]
fn what_the_platform_accepts_is_accepted() {
    for (key, values) in [
        ("event_type", vec![json!("metric")]),
        ("level", vec![json!("error"), json!("warn"), json!("info"), json!("warning")]),
        ("user_id", vec![json!("u"), json!("")]),
        ("message", vec![json!(""), json!("ä\u{0}\n")]),
        ("args", vec![json!([]), json!([{"url": "x", "stack": null}, [[]], 1.5, "x"])]),
        (
            "timestamp",
            ["2026-01-01T00:00:00.000Z", "2026-01-01T10:00:00+02:00", "2026-01-01 10:00", "2026-01-01"]
                .map(Value::from)
                .to_vec(),
        ),
        ("unknown", vec![json!({"a": 1})]),
    ] {
        for value in values {
            let event = event_of(&with(key, value.clone()));
            assert!(event.is_ok(), "{key} {value}: {event:?}");
        }
    }
}

#[test]
fn warning_is_warn() {
    let event = event_of(&with("level", json!("warning"))).unwrap();
    assert_eq!(event.level, ClientEventLevel::Warn);
    assert_eq!(serde_json::to_value(event).unwrap()["level"], "warn");
}

#[test]
fn a_value_of_another_kind_is_an_error_with_its_place_and_input() {
    for (key, kind, msg, values) in [
        ("event_type", "literal_error", "Input should be 'log' or 'metric'", vec![json!("LOG"), json!(5), json!(null)]),
        ("origin", "string_type", "Input should be a valid string", vec![json!(5), json!(null), json!(["x"])]),
        ("user_id", "string_type", "Input should be a valid string", vec![json!(5), json!(false)]),
        (
            "timestamp",
            "datetime_from_date_parsing",
            "Input should be a valid datetime or date",
            vec![json!("x"), json!(""), json!("2026-13-01T00:00:00Z"), json!("2026"), json!("10:00")],
        ),
        ("timestamp", "datetime_type", "Input should be a valid datetime", vec![json!(null), json!([1])]),
        ("level", "literal_error", "Input should be 'error', 'warn' or 'info'", vec![json!("fatal"), json!("ERROR")]),
        ("message", "string_type", "Input should be a valid string", vec![json!({"a": 1})]),
        ("args", "list_type", "Input should be a valid list", vec![json!({}), json!("x"), json!(null)]),
    ] {
        for value in values {
            let expected = json!({"type": kind, "loc": ["body", key], "msg": msg, "input": value});
            assert_eq!(errors(event_of(&with(key, value))), [expected]);
        }
    }
}

#[test]
fn every_missing_key_is_reported_in_order() {
    let body = json!({"event_type": "log"});
    let keys = good().as_object().unwrap().keys().skip(1).cloned().collect::<Vec<_>>();
    let missing =
        |key: &String| json!({"type": "missing", "loc": ["body", key], "msg": "Field required", "input": body});
    assert_eq!(errors(event_of(&body)), keys.iter().map(missing).collect::<Vec<_>>());
}

#[test]
fn a_body_that_is_not_an_object_is_an_error() {
    let of = |body: &[u8]| errors(parsed(Some("application/json"), body));
    let not_an_object = "Input should be a valid dictionary or object to extract fields from";
    assert_eq!(of(b""), [json!({"type": "missing", "loc": ["body"], "msg": "Field required", "input": null})]);
    for body in ["[1]", "null", "5", "\"x\""] {
        let input: Value = serde_json::from_str(body).unwrap();
        let expected = json!({"type": "model_attributes_type", "loc": ["body"], "msg": not_an_object, "input": input});
        assert_eq!(of(body.as_bytes()), [expected]);
    }
    for (body, position) in [(&b"{"[..], 0), (b"{\"a\":\n nope}", 8), (b"\xff\xfe", 0), (b"{}x", 2)] {
        let found = of(body);
        assert_eq!(found[0]["type"], "json_invalid");
        assert_eq!(found[0]["loc"], json!(["body", position]), "{body:?}");
    }
    let nested = "[".repeat(10_000);
    assert_eq!(of(nested.as_bytes())[0]["type"], "json_invalid", "nesting is bounded");
}

#[test]
fn only_a_body_that_is_declared_as_json_is_read() {
    let body = good().to_string();
    for accepted in ["application/json", "Application/JSON; charset=utf-8", "application/vnd.kdcube+json"] {
        assert!(parsed(Some(accepted), body.as_bytes()).is_ok(), "{accepted}");
    }
    for other in [None, Some(""), Some("text/plain"), Some("application/x-www-form-urlencoded"), Some("text/json")] {
        let found = errors(parsed(other, body.as_bytes()));
        assert_eq!(found[0]["type"], "model_attributes_type", "{other:?}");
        assert!(found[0]["input"].as_str().unwrap().starts_with("{\"event_type\""));
    }
}

proptest! {
    #[test]
    fn no_body_panics_and_errors_are_bounded(body in proptest::collection::vec(any::<u8>(), 0..300)) {
        if let Err(errors) = parsed(Some("application/json"), &body) {
            prop_assert!(serde_json::to_string(&errors).unwrap().len() < 12 * 1024);
        }
    }

    #[test]
    fn any_value_of_any_key_is_accepted_or_one_error(index in 0..12_usize, text in ".*", number in any::<f64>()) {
        for value in [json!(text), json!(number), json!({"a": text}), json!([number]), json!(null), json!(true)] {
            let mut body = good();
            let key = body.as_object().unwrap().keys().nth(index).unwrap().clone();
            body[&key] = value;
            match event_of(&body) {
                Ok(_) => {}
                Err(errors) => prop_assert_eq!(errors.len(), 1),
            }
        }
    }
}
