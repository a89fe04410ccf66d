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

/// GatewayErrors found so far; shared by the readers of all sections.
#[derive(Debug, Default)]
pub(super) struct GatewayErrors {
    found: RefCell<Vec<String>>,
}

impl GatewayErrors {
    /// Notes a problem once, however many components read the same field.
    pub(super) fn add(&self, path: &str, problem: &str) {
        // Names in a document may hold anything; a problem is one line.
        let line = format!("{path}: {problem}").replace(char::is_control, "\u{fffd}");
        let mut found = self.found.borrow_mut();
        if !found.contains(&line) {
            found.push(line);
        }
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
