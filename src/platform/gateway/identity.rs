//! Whose configuration it is: tenant, project and instance, with placeholders filled in.

use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};

use super::problems::GatewayErrors;
use super::{GatewayContext, GatewaySettings};
use crate::platform::facts::{Component, Scope};

const TENANT: [&str; 2] = ["tenant_id", "tenant"];
const PROJECT: [&str; 2] = ["project_id", "project"];

/// The tenant and project, each from the document or, for a placeholder, from its fallback.
pub(super) fn scope(document: &Map<String, Value>, context: &GatewayContext<'_>, problems: &GatewayErrors) -> Scope {
    Scope {
        tenant: name(document, TENANT, context.tenant, "TENANT_ID", problems),
        project: name(document, PROJECT, context.project, "DEFAULT_PROJECT_NAME or PROJECT_ID", problems),
    }
}

fn name(
    document: &Map<String, Value>,
    keys: [&str; 2],
    fallback: Option<&str>,
    variable: &str,
    problems: &GatewayErrors,
) -> String {
    for key in keys {
        match document.get(key) {
            Some(Value::String(text)) if !is_placeholder(text) => {
                if text.trim().contains(char::is_control) {
                    problems.add(key, "holds a control character; expected a name on one line");
                }
                return text.trim().to_owned();
            }
            None | Some(Value::Null | Value::String(_)) => {}
            Some(other) => problems.wrong_type(key, "a text", other),
        }
    }
    match fallback.filter(|text| !is_placeholder(text)) {
        Some(text) => text.trim().to_owned(),
        None => {
            let [_, shown] = keys;
            problems.add(shown, &format!("is missing or a placeholder; give it here or in {variable}"));
            String::new()
        }
    }
}

/// Names that stand in a descriptor until somebody fills them in, in any case.
const PLACEHOLDERS: [&str; 5] = ["TENANT_ID", "PROJECT_ID", "DEFAULT_PROJECT_NAME", "TENANT", "PROJECT"];

/// Whether a descriptor was rendered without this value.
#[must_use]
pub fn is_placeholder(text: &str) -> bool {
    let text = text.trim();
    let framed = [("{{", "}}"), ("${", "}"), ("<", ">")];
    text.is_empty()
        || PLACEHOLDERS.iter().any(|name| text.eq_ignore_ascii_case(name))
        || framed.iter().any(|(open, close)| text.starts_with(open) && text.ends_with(close))
}

/// Notes a problem where a message names another tenant or project.
pub(super) fn must_be(message: &Map<String, Value>, scope: &Scope, problems: &GatewayErrors) {
    for (keys, own) in [(TENANT, &scope.tenant), (PROJECT, &scope.project)] {
        for key in keys {
            if message.get(key).is_some_and(|value| !value.is_null() && value.as_str() != Some(own)) {
                problems.add(key, &format!("is not {own}: meant for another deployment"));
            }
        }
    }
}

/// The instance that the document names.
pub(super) fn instance(document: &Map<String, Value>) -> Option<&str> {
    document.get("instance_id").and_then(Value::as_str).filter(|text| !text.is_empty())
}

/// The Redis that the document names, unless it is a placeholder.
pub(super) fn redis_url(document: &Map<String, Value>) -> Option<RedisUrl> {
    let text = document.get("redis_url")?.as_str()?.trim();
    (!is_placeholder(text)).then(|| RedisUrl(text.into()))
}

/// The Redis of a gateway configuration; may hold a password.
#[derive(Debug, Clone)]
pub struct RedisUrl(SecretString);

impl RedisUrl {
    /// The address as written.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl PartialEq for RedisUrl {
    fn eq(&self, other: &Self) -> bool {
        self.expose() == other.expose()
    }
}

/// Writes tenant and project under both of their names where they are missing.
pub(super) fn name_fully(raw: &mut Map<String, Value>, scope: &Scope) {
    let names = [
        ("tenant", &scope.tenant),
        ("project", &scope.project),
        ("tenant_id", &scope.tenant),
        ("project_id", &scope.project),
    ];
    for (key, value) in names {
        raw.entry(key).or_insert_with(|| Value::String(value.clone()));
    }
}

impl GatewaySettings {
    /// The same settings shown under another instance id.
    pub(super) fn named(mut self, instance_id: &str) -> Self {
        self.display_name = format!("Gateway-{}-{instance_id}", self.profile);
        instance_id.clone_into(&mut self.instance_id);
        self
    }

    /// Whose processes count as capacity, as service type and name.
    #[must_use]
    pub fn capacity_source(&self) -> (String, String) {
        let source = self.backpressure.capacity_source_component.trim().to_lowercase();
        if let Some((kind, name)) = source.split_once(':') {
            let or = |text: &str, default: &str| match text.trim() {
                "" => default.to_owned(),
                given => given.to_owned(),
            };
            return (or(kind, "chat"), or(name, "proc"));
        }
        let name = match source.as_str() {
            "" | "proc" | "processor" | "chat-proc" | "chat_proc" => Component::Proc.service_name(),
            "ingress" | "rest" | "chat-rest" | "chat_rest" => Component::Ingress.service_name(),
            other => other,
        };
        ("chat".to_owned(), name.to_owned())
    }
}

