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
