//! A client event and its parser: the platform's model, with every error of a body at once.

use axum::http::{HeaderMap, header};
use jiff::Timestamp;
use jiff::civil::DateTime;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use super::validation::ValidationError;
use crate::telemetry::client_events::ClientEventLevel;

/// The fields in the order of the platform's log lines.
#[derive(Debug, Serialize)]
pub(super) struct ClientEvent {
    pub(super) event_type: EventType,
    origin: String,
    tenant: String,
    project: String,
    user_id: Option<String>,
    session_id: Option<String>,
    conversation_id: Option<String>,
    /// As it was sent; it was checked to be a date and time of ISO 8601.
    timestamp: String,
    timezone: String,
    #[serde(serialize_with = "level")]
    pub(super) level: ClientEventLevel,
    message: String,
    args: Vec<Value>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum EventType {
    Log,
    Metric,
}

impl EventType {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Log => "log",
            Self::Metric => "metric",
        }
    }
}

fn level<S: Serializer>(level: &ClientEventLevel, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(level.as_str())
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
pub(super) mod tests;
