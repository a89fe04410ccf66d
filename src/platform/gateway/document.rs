//! From text to a document, and out of a document what must not be shown.

use serde_json::{Map, Value};

use super::problems::{self, GatewayConfigError};

/// Keys that are taken out before a configuration is shown, in whatever case: URLs may hold passwords.
const HIDDEN: [&str; 3] = ["redis_url", "data_bus", "dsn"];

/// Ends of such keys, as in `redis_password` and `client_secret`. Not `tokens`, of which there are limits.
const HIDDEN_ENDS: [&str; 5] = ["password", "secret", "secrets", "api_key", "access_token"];

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

fn is_hidden(key: &str, value: &Value) -> bool {
    let key = key.to_ascii_lowercase();
    HIDDEN.contains(&key.as_str())
        || HIDDEN_ENDS.iter().any(|end| key.ends_with(end))
        || value.as_str().is_some_and(names_a_user)
}

/// Whether a text is a URL with a user in it, who may have a password.
fn names_a_user(text: &str) -> bool {
    text.split_once("://")
        .is_some_and(|(_, rest)| rest.split(['/', '?', '#']).next().is_some_and(|at| at.contains('@')))
}

/// Removes what must not be shown, at every depth.
pub(super) fn hide_secrets(document: &mut Map<String, Value>) {
    document.retain(|key, value| !is_hidden(key, value));
    for value in document.values_mut() {
        match value {
            Value::Object(inner) => hide_secrets(inner),
            Value::Array(items) => items.iter_mut().filter_map(Value::as_object_mut).for_each(hide_secrets),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_may_hold_a_password_is_hidden_and_limits_are_not() {
        let Value::Object(mut document) = json!({
            "REDIS_URL": "a", "redis": {"url": "redis://u:hunter2@h/0", "port": 1}, "postgres_password": "b",
            "secrets": {"api_key": "c"}, "list": [{"OPENAI_API_KEY": "d"}], "docs": "https://h/a@b",
            "rate_limits": {"max_tokens": 5, "tokens_per_hour": 7},
        }) else {
            panic!("an object")
        };
        hide_secrets(&mut document);
        let kept = json!({
            "redis": {"port": 1}, "list": [{}], "docs": "https://h/a@b",
            "rate_limits": {"max_tokens": 5, "tokens_per_hour": 7},
        });
        assert_eq!(Value::Object(document), kept);
    }
}
