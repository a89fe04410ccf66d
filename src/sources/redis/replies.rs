//! Replies to a pipeline, taken one by one in the order of the questions.

use redis::{ServerError, Value};

use crate::platform::facts::{InputKind, Malformed};
use crate::platform::parse::ParseError;

/// The replies of one round trip, and what was wrong with some of them.
pub(super) struct Replies {
    values: std::vec::IntoIter<Value>,
    pub(super) malformed: Vec<Malformed>,
    /// Replies so far that were none, such as that a key is of another type.
    pub(super) refused: usize,
}

impl Replies {
    pub(super) fn new(values: Vec<Value>) -> Self {
        Self { values: values.into_iter(), malformed: Vec::new(), refused: 0 }
    }

    /// The next answer, to a GETRANGE, as bytes; `None` for a key that does not exist or cannot be read.
    pub(super) fn bytes(&mut self, kind: InputKind, key: &str) -> Option<Vec<u8>> {
        match self.values.next() {
            // That is how the command tells of a missing key; an empty value would say as little.
            Some(Value::BulkString(bytes)) => Some(bytes).filter(|bytes| !bytes.is_empty()),
            other => {
                self.unreadable(kind, key, other);
                None
            }
        }
    }

    /// The next answer, parsed; `None` for a key that does not exist or cannot be read.
    pub(super) fn parsed<T>(
        &mut self,
        kind: InputKind,
        key: &str,
        parse: impl FnOnce(&[u8]) -> Result<T, ParseError>,
    ) -> Option<T> {
        let bytes = self.bytes(kind, key)?;
        self.noted(kind, key, parse(&bytes))
    }

    /// The next answer as a whole number.
    pub(super) fn integer(&mut self, kind: InputKind, key: &str) -> Option<i64> {
        match self.values.next() {
            Some(Value::Int(number)) => Some(number),
            other => {
                self.unreadable(kind, key, other);
                None
            }
        }
    }

    /// The next answer as a list; empty for a key that does not exist or cannot be read.
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

    /// Keeps what is sound and notes what is not.
    pub(super) fn noted<T>(&mut self, kind: InputKind, key: &str, result: Result<T, ParseError>) -> Option<T> {
        let record = |error: ParseError| {
            self.malformed.push(Malformed { kind, key: key.to_owned(), problem: error.to_string() });
        };
        result.map_err(record).ok()
    }

    fn unreadable(&mut self, kind: InputKind, key: &str, answer: Option<Value>) {
        self.refused += 1;
        let problem = match answer {
            Some(Value::ServerError(error)) => error_text(&error),
            Some(_) => "is of another form than expected".to_owned(),
            None => "was not answered".to_owned(),
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

/// The server's own words.
pub(super) fn error_text(error: &ServerError) -> String {
    format!("{} {}", error.code(), error.details().unwrap_or_default()).trim().to_owned()
}

/// An answer that concerns the server and not the one key: loading, no permission, no password.
/// The answer at `optional` may be refused.
pub(super) fn refusal(values: &[Value], optional: Option<usize>) -> Option<String> {
    values.iter().enumerate().filter(|(index, _)| Some(*index) != optional).find_map(|(_, value)| match value {
        Value::ServerError(error) if error.code() != "WRONGTYPE" => Some(error_text(error)),
        _ => None,
    })
}
