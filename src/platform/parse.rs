//! Parses each fact from the bytes that the platform's workers write (Python's `json.dumps`).
//!
//! Every function takes bytes and returns the fact or a [`ParseError`], which never quotes them: a value may hold
//! secrets. Which keys are read is decided in `sources::redis`.

mod circuit;
mod error;
mod fields;
mod heartbeat;
mod queued_task;
mod statistics;
mod throttling;

use serde_json::{Map, Value};

use self::fields::{Fields, Object, Scalar};
use super::facts::Point;
use crate::base::clock::UnixSeconds;
use crate::base::number::whole;

pub use circuit::{circuit_state, circuit_stats};
pub use error::ParseError;
pub use heartbeat::heartbeat;
pub use queued_task::queued_task;
pub use statistics::{queue_analytics, sse_sample};
pub use throttling::throttling_event;

/// Longest value that is parsed: the platform's own are a few kilobytes. Longer ones arrive truncated.
pub const MAX_VALUE_BYTES: usize = 64 * 1024;

/// Longest heartbeat that is parsed: a busy processor lists its running tasks in it. Over [`MAX_VALUE_BYTES`] it arrives
/// condensed.
pub const MAX_HEARTBEAT_BYTES: usize = 1024 * 1024;

/// What a value begins with that arrived without the contents of its arrays; its whole length and a line end follow.
pub const CONDENSED: &str = "\0condensed ";

/// The largest count that is exact as a float: 2^53.
const LARGEST_COUNT: i64 = 1 << 53;
const LARGEST: f64 = 9_007_199_254_740_992.0;

/// Longest member of a series, time and value, and longest name in a throttling event.
const LONGEST_NAME: usize = 256;

/// The form of a series member.
const MEMBER: &str = "of the form \"time:value\"";

/// A member of a latency or rolling series, `"{time}:{value}"`; the score is the time that counts.
///
/// # Errors
/// Too long, no `:`, or a value that is not a finite number, or none that can be measured.
pub fn series_member(member: &[u8], score: UnixSeconds) -> Result<Point, ParseError> {
    if member.len() > LONGEST_NAME {
        return Err(ParseError::TooLong(LONGEST_NAME));
    }
    let text = std::str::from_utf8(member).map_err(|_| ParseError::NotUtf8)?;
    let (_, value) = text.split_once(':').ok_or(ParseError::BadText { expected: MEMBER })?;
    let value: f64 = value.trim().parse().map_err(|_| ParseError::BadText { expected: MEMBER })?;
    if !value.is_finite() || !score.is_finite() {
        return Err(ParseError::NotFinite);
    }
    if !is_possible(value) {
        return Err(ParseError::Outside);
    }
    Ok(Point { at: score, value })
}

/// A counter kept as text, which may lag below 0.
///
/// # Errors
/// Not a whole number, or beyond 2^53.
pub fn counter(bytes: &[u8]) -> Result<i64, ParseError> {
    let text = std::str::from_utf8(bytes).map_err(|_| ParseError::NotUtf8)?;
    let count: i128 = text.trim().parse().map_err(|_| ParseError::BadText { expected: "a whole number" })?;
    let count = i64::try_from(count).map_err(|_| ParseError::Outside)?;
    if (-LARGEST_COUNT..=LARGEST_COUNT).contains(&count) { Ok(count) } else { Err(ParseError::Outside) }
}

/// A count kept as text.
///
/// # Errors
/// Not a whole number, below 0, or beyond 2^53.
pub fn count(bytes: &[u8]) -> Result<i64, ParseError> {
    counter(bytes).and_then(|count| if count < 0 { Err(ParseError::Outside) } else { Ok(count) })
}

/// Whether something can be measured to be that much.
fn is_possible(value: f64) -> bool {
    (0.0..=LARGEST).contains(&value)
}

/// The text of a value that must be UTF-8.
///
/// # Errors
/// Too long, or not UTF-8.
pub fn utf8(bytes: &[u8]) -> Result<&str, ParseError> {
    if bytes.len() > MAX_VALUE_BYTES || condensed_length(bytes).is_some() {
        return Err(ParseError::TooLong(MAX_VALUE_BYTES));
    }
    std::str::from_utf8(bytes).map_err(|_| ParseError::NotUtf8)
}

/// The whole length of a value that arrived condensed.
#[must_use]
pub fn condensed_length(bytes: &[u8]) -> Option<usize> {
    let rest = bytes.strip_prefix(CONDENSED.as_bytes())?;
    let length = rest.split(|byte| *byte == b'\n').next()?;
    std::str::from_utf8(length).ok()?.parse().ok()
}

fn object(bytes: &[u8]) -> Result<Map<String, Value>, ParseError> {
    match serde_json::from_str(utf8(bytes)?) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(ParseError::NotAnObject),
        Err(error) => Err(not_json(&error)),
    }
}

/// Some fields of an object: what is read in every tick is not built as a tree.
fn fields<'a, T: Fields<'a>>(bytes: &'a [u8]) -> Result<T, ParseError> {
    match serde_json::from_str(utf8(bytes)?) {
        Ok(Object(Some(fields))) => Ok(fields),
        Ok(Object(None)) => Err(ParseError::NotAnObject),
        Err(error) => Err(not_json(&error)),
    }
}

/// Only the position: serde's own text may quote the value.
fn not_json(error: &serde_json::Error) -> ParseError {
    ParseError::NotJson { line: error.line(), column: error.column() }
}

/// A finite number; null and missing are `None`.
fn number(value: Option<&Scalar<'_>>, field: &'static str) -> Result<Option<f64>, ParseError> {
    match value {
        None | Some(Scalar::Null) => Ok(None),
        Some(value) => match value.float() {
            Some(number) if number.is_finite() => Ok(Some(number)),
            _ => Err(ParseError::BadField { field, expected: "a number" }),
        },
    }
}

/// A whole number, also when written as `3.0`; null and missing are `None`.
fn integer(value: Option<&Scalar<'_>>, field: &'static str) -> Result<Option<i64>, ParseError> {
    if let Some(whole) = value.and_then(Scalar::whole) {
        return Ok(Some(whole));
    }
    let Some(float) = number(value, field)? else { return Ok(None) };
    let value = whole(float).ok_or(ParseError::BadField { field, expected: "a whole number" })?;
    Ok(Some(value))
}

/// A number of something that is not less than nothing; null and missing are `None`.
fn amount(value: Option<&Scalar<'_>>, field: &'static str) -> Result<Option<f64>, ParseError> {
    let number = number(value, field)?;
    if number.is_none_or(is_possible) { Ok(number) } else { Err(ParseError::Impossible(field)) }
}

/// A whole number of something.
fn whole_amount(value: Option<&Scalar<'_>>, field: &'static str) -> Result<Option<i64>, ParseError> {
    amount(value, field)?;
    integer(value, field)
}

#[cfg(test)]
mod tests;
