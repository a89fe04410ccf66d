//! The replies to a pipeline, taken one by one in the order of its commands.

use redis::Value;

use super::errors::error_text;
use crate::platform::facts::{InputKind, Malformed};
use crate::platform::parse::ParseError;

/// The replies of one round trip, and which of them are malformed.
pub(super) struct Replies {
    values: std::vec::IntoIter<Value>,
    pub(super) malformed: Vec<Malformed>,
    /// Error replies so far, such as that a key is of another type.
    pub(super) refused: usize,
}

impl Replies {
    pub(super) fn new(values: Vec<Value>) -> Self {
        Self { values: values.into_iter(), malformed: Vec::new(), refused: 0 }
    }

    /// Values so far that were read and could not be parsed.
    pub(super) fn unparsed(&self) -> usize {
        self.malformed.len().saturating_sub(self.refused)
    }

    /// The next reply, to a GETRANGE, as bytes; `None` for a key that does not exist or cannot be read.
    pub(super) fn bytes(&mut self, kind: InputKind, key: &str) -> Option<Vec<u8>> {
        match self.values.next() {
            // GETRANGE returns an empty string for a missing key; an empty value says as little.
            Some(Value::BulkString(bytes)) => Some(bytes).filter(|bytes| !bytes.is_empty()),
            other => {
                self.unreadable(kind, key, other);
                None
            }
        }
    }

    /// The next reply, parsed; `None` for a key that does not exist or cannot be read.
    pub(super) fn parsed<T>(
        &mut self,
        kind: InputKind,
        key: &str,
        parse: impl FnOnce(&[u8]) -> Result<T, ParseError>,
    ) -> Option<T> {
        let bytes = self.bytes(kind, key)?;
        self.ok_or_record(kind, key, parse(&bytes))
    }

    /// The next reply as a whole number.
    pub(super) fn integer(&mut self, kind: InputKind, key: &str) -> Option<i64> {
        match self.values.next() {
            Some(Value::Int(number)) => Some(number),
            other => {
                self.unreadable(kind, key, other);
                None
            }
        }
    }

    /// The next reply as a list; empty for a key that does not exist or cannot be read.
    pub(super) fn list(&mut self, kind: InputKind, key: &str) -> Vec<Value> {
        match self.values.next() {
            Some(Value::Array(items)) => items,
            Some(Value::Nil) => Vec::new(),
            Some(Value::Map(pairs)) => pairs.into_iter().flat_map(|(name, value)| [name, value]).collect(),
            other => {
                self.unreadable(kind, key, other);
                Vec::new()
            }
        }
    }

    /// The parsed value; an error is recorded as malformed.
    pub(super) fn ok_or_record<T>(&mut self, kind: InputKind, key: &str, result: Result<T, ParseError>) -> Option<T> {
        let record = |error: ParseError| {
            self.malformed.push(Malformed { kind, key: key.to_owned(), problem: error.to_string() });
        };
        result.map_err(record).ok()
    }

    fn unreadable(&mut self, kind: InputKind, key: &str, reply: Option<Value>) {
        self.refused += 1;
        let problem = match reply {
            Some(Value::ServerError(error)) => error_text(&error),
            Some(_) => "is not of the expected type".to_owned(),
            None => "has no reply".to_owned(),
        };
        self.malformed.push(Malformed { kind, key: key.to_owned(), problem });
    }
}

impl Iterator for Replies {
    type Item = Value;

    fn next(&mut self) -> Option<Value> {
        self.values.next()
    }
}
