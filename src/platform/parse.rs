//! Parses each fact from the bytes that the platform's workers write (Python's `json.dumps`).
//!
//! Every function takes bytes and returns the fact or a [`ParseError`], which never quotes them: a value may hold
//! secrets. Which keys are read is decided in `sources::redis`.

mod circuit;
mod error;
mod heartbeat;
mod queued_task;
mod throttling;

use serde_json::{Map, Value};

use super::facts::{Point, QueueAnalytics, SseSample, WorkerId};
use crate::base::clock::UnixSeconds;
use crate::base::number::whole;

pub use circuit::{circuit_state, circuit_stats};
pub use error::ParseError;
pub use heartbeat::heartbeat;
pub use queued_task::queued_task;
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

/// An ingress worker's sample of its SSE connections. Null counts are 0, as their writer means them; a time that is
/// not a number is treated as missing.
///
/// # Errors
/// Not a JSON object, or a count that is not a number or is none that a worker can have.
pub fn sse_sample(bytes: &[u8], worker: &WorkerId) -> Result<SseSample, ParseError> {
    let object = object(bytes)?;
    let count = |field: &'static str| counted(&object, field);
    Ok(SseSample {
        worker: worker.clone(),
        count: count("count")?,
        sessions: count("sessions")?,
        max: count("max")?,
        at: object.get("ts").and_then(Value::as_f64).filter(|at| at.is_finite()),
    })
}

/// The platform's statistics of a role's queue.
///
/// # Errors
/// Not a JSON object, or a known field of the wrong type or outside what it can be.
pub fn queue_analytics(bytes: &[u8]) -> Result<QueueAnalytics, ParseError> {
    let object = object(bytes)?;
    Ok(QueueAnalytics {
        avg_wait_seconds: amount(&object, "avg_wait_time")?.unwrap_or(0.0),
        throughput_last_hour: whole_amount(&object, "throughput_last_hour")?.unwrap_or(0),
    })
}

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

/// A number of something that is not less than nothing; null and missing are `None`.
fn amount(object: &Map<String, Value>, field: &'static str) -> Result<Option<f64>, ParseError> {
    let number = number(object, field)?;
    if number.is_none_or(is_possible) { Ok(number) } else { Err(ParseError::Impossible(field)) }
}

/// A whole number of something.
fn whole_amount(object: &Map<String, Value>, field: &'static str) -> Result<Option<i64>, ParseError> {
    amount(object, field)?;
    integer(object, field)
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
        // Only the position: serde's own text may quote the value.
        Err(error) => Err(ParseError::NotJson { line: error.line(), column: error.column() }),
    }
}

fn required_text(object: &Map<String, Value>, field: &'static str) -> Result<String, ParseError> {
    match object.get(field) {
        Some(Value::String(text)) if !text.is_empty() => Ok(text.clone()),
        Some(_) => Err(ParseError::BadField { field, expected: "a non-empty text" }),
        None => Err(ParseError::MissingField(field)),
    }
}

/// A finite number; null and missing are `None`.
fn number(object: &Map<String, Value>, field: &'static str) -> Result<Option<f64>, ParseError> {
    match object.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => match value.as_f64() {
            Some(number) if number.is_finite() => Ok(Some(number)),
            _ => Err(ParseError::BadField { field, expected: "a number" }),
        },
    }
}

/// A whole number, also when written as `3.0`; null and missing are `None`.
fn integer(object: &Map<String, Value>, field: &'static str) -> Result<Option<i64>, ParseError> {
    if let Some(whole) = object.get(field).and_then(Value::as_i64) {
        return Ok(Some(whole));
    }
    let Some(float) = number(object, field)? else { return Ok(None) };
    let value = whole(float).ok_or(ParseError::BadField { field, expected: "a whole number" })?;
    Ok(Some(value))
}

/// A count as Python's `int` takes it: a fraction is dropped, digits in a text are read; null and missing are 0. A negative
/// one and one that a float does not hold exactly count nothing.
fn counted(object: &Map<String, Value>, field: &'static str) -> Result<i64, ParseError> {
    let count = python_int(object, field)?;
    if (0..=LARGEST_COUNT).contains(&count) { Ok(count) } else { Err(ParseError::Impossible(field)) }
}

fn python_int(object: &Map<String, Value>, field: &'static str) -> Result<i64, ParseError> {
    match object.get(field) {
        None | Some(Value::Null) => Ok(0),
        Some(Value::String(text)) => {
            text.trim().parse().map_err(|_| ParseError::BadField { field, expected: "a number" })
        }
        Some(value) => match (value.as_i64(), value.as_f64()) {
            (Some(whole), _) => Ok(whole),
            #[expect(clippy::cast_possible_truncation, reason = "dropping the fraction is intended")]
            (None, Some(float)) if float.is_finite() => Ok(float as i64),
            _ => Err(ParseError::BadField { field, expected: "a number" }),
        },
    }
}

#[cfg(test)]
mod tests;