/// The component that `GATEWAY_COMPONENT` names, by any of its aliases.
#[must_use]
pub fn component_named(text: &str) -> Option<Component> {
    match text.trim().to_lowercase().as_str() {
        "proc" | "processor" | "worker" | "chat-proc" | "chat_proc" => Some(Component::Proc),
        "ingress" | "rest" | "chat-rest" | "chat_rest" => Some(Component::Ingress),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn document(value: Value) -> Map<String, Value> {
        let Value::Object(document) = value else { panic!("an object") };
        document
    }

    fn scope_of(value: Value, tenant: Option<&str>, project: Option<&str>) -> (Scope, Vec<String>) {
        let context = GatewayContext { component: Component::Proc, instance_id: "i", tenant, project, forced: false };
        let problems = GatewayErrors::default();
        let found = scope(&document(value), &context, &problems);
        (found, problems.into_result("s", ()).err().map(|error| error.problems).unwrap_or_default())
    }

    #[test]
    fn the_first_name_that_is_none_of_a_template_counts() {
        for (given, tenant) in [
            (json!({"tenant_id": "a", "tenant": "b"}), "a"),
            (json!({"tenant_id": "{{ tenant }}", "tenant": " b "}), "b"),
            (json!({"tenant_id": null, "tenant": "b"}), "b"),
            (json!({"tenant_id": "", "tenant": "${TENANT}"}), "fallback"),
        ] {
            let (found, problems) = scope_of(given.clone(), Some(" fallback "), Some("chat"));
            assert_eq!((found.tenant.as_str(), found.project.as_str(), problems.len()), (tenant, "chat", 0), "{given}");
        }
    }

    #[test]
    fn a_name_that_nobody_gives_says_where_it_can_be_given() {
        let expected = [
            "s: tenant: is missing or a placeholder; give it here or in TENANT_ID",
            "s: project: is missing or a placeholder; give it here or in DEFAULT_PROJECT_NAME or PROJECT_ID",
        ];
        assert_eq!(scope_of(json!({}), None, None).1, expected);
        assert_eq!(scope_of(json!({"project_id": " "}), Some("TENANT"), Some("<project>")).1, expected);
        let (found, problems) = scope_of(json!({"tenant_id": 5, "tenant": "a", "project": "p"}), None, None);
        assert_eq!(
            (found.tenant.as_str(), problems),
            ("a", vec!["s: tenant_id: expected a text, got a number".to_owned()])
        );
        // A line break at the end comes from a file and is no part of the name.
        assert_eq!(scope_of(json!({"tenant": "a\n", "project": "p"}), None, None).1, [""; 0]);
    }

    #[test]
    fn a_message_for_another_deployment_is_refused_by_each_name_that_differs() {
        let own = Scope { tenant: "acme".into(), project: "chat".into() };
        let refused = |message: Value| {
            let problems = GatewayErrors::default();
            must_be(&document(message), &own, &problems);
            problems.into_result("s", ()).err().map(|error| error.problems).unwrap_or_default()
        };
        for accepted in [
            json!({}),
            json!({"tenant": null, "tenant_id": "acme"}),
            json!({"tenant": "acme", "tenant_id": "acme", "project": "chat", "project_id": "chat"}),
        ] {
            assert_eq!(refused(accepted), [""; 0]);
        }
        let line = |key: &str, own: &str| format!("s: {key}: is not {own}: meant for another deployment");
        for (key, name) in [("tenant", "acme"), ("tenant_id", "acme"), ("project", "chat"), ("project_id", "chat")] {
            for other in [json!("x"), json!(5), json!(""), json!("ACME")] {
                assert_eq!(refused(json!({key: other})), [line(key, name)], "{key} {other}");
            }
        }
        assert_eq!(refused(json!({"tenant": "chat", "project": "acme"})).len(), 2);
    }

    #[test]
    fn names_that_are_written_are_left_as_they_are() {
        let mut raw = document(json!({"tenant": "as written", "x": 1}));
        name_fully(&mut raw, &Scope { tenant: "acme".into(), project: "chat".into() });
        let expected =
            json!({"tenant": "as written", "x": 1, "project": "chat", "tenant_id": "acme", "project_id": "chat"});
        assert_eq!(Value::Object(raw), expected);
    }

    #[test]
    fn an_instance_has_a_name() {
        assert_eq!(instance(&document(json!({"instance_id": "i-7"}))), Some("i-7"));
        for none in [json!({}), json!({"instance_id": ""}), json!({"instance_id": 7})] {
            assert_eq!(instance(&document(none)), None);
        }
    }

    #[test]
    fn a_capacity_source_is_read_in_any_case_and_with_spaces_around() {
        for (given, expected) in [
            ("", ("chat", "proc")),
            (" chat-proc ", ("chat", "proc")),
            ("CHAT_PROC", ("chat", "proc")),
            ("rest", ("chat", "rest")),
            ("Chat-Rest", ("chat", "rest")),
            (" KB : Search ", ("kb", "search")),
            ("kb:", ("kb", "proc")),
            (":search", ("chat", "search")),
            ("a:b:c", ("a", "b:c")),
        ] {
            let mut settings = GatewaySettings::default();
            given.clone_into(&mut settings.backpressure.capacity_source_component);
            let (kind, name) = settings.capacity_source();
            assert_eq!((kind.as_str(), name.as_str()), expected, "{given:?}");
        }
    }

    #[test]
    fn a_component_goes_by_all_of_its_names() {
        for (component, names) in [
            (Some(Component::Proc), &["proc", "processor", "worker", "chat-proc", "chat_proc", " PROC "][..]),
            (Some(Component::Ingress), &["ingress", "rest", "chat-rest", "chat_rest", "Ingress\n"]),
            (None, &["", "chat", "process", "ingress-proc"]),
        ] {
            for name in names {
                assert_eq!(component_named(name), component, "{name:?}");
            }
        }
    }
}
