//! What is wrong with a gateway configuration: every problem at once, each naming its path.

use std::cell::RefCell;

use serde_json::Value;

/// A gateway configuration that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", problems.join("\n"))]
pub struct GatewayConfigError {
    /// One line each: `{source}: {path}: expected …, got …`.
    pub problems: Vec<String>,
}

/// Most problems that [`GatewayConfigError::brief`] lists.
const MOST_LISTED: usize = 5;

impl GatewayConfigError {
    /// The first problems in one line, with the number of the others.
    #[must_use]
    pub fn brief(&self) -> String {
        let listed: Vec<&str> = self.problems.iter().take(MOST_LISTED).map(String::as_str).collect();
        match self.problems.len() - listed.len() {
            0 => listed.join("; "),
            more => format!("{}; {more} more", listed.join("; ")),
        }
    }
}

/// Errors and warnings found so far; shared by the readers of all sections.
#[derive(Debug, Default)]
pub(super) struct GatewayErrors {
    found: RefCell<Vec<String>>,
    warnings: RefCell<Vec<String>>,
}

impl GatewayErrors {
    /// Notes a problem once, however many components read the same field.
    pub(super) fn add(&self, path: &str, problem: &str) {
        add_once(&self.found, path, problem);
    }

    /// Notes once that a value is not used and the configuration is usable without it.
    pub(super) fn warn(&self, path: &str, problem: &str) {
        add_once(&self.warnings, path, problem);
    }

    /// The warnings, each with its source.
    pub(super) fn take_warnings(&self, source: &str) -> Vec<String> {
        self.warnings.take().into_iter().map(|line| format!("{source}: {line}")).collect()
    }

    /// Notes a value of the wrong type. The value itself may be secret and is not shown.
    pub(super) fn wrong_type(&self, path: &str, expected: &str, value: &Value) {
        self.add(path, &format!("expected {expected}, got {}", type_name(value)));
    }

    /// The value, or all problems, each with its source.
    pub(super) fn into_result<T>(self, source: &str, value: T) -> Result<T, GatewayConfigError> {
        let found = self.found.into_inner();
        if found.is_empty() {
            return Ok(value);
        }
        Err(GatewayConfigError { problems: found.into_iter().map(|line| format!("{source}: {line}")).collect() })
    }
}

fn add_once(lines: &RefCell<Vec<String>>, path: &str, problem: &str) {
    // Names in a document may hold anything; a problem is one line.
    let line = format!("{path}: {problem}").replace(char::is_control, "\u{fffd}");
    let mut lines = lines.borrow_mut();
    if !lines.contains(&line) {
        lines.push(line);
    }
}

/// One problem with the whole document.
pub(super) fn whole(source: &str, problem: &str) -> GatewayConfigError {
    GatewayConfigError { problems: vec![format!("{source}: {problem}")] }
}

pub(super) const fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
