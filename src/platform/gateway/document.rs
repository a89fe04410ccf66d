//! From text to a document.

use serde_json::{Map, Value};

use super::problems::{self, GatewayConfigError};

/// A JSON object.
pub(super) fn json(text: &str, source: &str) -> Result<Map<String, Value>, GatewayConfigError> {
    match serde_json::from_str(text) {
        Ok(Value::Object(document)) => Ok(document),
        Ok(other) => Err(not_an_object(source, &other)),
        // Position only: serde's own text may quote the value.
        Err(error) => {
            let problem = format!("is not JSON (line {}, column {})", error.line(), error.column());
            Err(problems::whole(source, &problem))
        }
    }
}

/// A YAML mapping, or the one under its `gateway:`.
pub(super) fn yaml(text: &str, source: &str) -> Result<Map<String, Value>, GatewayConfigError> {
    let value: Value = serde_saphyr::from_str(text).map_err(|error| {
        let place = error.location().map(|at| format!(" (line {}, column {})", at.line(), at.column()));
        problems::whole(source, &format!("is not YAML{}", place.unwrap_or_default()))
    })?;
    let Value::Object(mut document) = value else { return Err(not_an_object(source, &value)) };
    match document.remove("gateway") {
        None => Ok(document),
        Some(Value::Object(gateway)) => Ok(gateway),
        Some(other) => {
            let found = problems::type_name(&other);
            Err(problems::whole(source, &format!("gateway: expected an object, got {found}")))
        }
    }
}

fn not_an_object(source: &str, value: &Value) -> GatewayConfigError {
    problems::whole(source, &format!("expected an object, got {}", problems::type_name(value)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(read: Result<Map<String, Value>, GatewayConfigError>) -> String {
        read.expect_err("no document").to_string()
    }

    #[test]
    fn a_text_that_is_no_document_says_where_and_never_what_stands_there() {
        for (text, expected) in [
            ("{\"a\": S3CRET}", "s: is not JSON (line 1, column 7)"),
            ("{\n  \"a\": 1,,\n}", "s: is not JSON (line 2, column 10)"),
            ("", "s: is not JSON (line 1, column 0)"),
            ("\"S3CRET\"", "s: expected an object, got a text"),
            ("null", "s: expected an object, got null"),
            ("[]", "s: expected an object, got a list"),
        ] {
            assert_eq!(problem(json(text, "s")), expected);
        }
        for (text, expected) in [
            ("a: [S3CRET", "s: is not YAML"),
            ("- S3CRET", "s: expected an object, got a list"),
            ("gateway: S3CRET", "s: gateway: expected an object, got a text"),
            ("gateway:", "s: gateway: expected an object, got null"),
        ] {
            let found = problem(yaml(text, "s"));
            assert!(found.starts_with(expected) && !found.contains("S3CRET"), "{found}");
        }
    }

    #[test]
    fn a_mapping_under_gateway_is_the_whole_document() {
        let keys = |text: &str| yaml(text, "s").expect("a document").keys().cloned().collect::<Vec<_>>();
        assert_eq!(keys("tenant: a\nother: 1"), ["tenant", "other"]);
        assert_eq!(keys("other: 1\ngateway:\n  tenant: a"), ["tenant"]);
    }
}
