//! One descriptor file: read with limits, parsed as YAML, never shown.

use std::path::Path;

use serde_json::{Map, Value};
use serde_saphyr::options::{DuplicateKeyPolicy, NonFiniteFloatPolicy};
use serde_saphyr::{Error as YamlError, Options};

use crate::base::files;

/// Why a file that exists gives no values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FileError {
    #[error("{0}")]
    Unreadable(String),
    #[error("is not UTF-8 (byte {0})")]
    NotUtf8(usize),
    #[error("is not YAML{0}")]
    NotYaml(Position),
    #[error("is nested or repeated too often{0}")]
    Excessive(Position),
    #[error("expected a mapping, got {0}")]
    NotMapping(&'static str),
}

/// A place in a file, where it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Position(Option<(u64, u64)>);

impl std::fmt::Display for Position {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.map_or(Ok(()), |(line, column)| write!(f, " (line {line}, column {column})"))
    }
}

/// The text of a file without its byte order mark; `None` if there is no such file.
pub(super) fn read_text(path: &Path) -> Result<Option<String>, FileError> {
    if path.try_exists().is_ok_and(|exists| !exists) {
        return Ok(None);
    }
    files::read(path).map_err(FileError::Unreadable).and_then(|bytes| text(bytes).map(Some))
}

/// UTF-8 without a byte order mark.
pub(super) fn text(bytes: Vec<u8>) -> Result<String, FileError> {
    let text = String::from_utf8(bytes).map_err(|error| FileError::NotUtf8(error.utf8_error().valid_up_to()))?;
    Ok(text.strip_prefix('\u{feff}').unwrap_or(&text).to_owned())
}

/// The mapping that a text holds. A text with nothing but comments is an empty one.
pub(super) fn parse(text: &str) -> Result<Map<String, Value>, FileError> {
    match serde_saphyr::from_str_with_options(text, options()).map_err(|error| yaml_error(&error))? {
        Value::Object(mapping) => Ok(mapping),
        Value::Null => Ok(Map::new()),
        other => Err(FileError::NotMapping(type_name(&other))),
    }
}

/// As the platform's own reader where files of its deployments depend on it. Scalars whose spelling would be lost stay
/// texts: a password may be `0012`, `1_000` or `on`.
fn options() -> Options {
    serde_saphyr::options! {
        duplicate_keys: DuplicateKeyPolicy::LastWins,
        strict_booleans: true,
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
        non_finite_float_policy: NonFiniteFloatPolicy::AsString,
        // A few anchors serve real files; repeating them is the only way for a short file to become large.
        alias_limits: serde_saphyr::alias_limits! { max_total_replayed_events: 20_000 },
        budget: serde_saphyr::budget! { max_total_scalar_bytes: 8 * 1024 * 1024 },
        // Snippets quote the file, which may hold secrets.
        with_snippet: false,
    }
}

fn yaml_error(error: &YamlError) -> FileError {
    let position = Position(error.location().map(|at| (at.line(), at.column())));
    match error {
        // The last one holds any of the others where an alias is expanded.
        YamlError::Budget { .. }
        | YamlError::AliasReplayLimitExceeded { .. }
        | YamlError::AliasExpansionLimitExceeded { .. }
        | YamlError::AliasReplayStackDepthExceeded { .. }
        | YamlError::AliasError { .. } => FileError::Excessive(position),
        _ => FileError::NotYaml(position),
    }
}

