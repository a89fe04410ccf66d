//! How a value of a descriptor reads as the text of a setting.

use serde_json::{Number, Value};

use super::document::type_name;

/// What a setting expects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `true`, `1`, `yes`, `y` or `on` in any case; everything else is false.
    Bool,
    /// A text without blanks around it, or a number.
    Text,
    /// A text that is taken as it stands, without the line end of a block.
    Secret,
    /// A number, which may be in quotes.
    Number,
    /// JSON as text, or a mapping or a list.
    Json,
}

/// A value that was read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// Null or blank.
    Absent,
    Text(String),
    /// Used, although it may not be what was meant.
    Suspicious(String, &'static str),
    /// Not used.
    WrongType {
        expected: &'static str,
        found: &'static str,
    },
}

const TRUE: [&str; 5] = ["1", "true", "yes", "y", "on"];
const FALSE: [&str; 5] = ["0", "false", "no", "n", "off"];

impl Kind {
    pub(super) fn read(self, value: &Value) -> Reading {
        let text = match self {
            Self::Secret => secret(value),
            Self::Json => json(value),
            Self::Bool | Self::Text | Self::Number => scalar(value),
        };
        match text {
            _ if value.is_null() => Reading::Absent,
            Some(text) if text.trim().is_empty() => Reading::Absent,
            Some(text) => self.check(text, value),
            None => Reading::WrongType { expected: self.expected(), found: type_name(value) },
        }
    }

    fn check(self, text: String, value: &Value) -> Reading {
        match self {
            Self::Bool => boolean(&text),
            Self::Number if !is_number(value, &text) => {
                Reading::WrongType { expected: self.expected(), found: type_name(value) }
            }
            Self::Text if value.is_boolean() => {
                Reading::WrongType { expected: self.expected(), found: type_name(value) }
            }
            _ if is_placeholder(&text) => Reading::Suspicious(text, "a ${…} that nothing replaces, taken as it stands"),
            _ => Reading::Text(text),
        }
    }

    const fn expected(self) -> &'static str {
        match self {
            Self::Bool => "true or false",
            Self::Text => "a text",
            Self::Secret => "a text in quotes",
            Self::Number => "a number",
            Self::Json => "JSON as a text, a mapping or a list",
        }
    }
}

/// Everything else is false on the platform too; a word that does not say so is worth a warning.
fn boolean(text: &str) -> Reading {
    let word = text.to_lowercase();
    let is = |words: [&str; 5]| words.contains(&word.as_str());
    match () {
        () if is(TRUE) => Reading::Text("true".to_owned()),
        () if is(FALSE) => Reading::Text("false".to_owned()),
        () => Reading::Suspicious("false".to_owned(), "neither true nor false, which counts as false"),
    }
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::Bool(value) => Some(value.to_string()),
        Value::Number(number) => spelling(number),
        Value::String(text) => Some(text.trim().to_owned()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// A whole number has one spelling; of a fraction the last digits may be lost (`1.10`).
fn secret(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.trim_end_matches(['\r', '\n']).to_owned()),
        Value::Number(number) if !number.is_f64() => Some(number.to_string()),
        _ => None,
    }
}

fn json(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.trim().to_owned()),
        Value::Array(_) | Value::Object(_) => Some(value.to_string()),
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
    }
}

/// As written: a number with an exponent was too long for its type, or was written in a form that is gone.
fn spelling(number: &Number) -> Option<String> {
    let text = number.to_string();
    (!text.contains('e')).then_some(text)
}

fn is_number(value: &Value, text: &str) -> bool {
    !value.is_boolean() && text.parse::<f64>().is_ok_and(f64::is_finite)
}

