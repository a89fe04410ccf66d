//! A client event and its parser: the platform's model, with every error of a body at once.

use axum::http::{HeaderMap, header};
use jiff::Timestamp;
use jiff::civil::DateTime;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;
use utoipa::openapi::Object;

use super::validation::ValidationError;
use crate::outlets::routes::description::texts;
use crate::telemetry::client_events::ClientEventLevel;

/// The fields in the order of the platform's log lines.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ClientEvent {
    pub(super) event_type: EventType,
    origin: String,
    tenant: String,
    project: String,
    #[schema(required)]
    user_id: Option<String>,
    #[schema(required)]
    session_id: Option<String>,
    #[schema(required)]
    conversation_id: Option<String>,
    /// As it was sent; it was checked to be a date and time of ISO 8601.
    #[schema(format = DateTime)]
    timestamp: String,
    timezone: String,
    #[serde(serialize_with = "level")]
    #[schema(schema_with = levels)]
    pub(super) level: ClientEventLevel,
    message: String,
    args: Vec<Value>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum EventType {
    Log,
    Metric,
}

fn level<S: Serializer>(level: &ClientEventLevel, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(level.as_str())
}

/// As a body may have it; `warn` is also written `warning`.
fn levels() -> Object {
    texts(&["error", "warn", "warning", "info"])
}

/// A body that the platform's page sends.
pub(super) fn example() -> Value {
    json!({"event_type": "log", "origin": "kdcube-frontend", "tenant": "acme", "project": "chat", "user_id": null,
        "session_id": "s", "conversation_id": null, "timestamp": "2026-01-01T00:00:00Z", "timezone": "UTC",
        "level": "error", "message": "boom", "args": [1]})
}

impl ClientEvent {
    /// Reads the body of a request.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub(super) fn parse(headers: &HeaderMap, body: &[u8]) -> Result<Self, Vec<ValidationError>> {
        let fields = object(headers, body)?;
        let mut reader = FieldReader { body: Value::Object(fields), errors: Vec::new() };
        Self::read(&mut reader).ok_or(reader.errors)
    }

    /// Reads every field before it returns, so that all errors are found; unknown keys are ignored.
    fn read(fields: &mut FieldReader) -> Option<Self> {
        let event_type = fields.choice("event_type", "Input should be 'log' or 'metric'", event_type);
        let [origin, tenant, project] = ["origin", "tenant", "project"].map(|key| fields.text(key));
        let [user, session, conversation] =
            ["user_id", "session_id", "conversation_id"].map(|key| fields.text_or_null(key));
        let timestamp = fields.date_time("timestamp");
        let timezone = fields.text("timezone");
        let level = fields.choice("level", "Input should be 'error', 'warn' or 'info'", event_level);
        let message = fields.text("message");
        let args = fields.list("args");
        Some(Self {
            event_type: event_type?,
            origin: origin?,
            tenant: tenant?,
            project: project?,
            user_id: user?,
            session_id: session?,
            conversation_id: conversation?,
            timestamp: timestamp?,
            timezone: timezone?,
            level: level?,
            message: message?,
            args: args?,
        })
    }
}

/// The object that a body holds. A page of another site may send a text, but nothing declared as JSON.
fn object(headers: &HeaderMap, body: &[u8]) -> Result<Map<String, Value>, Vec<ValidationError>> {
    let error = if body.is_empty() {
        ValidationError::no_body()
    } else if !is_json(headers) {
        ValidationError::not_an_object(&String::from_utf8_lossy(body).into())
    } else {
        match serde_json::from_slice(body) {
            Ok(Value::Object(fields)) => return Ok(fields),
            Ok(other) => ValidationError::not_an_object(&other),
            Err(error) => ValidationError::not_json(position(&error, body)),
        }
    };
    Err(vec![error])
}

/// `application/json` or `application/…+json`, with or without parameters.
fn is_json(headers: &HeaderMap) -> bool {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence.strip_prefix("application/").is_some_and(|subtype| subtype == "json" || subtype.ends_with("+json"))
}

/// The byte that an error is at.
fn position(error: &serde_json::Error, body: &[u8]) -> usize {
    let lines = body.split_inclusive(|byte| *byte == b'\n');
    let before: usize = lines.take(error.line().saturating_sub(1)).map(<[u8]>::len).sum();
    before + error.column().saturating_sub(1)
}

fn event_type(text: &str) -> Option<EventType> {
    match text {
        "log" => Some(EventType::Log),
        "metric" => Some(EventType::Metric),
        _ => None,
    }
}

/// The platform's own page sends `warning`, which its service rejects.
fn event_level(text: &str) -> Option<ClientEventLevel> {
    match text {
        "error" => Some(ClientEventLevel::Error),
        "warn" | "warning" => Some(ClientEventLevel::Warn),
        "info" => Some(ClientEventLevel::Info),
        _ => None,
    }
}