/// The kind of a value, as YAML calls it.
pub(super) const fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a mapping",
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn parsed(text: &str) -> Value {
        parse(text).map(Value::Object).unwrap()
    }

    #[test]
    fn a_mapping_is_read_and_nothing_is_an_empty_one() {
        for (text, expected) in [
            ("a: {b: 1}", json!({"a": {"b": 1}})),
            ("", json!({})),
            ("# only a comment\n", json!({})),
            ("---\n...\n", json!({})),
            // What the platform's files may hold besides, and what must not cost the whole file.
            ("8010: x\ntrue: y", json!({"8010": "x", "true": "y"})),
            ("a: 1\na: 2", json!({"a": 2})),
            ("a: &x {b: 1}\nc: {<<: *x, d: 2}", json!({"a": {"b": 1}, "c": {"b": 1, "d": 2}})),
            ("a: .inf\nb: 1e999", json!({"a": ".inf", "b": ".inf"})),
            ("a: !thing x\nb: 2026-04-22", json!({"a": "x", "b": "2026-04-22"})),
            // Spellings that a number or a boolean would lose.
            ("a: 0012\nb: 1_000\nc: on\nd: yes", json!({"a": "0012", "b": "1_000", "c": "on", "d": "yes"})),
        ] {
            assert_eq!(parsed(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_wrong_names_the_position_and_no_value() {
        for (text, expected) in [
            ("a: 1\nb: [hunter2", "is not YAML (line"),
            ("a: b: hunter2", "is not YAML (line 1"),
            ("a: *hunter2", "is not YAML (line 1"),
            ("a: 1\n---\nb: hunter2", "is not YAML (line"),
            ("- hunter2", "expected a mapping, got a list"),
            ("hunter2", "expected a mapping, got a text"),
            ("7", "expected a mapping, got a number"),
        ] {
            let message = parse(text).unwrap_err().to_string();
            assert!(message.starts_with(expected) && !message.contains("hunter2"), "{text}: {message}");
        }
    }

    #[test]
    fn nesting_and_repetition_end_at_the_limits() {
        let deep = format!("a: {}{}", "[".repeat(100), "]".repeat(100));
        let laughs: String = (1..30)
            .map(|level| format!("l{level}: &l{level} [{}]\n", vec![format!("*l{}", level - 1); 9].join(", ")))
            .collect();
        let anchors: String = (0..300).map(|at| format!("a{at}: &a{at} x\n")).collect();
        let copies: String = (0..2000).map(|at| format!("b{at}: *long\n")).collect();
        let long = format!("{anchors}long: &long {}\n{copies}", "y".repeat(100_000));
        for text in [deep, format!("l0: &l0 ha\n{laughs}"), long] {
            let message = parse(&text).unwrap_err().to_string();
            assert!(message.starts_with("is nested or repeated too often (line "), "{message}");
        }
        assert!(parse(&format!("a: {}", "[".repeat(100_000))).is_err());
        assert!(parse(&"a: &a [*a]\n".repeat(2)).is_err());
    }

    #[test]
    fn a_byte_order_mark_is_skipped_and_other_encodings_are_refused() {
        assert_eq!(text(b"\xef\xbb\xbfa: 1".to_vec()).as_deref(), Ok("a: 1"));
        assert_eq!(text(b"a: \xff".to_vec()), Err(FileError::NotUtf8(3)));
        assert_eq!(FileError::NotUtf8(3).to_string(), "is not UTF-8 (byte 3)");
    }

    #[test]
    fn only_regular_files_of_a_sensible_size_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, bytes: &[u8]| {
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            path
        };
        assert_eq!(read_text(&folder.path().join("missing.yaml")), Ok(None));
        assert_eq!(read_text(&file("good.yaml", b"a: 1")), Ok(Some("a: 1".to_owned())));
        let large = read_text(&file("large.yaml", &vec![b'#'; 10 * 1024 * 1024])).unwrap_err();
        assert_eq!(large.to_string(), "is longer than 1048576 bytes");
        assert_eq!(read_text(folder.path()).unwrap_err().to_string(), "is not a regular file");
        let below_a_file = folder.path().join("good.yaml/assembly.yaml");
        assert!(read_text(&below_a_file).unwrap_err().to_string().starts_with("cannot be read"));
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), yaml in "[a-c:{}\\[\\] \n&*!|>'\"<~0-9.-]{0,80}") {
            let _ = text(bytes).and_then(|text| parse(&text));
            let _ = parse(&yaml);
        }
    }
}