fn is_placeholder(text: &str) -> bool {
    text.starts_with("${") && text.ends_with('}')
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn text(text: &str) -> Reading {
        Reading::Text(text.to_owned())
    }

    #[test]
    fn null_and_blank_are_absent_and_false_and_zero_are_values() {
        for kind in [Kind::Bool, Kind::Text, Kind::Secret, Kind::Number, Kind::Json] {
            for absent in [json!(null), json!(""), json!(" \n")] {
                assert_eq!(kind.read(&absent), Reading::Absent, "{kind:?} {absent}");
            }
        }
        assert_eq!(Kind::Bool.read(&json!(false)), text("false"));
        assert_eq!(Kind::Number.read(&json!(0)), text("0"));
        assert_eq!(Kind::Text.read(&json!(0)), text("0"));
    }

    #[test]
    fn booleans_are_words_in_any_case_and_everything_else_is_false() {
        for yes in [json!(true), json!(1), json!("1"), json!("TRUE"), json!(" Yes "), json!("y"), json!("On")] {
            assert_eq!(Kind::Bool.read(&yes), text("true"), "{yes}");
        }
        for no in [json!(false), json!(0), json!("no"), json!("N"), json!("off"), json!("False")] {
            assert_eq!(Kind::Bool.read(&no), text("false"), "{no}");
        }
        for neither in [json!("maybe"), json!(2), json!(1.0), json!("${ENABLED}"), json!("require")] {
            let Reading::Suspicious(read, _) = Kind::Bool.read(&neither) else { panic!("{neither}: no warning") };
            assert_eq!(read, "false", "{neither}");
        }
    }

    #[test]
    fn numbers_may_be_quoted_and_must_be_numbers() {
        for (value, expected) in [
            (json!(60), "60"),
            (json!(7.5), "7.5"),
            (json!("8090"), "8090"),
            (json!(" 120 "), "120"),
            (json!(-1), "-1"),
        ] {
            assert_eq!(Kind::Number.read(&value), text(expected), "{value}");
        }
        for value in [json!("30s"), json!("${PORT}"), json!(".inf"), json!("nan"), json!(true), json!([1]), json!(1e30)]
        {
            assert!(matches!(Kind::Number.read(&value), Reading::WrongType { .. }), "{value}");
        }
    }

    #[test]
    fn texts_lose_the_blanks_around_them_and_secrets_only_line_ends() {
        assert_eq!(Kind::Text.read(&json!(" redis \n")), text("redis"));
        assert_eq!(Kind::Text.read(&json!(2024.1)), text("2024.1"));
        assert_eq!(Kind::Secret.read(&json!(" pass word \n")), text(" pass word "));
        assert_eq!(Kind::Secret.read(&json!(123_456)), text("123456"));
        let placeholder = Kind::Text.read(&json!("${REDIS_HOST}"));
        assert!(matches!(placeholder, Reading::Suspicious(text, _) if text == "${REDIS_HOST}"));
    }

    #[test]
    fn json_may_be_written_as_yaml() {
        assert_eq!(Kind::Json.read(&json!(" {\"a\": 1} ")), text("{\"a\": 1}"));
        assert_eq!(Kind::Json.read(&json!({"b": "x", "a": [true, null]})), text("{\"b\":\"x\",\"a\":[true,null]}"));
        assert_eq!(Kind::Json.read(&json!([])), text("[]"));
    }

    #[test]
    fn a_value_of_the_wrong_type_says_what_is_expected() {
        for (kind, value, expected, found) in [
            (Kind::Bool, json!([]), "true or false", "a list"),
            (Kind::Text, json!({}), "a text", "a mapping"),
            (Kind::Text, json!(true), "a text", "true or false"),
            (Kind::Text, json!(1e30), "a text", "a number"),
            (Kind::Secret, json!(1.1), "a text in quotes", "a number"),
            (Kind::Secret, json!(false), "a text in quotes", "true or false"),
            (Kind::Number, json!([]), "a number", "a list"),
            (Kind::Json, json!(5), "JSON as a text, a mapping or a list", "a number"),
        ] {
            assert_eq!(kind.read(&value), Reading::WrongType { expected, found }, "{kind:?} {value}");
        }
    }
}
