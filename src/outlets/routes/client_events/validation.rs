//! What is wrong with an event, in the form of the platform's service (FastAPI's): type, place, message and input.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

/// Longest input that is echoed, bytes. A body without any key would otherwise come back a dozen times.
const LONGEST_INPUT: usize = 256;

/// One error of a body.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(super) struct ValidationError {
    #[serde(rename = "type")]
    kind: &'static str,
    loc: Vec<Value>,
    msg: &'static str,
    input: Value,
}

impl ValidationError {
    /// There is no body.
    pub(super) fn no_body() -> Self {
        Self { kind: "missing", loc: vec![json!("body")], msg: "Field required", input: Value::Null }
    }

    /// The body is not JSON from this byte on.
    pub(super) fn not_json(position: usize) -> Self {
        let loc = vec![json!("body"), json!(position)];
        Self { kind: "json_invalid", loc, msg: "JSON decode error", input: json!({}) }
    }

    /// The body is something else than an object, or not declared to be JSON.
    pub(super) fn not_an_object(body: &Value) -> Self {
        let msg = "Input should be a valid dictionary or object to extract fields from";
        Self { kind: "model_attributes_type", loc: vec![json!("body")], msg, input: bounded(body) }
    }

    /// A key is missing; the input is the whole body.
    pub(super) fn missing(key: &'static str, body: &Value) -> Self {
        Self::of_field("missing", key, "Field required", body)
    }

    /// A key's value is not accepted.
    pub(super) fn of_field(kind: &'static str, key: &'static str, msg: &'static str, input: &Value) -> Self {
        Self { kind, loc: vec![json!("body"), json!(key)], msg, input: bounded(input) }
    }
}

/// The value, or the beginning of its text where it is too long: a text's own, or its JSON.
fn bounded(input: &Value) -> Value {
    let text = input.as_str().map_or_else(|| Cow::Owned(input.to_string()), Cow::Borrowed);
    match text.get(..text.floor_char_boundary(LONGEST_INPUT)) {
        Some(beginning) if beginning.len() < text.len() => Value::String(format!("{beginning}…")),
        _ => input.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_has_the_platforms_form() {
        let error = ValidationError::of_field("string_type", "origin", "Input should be a valid string", &json!(5));
        let expected =
            r#"{"type":"string_type","loc":["body","origin"],"msg":"Input should be a valid string","input":5}"#;
        assert_eq!(serde_json::to_string(&error).unwrap(), expected);
        let error = serde_json::to_string(&ValidationError::not_json(7)).unwrap();
        assert_eq!(error, r#"{"type":"json_invalid","loc":["body",7],"msg":"JSON decode error","input":{}}"#);
    }

    #[test]
    fn a_long_input_is_shortened() {
        for short in [json!("x".repeat(LONGEST_INPUT)), json!(["x".repeat(LONGEST_INPUT - 4)]), json!(null)] {
            assert_eq!(bounded(&short), short);
        }
        for (long, text) in [
            (json!("😀".repeat(5000)), "😀".repeat(5000)),
            (json!(["x".repeat(LONGEST_INPUT)]), format!("[\"{}", "x".repeat(LONGEST_INPUT))),
            (json!({"a": vec![1; 5000]}), format!("{{\"a\":[{}", "1,".repeat(5000))),
        ] {
            let bounded = bounded(&long);
            let beginning = bounded.as_str().unwrap().strip_suffix('…').unwrap();
            assert!(beginning.len() <= LONGEST_INPUT && text.starts_with(beginning), "{beginning}");
        }
    }
}
