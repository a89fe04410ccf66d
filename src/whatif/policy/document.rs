//! A policy file as text and as values, with errors that name the file and the field.

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::ACCEPTED;
use crate::base::text::one_line;
use crate::whatif::signals::Signal;

/// One line: file, field, problem, and what is accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}: {place}{problem}{accepted}")]
pub struct PolicyError {
    file: String,
    place: String,
    problem: String,
    accepted: String,
}

pub(super) struct PolicyDocument<'a> {
    file: &'a str,
    pub(super) value: Value,
}

impl<'a> PolicyDocument<'a> {
    pub(super) fn parse(text: &str, file: &'a str) -> Result<Self, PolicyError> {
        let empty = Self { file, value: Value::Null };
        // Not the library's own text, which has several lines.
        let value: Value = serde_saphyr::from_str(text).map_err(|error| {
            let place = error.location().map(|at| format!(" (line {}, column {})", at.line(), at.column()));
            empty.error("", &format!("is not YAML{}", place.unwrap_or_default()), ACCEPTED)
        })?;
        let found = match &value {
            Value::Object(_) => return Ok(Self { file, value }),
            Value::Null => "null",
            Value::Array(_) => "a list",
            _ => "a scalar",
        };
        Err(empty.error("", &format!("expected a mapping, got {found}"), ACCEPTED))
    }

    /// The part under a key, as the type of its documents.
    pub(super) fn part<T: DeserializeOwned>(&self, key: &str) -> Result<T, PolicyError> {
        let part = self.value.get(key).cloned().unwrap_or_default();
        serde_path_to_error::deserialize(part).map_err(|error| {
            let path = error.path().to_string();
            let field = if path == "." { key.to_owned() } else { format!("{key}.{path}") };
            self.error(&field.replace(".[", "["), &error.inner().to_string(), "")
        })
    }

    /// A number that must be above 0 and finite.
    pub(super) fn positive(&self, field: &str, value: f64) -> Result<f64, PolicyError> {
        let problem = || self.error(field, &format!("{value} is not above 0"), "a number above 0");
        (value > 0.0 && value.is_finite()).then_some(value).ok_or_else(problem)
    }

    /// The least and the greatest count.
    pub(super) fn bounds(&self, fields: &str, min: u32, max: u32) -> Result<(u32, u32), PolicyError> {
        let problem =
            || self.error(fields, &format!("{min} and {max}"), "a maximum of 1 to 10000, not below the minimum");
        (min <= max && (1..=10_000).contains(&max)).then_some((min, max)).ok_or_else(problem)
    }

    pub(super) fn signal(&self, field: &str, name: &str) -> Result<Signal, PolicyError> {
        Signal::named(name).map_err(|unknown| self.error(field, &unknown.to_string(), ""))
    }

    /// `accepted` may be empty where the problem already says it.
    pub(super) fn error(&self, field: &str, problem: &str, accepted: &str) -> PolicyError {
        let before = |mark: &str, text: &str| if text.is_empty() { String::new() } else { format!("{mark}{text}") };
        PolicyError {
            file: self.file.to_owned(),
            // The names in a document may hold anything.
            place: if field.is_empty() { String::new() } else { format!("{}: ", one_line(field)) },
            problem: one_line(problem),
            accepted: before("; accepted: ", accepted),
        }
    }
}
