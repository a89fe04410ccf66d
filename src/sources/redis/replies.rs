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
        self.ok_or_note(kind, key, result.map_err(|error| error.to_string()))
    }

    /// The same with a problem in words.
    pub(super) fn ok_or_note<T>(&mut self, kind: InputKind, key: &str, result: Result<T, String>) -> Option<T> {
        let note = |problem| self.malformed.push(Malformed { kind, key: key.to_owned(), problem });
        result.map_err(note).ok()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::parse;

    const KIND: InputKind = InputKind::QueueDepth;

    fn text(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
    }

    fn refusal() -> Value {
        redis::parse_redis_value(b"-WRONGTYPE another type\r\n").unwrap()
    }

    /// The problems, each with whether the value was read.
    fn problems(replies: &Replies) -> (Vec<&str>, usize, usize) {
        let problems = replies.malformed.iter().map(|input| input.problem.as_str()).collect();
        (problems, replies.refused, replies.unparsed())
    }

    #[test]
    fn a_value_is_there_missing_refused_or_malformed() {
        for (reply, value, refused, unparsed) in [
            (text("7"), Some(7), 0, 0),
            (text(""), None, 0, 0),
            (text("seven"), None, 0, 1),
            (refusal(), None, 1, 0),
            (Value::Int(7), None, 1, 0),
            (Value::Nil, None, 1, 0),
        ] {
            let mut replies = Replies::new(vec![reply.clone()]);
            assert_eq!(replies.parsed(KIND, "key", parse::counter), value, "{reply:?}");
            assert_eq!((replies.refused, replies.unparsed()), (refused, unparsed), "{reply:?}");
            let named = replies.malformed.iter().map(|input| (input.kind, input.key.as_str()));
            assert_eq!(named.collect::<Vec<_>>(), vec![(KIND, "key"); refused + unparsed]);
        }
    }

    #[test]
    fn a_number_of_another_type_is_refused_and_a_missing_reply_says_so() {
        let mut replies = Replies::new(vec![Value::Int(-3), text("3"), refusal()]);
        let numbers = [(); 4].map(|()| replies.integer(KIND, "key"));
        assert_eq!(numbers, [Some(-3), None, None, None]);
        let (said, refused, unparsed) = problems(&replies);
        assert_eq!((said[0], said[2], refused, unparsed), ("is not of the expected type", "has no reply", 3, 0));
        assert!(said[1].contains("another type"), "{said:?}");
    }

    #[test]
    fn a_list_is_one_in_both_versions_of_the_protocol_and_empty_where_there_is_none() {
        let pairs = Value::Map(vec![(text("a"), Value::Int(1)), (text("b"), Value::Int(2))]);
        let flat = vec![text("a"), Value::Int(1), text("b"), Value::Int(2)];
        let mut replies = Replies::new(vec![Value::Array(flat.clone()), pairs, Value::Nil, Value::Int(0)]);
        let lists = [(); 5].map(|()| replies.list(KIND, "key"));
        assert_eq!(lists, [flat.clone(), flat, Vec::new(), Vec::new(), Vec::new()]);
        assert_eq!(problems(&replies), (vec!["is not of the expected type", "has no reply"], 2, 0));
    }
}
