//! Why a value cannot be read.

use crate::platform::facts::{DATED_AHEAD, OUTSIDE};

/// What is wrong with a value. Never quotes the value: it may hold secrets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// It may have been truncated on the way, and is not read in any case.
    #[error("is longer than {0} bytes, the most that is read")]
    TooLong(usize),
    /// The tick had no time left for it.
    #[error("was not read: this tick's heartbeats are too long together")]
    NotRead,
    #[error("is empty")]
    Empty,
    #[error("is not UTF-8")]
    NotUtf8,
    #[error("is not JSON (line {line}, column {column})")]
    NotJson { line: usize, column: usize },
    #[error("is not a JSON object")]
    NotAnObject,
    #[error("field {0} is missing")]
    MissingField(&'static str),
    #[error("field {field} is not {expected}")]
    BadField { field: &'static str, expected: &'static str },
    /// A text of another form, such as a series member without its time.
    #[error("is not {expected}")]
    BadText { expected: &'static str },
    /// A number below 0 or beyond 2^53.
    #[error("field {0} is {OUTSIDE}")]
    Impossible(&'static str),
    /// The same of a value that is a number alone.
    #[error("is {OUTSIDE}")]
    Outside,
    #[error("field {0} is {DATED_AHEAD}")]
    DatedAhead(&'static str),
    /// A NaN or an infinity where a number of something is expected.
    #[error("is not finite")]
    NotFinite,
}
