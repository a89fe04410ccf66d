//! Reads the gateway configuration from the environment or a descriptor file, with what fills its placeholders.

use crate::platform::facts::Component;
use crate::platform::gateway::{self, GatewayConfig, GatewayContext};
use crate::settings::{Descriptors, GatewayDescriptor, Setting, Settings, setting};

const JSON: &Setting = setting("GATEWAY_CONFIG_JSON");
const YAML_PATH: &Setting = setting("GATEWAY_YAML_PATH");
const FORCE_ENVIRONMENT: &Setting = setting("GATEWAY_CONFIG_FORCE_ENV_ON_STARTUP");
const COMPONENT: &Setting = setting("GATEWAY_COMPONENT");
const TENANT: &Setting = setting("TENANT_ID");
const PROJECT_NAME: &Setting = setting("DEFAULT_PROJECT_NAME");
const PROJECT_ID: &Setting = setting("PROJECT_ID");

/// The gateway configuration of the simulated deployment.
const EMBEDDED: &str = r#"{"tenant": "demo", "project": "demo"}"#;

/// Reads whether a configuration saved in Redis is ignored.
pub fn read_force_environment(settings: &mut Settings) -> Option<bool> {
    settings.get(FORCE_ENVIRONMENT)
}

/// Reads the configuration of a deployment, which is required; errors are recorded.
pub fn read(settings: &mut Settings, instance_id: &str, forced: bool) -> Option<GatewayConfig> {
    let document = Document::find(settings).or_else(|| Document::of_scope(settings));
    if document.is_none() {
        settings.error(
            "GATEWAY_CONFIG_JSON is not set, nor GATEWAY_YAML_PATH or PLATFORM_DESCRIPTORS_DIR; redis mode needs one of \
             them, or TENANT_ID and PROJECT_ID; accepted: a JSON object such as {\"tenant\":\"acme\",\"project\":\"chat\"}",
        );
    }
    parse(settings, document, instance_id, forced)
}

/// Reads the configuration of the simulated deployment, which has one of its own; errors are recorded.
pub fn read_embedded(settings: &mut Settings, instance_id: &str) -> Option<GatewayConfig> {
    let document = Document::find(settings).unwrap_or_else(|| Document::Json(EMBEDDED.to_owned()));
    parse(settings, Some(document), instance_id, false)
}

/// Reads the configuration of a deployment if one is given, and otherwise that of the simulated deployment; errors are
/// recorded.
pub fn read_or_demo(settings: &mut Settings, instance_id: &str) -> Option<GatewayConfig> {
    let given = Document::find(settings).or_else(|| Document::of_scope(settings));
    let document = given.unwrap_or_else(|| Document::Json(EMBEDDED.to_owned()));
    parse(settings, Some(document), instance_id, false)
}

/// The text of a configuration, or the file that holds it.
enum Document {
    Json(String),
    Yaml(GatewayDescriptor),
    /// None is given: the defaults for the tenant and project of the environment.
    OfScope,
}

impl Document {
    fn find(settings: &mut Settings) -> Option<Self> {
        if let Some(json) = settings.text(JSON) {
            return Some(Self::Json(json));
        }
        let yaml = settings.descriptors().and_then(Descriptors::gateway)?.clone();
        // A directory of descriptors may have no gateway.yaml: tenant and project are enough for the platform.
        let is_optional = yaml.named_by != YAML_PATH && Self::of_scope(settings).is_some();
        (!is_optional || yaml.exists()).then_some(Self::Yaml(yaml))
    }

    const fn setting(&self) -> &'static Setting {
        match self {
            Self::Json(_) => JSON,
            Self::OfScope => TENANT,
            Self::Yaml(yaml) => yaml.named_by,
        }
    }

    fn of_scope(settings: &mut Settings) -> Option<Self> {
        (tenant(settings).is_some() && project(settings).is_some()).then_some(Self::OfScope)
    }

    fn parse(&self, context: &GatewayContext<'_>) -> Result<GatewayConfig, Vec<String>> {
        let parsed = match self {
            Self::Json(text) => GatewayConfig::from_env_json(text, context),
            Self::OfScope => GatewayConfig::of_scope(context),
            Self::Yaml(yaml) => {
                let text = yaml.text().map_err(|problem| vec![problem])?;
                GatewayConfig::from_yaml(text, yaml.named_by.variable(), context)
            }
        };
        parsed.map_err(|error| error.problems)
    }
}

/// Parses the document, if there is one. What fills its placeholders is read in any case, so that its errors show.
fn parse(
    settings: &mut Settings,
    document: Option<Document>,
    instance_id: &str,
    forced: bool,
) -> Option<GatewayConfig> {
    let component = read_component(settings);
    let (tenant, project) = (tenant(settings), project(settings));
    let context =
        GatewayContext { component, instance_id, tenant: tenant.as_deref(), project: project.as_deref(), forced };
    let document = document?;
    let config = settings.ok_or_record(document.parse(&context), &[document.setting()])?;
    config.warnings().iter().for_each(|warning| settings.warn(warning));
    Some(config)
}

fn tenant(settings: &mut Settings) -> Option<String> {
    name(TENANT, settings)
}

fn project(settings: &mut Settings) -> Option<String> {
    name(PROJECT_NAME, settings).or_else(|| name(PROJECT_ID, settings))
}

fn name(setting: &'static Setting, settings: &mut Settings) -> Option<String> {
    settings.text(setting).filter(|name| !gateway::is_placeholder(name))
}

