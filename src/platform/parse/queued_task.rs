//! When a task that waits in a queue was created.

use std::fmt;

use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;

use super::{ParseError, condensed_length, is_possible};
use crate::base::clock::UnixSeconds;

const CREATED_AT: &str = "meta.created_at";
/// Before the year 2001: seconds since something else.
const EARLIEST: f64 = 1e9;

/// The time in `meta.created_at` of a task. `meta` stands near the front of it; what follows is not read, so that the task may
/// have been truncated.
///
/// # Errors
/// `meta` is not among what is there, or has no time that can be one.
pub fn queued_task(bytes: &[u8]) -> Result<UnixSeconds, ParseError> {
    let json = match condensed_length(bytes) {
        Some(_) => bytes.splitn(2, |byte| *byte == b'\n').nth(1).unwrap_or_default(),
        None => bytes,
    };
    let mut meta = None;
    // Reading stops behind `meta` with an error, or before it with one that counts.
    let outcome = serde_json::Deserializer::from_slice(json).deserialize_map(UpToMeta(&mut meta));
    match (meta, outcome) {
        (Some(meta), _) => created_at(&meta),
        (None, Ok(())) => Err(ParseError::MissingField(CREATED_AT)),
        (None, Err(error)) if error.is_data() => Err(ParseError::NotAnObject),
        (None, Err(error)) => Err(ParseError::NotJson { line: error.line(), column: error.column() }),
    }
}

fn created_at(meta: &Value) -> Result<UnixSeconds, ParseError> {
    let at = match meta.get("created_at") {
        None | Some(Value::Null) => return Err(ParseError::MissingField(CREATED_AT)),
        Some(value) => value.as_f64(),
    };
    let at = at.ok_or(ParseError::BadField { field: CREATED_AT, expected: "a number" })?;
    if is_possible(at) && at >= EARLIEST { Ok(at) } else { Err(ParseError::Impossible(CREATED_AT)) }
}

/// Puts `meta` where it says, and reads nothing behind it.
struct UpToMeta<'a>(&'a mut Option<Value>);

impl<'de> Visitor<'de> for UpToMeta<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a task")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            if key == "meta" {
                *self.0 = Some(map.next_value()?);
                return Err(A::Error::custom("the rest is not read"));
            }
            map.next_value::<IgnoredAny>()?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<f64, String> {
        queued_task(text.as_bytes()).map_err(|error| error.to_string())
    }

    #[test]
    fn the_time_is_read_and_what_follows_is_not() {
        for text in [
            r#"{"meta": {"task_id": "t", "created_at": 1767225590.5, "instance_id": "i"}, "routing": {}}"#,
            r#"{"version": [1, {"meta": 2}], "meta": {"created_at": 1767225590.5}, "actor": "#,
            r#"{"meta": {"created_at": 1767225590.5}} rubbish"#,
            "\0condensed 90000\n{\"meta\": {\"created_at\": 1767225590.5}, \"history\": []}",
        ] {
            assert_eq!(read(text), Ok(1_767_225_590.5), "{text}");
        }
        assert_eq!(read(r#"{"meta": {"created_at": 1767225590}}"#), Ok(1_767_225_590.0));
    }

    #[test]
    fn a_task_without_a_time_says_what_is_wrong() {
        let missing = "field meta.created_at is missing";
        let impossible = "field meta.created_at is outside 0 to 2^53";
        for (text, problem) in [
            ("{}", missing),
            (r#"{"task_id": "t-1"}"#, missing),
            (r#"{"meta": null}"#, missing),
            (r#"{"meta": [1]}"#, missing),
            (r#"{"meta": {"created_at": null}}"#, missing),
            (r#"{"meta": {"created_at": "2026-01-01T00:00:00Z"}}"#, "field meta.created_at is not a number"),
            (r#"{"meta": {"created_at": -1}}"#, impossible),
            (r#"{"meta": {"created_at": 12}}"#, impossible),
            (r#"{"meta": {"created_at": 1e300}}"#, impossible),
            ("[]", "is not a JSON object"),
            ("7", "is not a JSON object"),
            ("t-1", "is not JSON (line 1, column 2)"),
            ("", "is not JSON (line 1, column 0)"),
            (r#"{"routing": {"meta": 1"#, "is not JSON (line 1, column 22)"),
        ] {
            assert_eq!(read(text), Err(problem.to_owned()), "{text}");
        }
    }
}