/// Takes fields out of a body and collects what is wrong with them.
struct FieldReader {
    body: Value,
    errors: Vec<ValidationError>,
}

impl FieldReader {
    /// The value of a key, read by `read`; `kind` and `msg` are the error where it returns `None`.
    fn field<T>(
        &mut self,
        key: &'static str,
        kind: &'static str,
        msg: &'static str,
        read: impl FnOnce(&Value) -> Option<T>,
    ) -> Option<T> {
        let Some(value) = self.body.get(key) else {
            self.errors.push(ValidationError::missing(key, &self.body));
            return None;
        };
        let read = read(value);
        if read.is_none() {
            self.errors.push(ValidationError::of_field(kind, key, msg, value));
        }
        read
    }

    fn text(&mut self, key: &'static str) -> Option<String> {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        self.field(key, "string_type", "Input should be a valid string", text)
    }

    fn text_or_null(&mut self, key: &'static str) -> Option<Option<String>> {
        self.field(key, "string_type", "Input should be a valid string", |value| match value {
            Value::Null => Some(None),
            Value::String(text) => Some(Some(text.clone())),
            _ => None,
        })
    }

    fn choice<T>(&mut self, key: &'static str, msg: &'static str, of: fn(&str) -> Option<T>) -> Option<T> {
        self.field(key, "literal_error", msg, |value| of(value.as_str()?))
    }

    /// With an offset or without.
    fn date_time(&mut self, key: &'static str) -> Option<String> {
        let is_date_time = |text: &str| text.parse::<Timestamp>().is_ok() || text.parse::<DateTime>().is_ok();
        let (kind, msg) = match self.body.get(key) {
            Some(Value::String(_)) => ("datetime_from_date_parsing", "Input should be a valid datetime or date"),
            _ => ("datetime_type", "Input should be a valid datetime"),
        };
        self.field(key, kind, msg, |value| value.as_str().filter(|text| is_date_time(text)).map(str::to_owned))
    }

    fn list(&mut self, key: &'static str) -> Option<Vec<Value>> {
        self.field(key, "list_type", "Input should be a valid list", |value| value.as_array().cloned())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use axum::http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    pub(in crate::outlets::routes::client_events) fn event_of(
        body: &Value,
    ) -> Result<ClientEvent, Vec<ValidationError>> {
        parsed(Some("application/json"), body.to_string().as_bytes())
    }

    fn parsed(content_type: Option<&str>, body: &[u8]) -> Result<ClientEvent, Vec<ValidationError>> {
        let value = |text| (header::CONTENT_TYPE, HeaderValue::from_str(text).unwrap());
        ClientEvent::parse(&content_type.map(value).into_iter().collect(), body)
    }

    fn with(key: &str, value: Value) -> Value {
        let mut body = example();
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
            (
                "event_type",
                "literal_error",
                "Input should be 'log' or 'metric'",
                vec![json!("LOG"), json!(5), json!(null)],
            ),
            ("origin", "string_type", "Input should be a valid string", vec![json!(5), json!(null), json!(["x"])]),
            ("user_id", "string_type", "Input should be a valid string", vec![json!(5), json!(false)]),
            (
                "timestamp",
                "datetime_from_date_parsing",
                "Input should be a valid datetime or date",
                vec![json!("x"), json!(""), json!("2026-13-01T00:00:00Z"), json!("2026"), json!("10:00")],
            ),
            ("timestamp", "datetime_type", "Input should be a valid datetime", vec![json!(null), json!([1])]),
            (
                "level",
                "literal_error",
                "Input should be 'error', 'warn' or 'info'",
                vec![json!("fatal"), json!("ERROR")],
            ),
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
        let keys = example().as_object().unwrap().keys().skip(1).cloned().collect::<Vec<_>>();
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
            let expected =
                json!({"type": "model_attributes_type", "loc": ["body"], "msg": not_an_object, "input": input});
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
        let body = example().to_string();
        for accepted in ["application/json", "Application/JSON; charset=utf-8", "application/vnd.kdcube+json"] {
            assert!(parsed(Some(accepted), body.as_bytes()).is_ok(), "{accepted}");
        }
        for other in [None, Some(""), Some("text/plain"), Some("application/x-www-form-urlencoded"), Some("text/json")]
        {
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
                let mut body = example();
                let key = body.as_object().unwrap().keys().nth(index).unwrap().clone();
                body[&key] = value;
                match event_of(&body) {
                    Ok(_) => {}
                    Err(errors) => prop_assert_eq!(errors.len(), 1),
                }
            }
        }
    }
}