/// `GATEWAY_COMPONENT` by any alias. The platform's own charts set it to `metrics`, and the platform starts with any
/// value: one that names no component means the processor's, with a warning.
fn read_component(settings: &mut Settings) -> Component {
    let given = settings.text(COMPONENT).unwrap_or_default();
    gateway::component_named(&given).unwrap_or_else(|| {
        settings.warn(format!("GATEWAY_COMPONENT {given:?} is neither ingress nor proc; using proc"));
        Component::Proc
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const YAML: &str = "gateway:\n  tenant: t\n  project: p\n";

    fn read_all(variables: &[(&str, &str)]) -> Result<GatewayConfig, Vec<String>> {
        let mut settings = Settings::from_environment(variables.iter().copied());
        let config = read(&mut settings, "m", false).filter(|_| settings.errors().is_empty());
        config.ok_or_else(|| settings.into_errors().iter().map(ToString::to_string).collect())
    }

    #[test]
    fn json_wins_over_a_yaml_file_and_that_over_a_directory_of_descriptors() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("gateway.yaml"), YAML).unwrap();
        let other = directory.path().join("other.yaml");
        std::fs::write(&other, "tenant: u\nproject: p\n").unwrap();
        let given = [
            ("PLATFORM_DESCRIPTORS_DIR", directory.path().to_str().unwrap()),
            ("GATEWAY_YAML_PATH", other.to_str().unwrap()),
            ("GATEWAY_CONFIG_JSON", r#"{"tenant": "v", "project": "p"}"#),
        ];
        let tenants = [1, 2, 3].map(|n| read_all(&given[..n]).unwrap().scope().tenant.clone());
        assert_eq!(tenants, ["t", "u", "v"]);
    }

    #[test]
    fn placeholders_are_filled_from_the_environment() {
        let json = ("GATEWAY_CONFIG_JSON", r#"{"tenant": "{{TENANT_ID}}"}"#);
        let config = read_all(&[json, ("TENANT_ID", "acme"), ("PROJECT_ID", "chat")]).unwrap();
        assert_eq!((config.scope().tenant.as_str(), config.scope().project.as_str()), ("acme", "chat"));
        let config = read_all(&[json, ("TENANT_ID", "a"), ("PROJECT_ID", "b"), ("DEFAULT_PROJECT_NAME", "c")]).unwrap();
        assert_eq!(config.scope().project, "c");
    }

    #[test]
    fn tenant_and_project_of_the_environment_are_enough() {
        let (tenant, project) = (("TENANT_ID", "acme"), ("PROJECT_ID", "chat"));
        let config = read_all(&[tenant, project]).unwrap();
        assert_eq!((config.scope().tenant.as_str(), config.scope().project.as_str()), ("acme", "chat"));
        for one in
            [&[tenant][..], &[project], &[tenant, ("PROJECT_ID", "project_id")], &[("TENANT_ID", "TENANT_ID"), project]]
        {
            let errors = read_all(one).unwrap_err();
            assert!(errors[0].starts_with("GATEWAY_CONFIG_JSON is not set"), "{one:?}: {errors:?}");
        }
        let given = [("DEFAULT_PROJECT_NAME", "{{project}}"), project, tenant];
        assert_eq!(read_all(&given).unwrap().scope().project, "chat", "a placeholder is no name");
    }

    #[test]
    fn any_component_is_accepted_and_an_unknown_one_is_the_processor_with_a_warning() {
        for (given, expected, warned) in [
            ("", Component::Proc, false),
            ("Worker", Component::Proc, false),
            ("chat_rest", Component::Ingress, false),
            ("metrics", Component::Proc, true),
            ("web\n", Component::Proc, true),
        ] {
            let json = ("GATEWAY_CONFIG_JSON", r#"{"tenant": "t", "project": "p"}"#);
            let mut settings = Settings::from_environment([json, ("GATEWAY_COMPONENT", given)]);
            assert_eq!(read(&mut settings, "m", false).unwrap().component(), expected, "{given}");
            assert_eq!(settings.warnings().len(), usize::from(warned), "{:?}", settings.warnings());
            assert!(settings.warnings().iter().all(|line| line.contains(given.trim()) && !line.contains('\n')));
        }
    }

    #[test]
    fn warnings_of_the_configuration_are_recorded() {
        let json = r#"{"tenant": "t", "project": "p", "pools": {"pg_pool_max_size": "many"}}"#;
        let mut settings = Settings::from_environment([("GATEWAY_CONFIG_JSON", json)]);
        assert!(read(&mut settings, "m", false).is_some());
        assert!(settings.warnings()[0].starts_with("GATEWAY_CONFIG_JSON: pools.pg_pool_max_size"));
    }

    #[test]
    fn every_error_names_its_setting_and_the_origin() {
        let errors = read_all(&[("GATEWAY_CONFIG_JSON", "{}"), ("GATEWAY_COMPONENT", "web")]).unwrap_err();
        assert_eq!(errors.len(), 2, "{errors:?}");
        for error in &errors {
            assert!(error.starts_with("GATEWAY_CONFIG_JSON: ") && error.ends_with("; from the environment"), "{error}");
        }
        let errors = read_all(&[("PLATFORM_DESCRIPTORS_DIR", "/nowhere")]).unwrap_err();
        assert!(errors[0].starts_with("PLATFORM_DESCRIPTORS_DIR: /nowhere/gateway.yaml cannot be read"), "{errors:?}");
        assert!(read_all(&[]).unwrap_err()[0].starts_with("GATEWAY_CONFIG_JSON is not set"));
    }

    #[test]
    fn the_simulated_deployment_needs_no_configuration_and_may_have_one() {
        let scope = |settings: &mut Settings| read_embedded(settings, "m").unwrap().scope().tenant.clone();
        assert_eq!(scope(&mut Settings::default()), "demo");
        let json = ("GATEWAY_CONFIG_JSON", r#"{"tenant": "acme", "project": "chat"}"#);
        assert_eq!(scope(&mut Settings::from_environment([json])), "acme");
    }
}
