//! What is wrong with a gateway configuration: every problem at once, each naming its path.

use std::cell::RefCell;

use serde_json::Value;

use crate::base::text::one_line;

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
    let line = one_line(&format!("{path}: {problem}"));
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_brief_lists_five_problems_and_counts_the_others() {
        for (problems, expected) in
            [(1, "p1"), (5, "p1; p2; p3; p4; p5"), (6, "p1; p2; p3; p4; p5; 1 more"), (9, "p1; p2; p3; p4; p5; 4 more")]
        {
            let error = GatewayConfigError { problems: (1..=problems).map(|number| format!("p{number}")).collect() };
            assert_eq!(error.brief(), expected);
            assert_eq!(error.to_string().lines().count(), problems);
        }
    }

    #[test]
    fn a_field_that_both_components_read_is_reported_once_and_warnings_are_no_errors() {
        let problems = GatewayErrors::default();
        for _ in 0..2 {
            problems.add("a.b", "is wrong");
            problems.warn("a.c", "is odd\n");
            problems.wrong_type("x\ty", "a text", &json!(true));
        }
        assert_eq!(problems.take_warnings("s"), ["s: a.c: is odd\u{fffd}"]);
        assert_eq!(problems.take_warnings("s"), [""; 0]);
        let error = problems.into_result("s", ()).expect_err("two problems");
        assert_eq!(error.problems, ["s: a.b: is wrong", "s: x\u{fffd}y: expected a text, got true or false"]);
        let warned = GatewayErrors::default();
        warned.warn("a", "is odd");
        assert_eq!(warned.into_result("s", 7), Ok(7));
    }
}
