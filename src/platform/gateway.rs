//! The gateway configuration: tenant, project and the capacity numbers of each component, from the
//! environment, a YAML descriptor, the copy saved in Redis or a published update.
//!
//! Takes texts, reads nothing itself. Which source wins is for the caller to say.

mod amount;
mod arithmetic;
mod capacity;
mod changes;
mod document;
mod identity;
mod origin;
mod parse;
mod problems;
mod section;
mod settings;
mod shown;
#[cfg(test)]
mod tests;

use serde_json::{Map, Value};

use crate::platform::facts::{Component, Scope};
use problems::GatewayErrors;

pub use amount::Amount;
pub use capacity::{Capacity, Limits};
pub use changes::FigureChange;
pub use identity::{RedisUrl, component_named, is_placeholder};
pub use origin::{GatewayOrigin, SavedGatewayConfig};
pub use problems::GatewayConfigError;
pub use settings::{
    Backpressure, CircuitBreakers, CircuitSettings, ComputedMetrics, GatewaySettings, LimitSettings,
    MonitoringSettings, PoolSettings, RateLimits, RedisSettings, RoleLimit, ServiceCapacity,
};

/// What a configuration is read for.
#[derive(Debug, Clone, Copy)]
pub struct GatewayContext<'a> {
    /// `GATEWAY_COMPONENT`: whose slice drives queue and backpressure math.
    pub component: Component,
    /// `INSTANCE_ID`: this server's own name.
    pub instance_id: &'a str,
    /// `TENANT_ID`: stands in for a missing or placeholder tenant.
    pub tenant: Option<&'a str>,
    /// `DEFAULT_PROJECT_NAME` or `PROJECT_ID`: likewise for the project.
    pub project: Option<&'a str>,
    /// `GATEWAY_CONFIG_FORCE_ENV_ON_STARTUP`: the platform then saves the configuration with its
    /// identity under both names, so it is shown with both.
    pub forced: bool,
}

/// Tenant, project and capacity settings, flat or by component.
#[derive(Debug, Clone, PartialEq)]
pub struct GatewayConfig {
    scope: Scope,
    component: Component,
    instance_id: String,
    settings: GatewaySettings,
    ingress: GatewaySettings,
    proc: GatewaySettings,
    raw: Map<String, Value>,
    origin: GatewayOrigin,
    is_forced: bool,
    redis_url: Option<RedisUrl>,
    warnings: Vec<String>,
}

impl GatewayConfig {
    /// Reads the text of `GATEWAY_CONFIG_JSON`.
    ///
    /// # Errors
    /// All problems: not a JSON object, no tenant or project, known fields of the wrong type.
    pub fn from_env_json(text: &str, context: &GatewayContext<'_>) -> Result<Self, GatewayConfigError> {
        let source = "GATEWAY_CONFIG_JSON";
        Self::from_document(document::json(text, source)?, source, context)
    }

    /// The defaults for the tenant and project of the context.
    ///
    /// # Errors
    /// No tenant or project.
    pub fn of_scope(context: &GatewayContext<'_>) -> Result<Self, GatewayConfigError> {
        Self::from_document(Map::new(), "the environment", context)
    }

    /// Reads a YAML descriptor: a bare mapping or one under `gateway:`. `source` names it in problems.
    ///
    /// # Errors
    /// All problems, as for [`Self::from_env_json`].
    pub fn from_yaml(text: &str, source: &str, context: &GatewayContext<'_>) -> Result<Self, GatewayConfigError> {
        let config = Self::from_document(document::yaml(text, source)?, source, context)?;
        Ok(Self { origin: GatewayOrigin::Yaml, ..config })
    }

    /// This configuration with the one saved in Redis laid over it.
    ///
    /// As in the platform, a running gateway keeps its own `pools`, `limits` and route patterns: the
    /// saved ones show in the components only. Tenant and project stay: the key they were read from
    /// belongs to them. An empty object changes nothing.
    ///
    /// # Errors
    /// All problems; the caller keeps what it has.
    pub fn with_saved_json(&self, text: &str) -> Result<Self, GatewayConfigError> {
        let source = "saved gateway configuration";
        self.overlaid(document::json(text, source)?, source, GatewayOrigin::Saved)
    }

    /// This configuration with a published update (`{"tenant", "project", "ts", "config"}`) laid over it.
    ///
    /// # Errors
    /// All problems, among them an update meant for another tenant or project.
    pub fn with_update_message(&self, text: &str) -> Result<Self, GatewayConfigError> {
        let source = "gateway configuration update";
        let mut message = document::json(text, source)?;
        let problems = GatewayErrors::default();
        identity::must_be(&message, &self.scope, &problems);
        match message.remove("config") {
            // It would say nothing, and must not undo what was said before.
            Some(Value::Object(config)) if config.is_empty() => {
                problems.add("config", "is empty");
                problems.into_result(source, self.clone())
            }
            Some(Value::Object(config)) => {
                let overlaid = |()| self.overlaid(config, source, GatewayOrigin::Published);
                problems.into_result(source, ()).and_then(overlaid)
            }
            other => {
                problems.wrong_type("config", "an object", &other.unwrap_or_default());
                problems.into_result(source, self.clone())
            }
        }
    }

    fn from_document(
        document: Map<String, Value>,
        source: &str,
        context: &GatewayContext<'_>,
    ) -> Result<Self, GatewayConfigError> {
        let problems = GatewayErrors::default();
        let scope = identity::scope(&document, context, &problems);
        let redis_url = identity::redis_url(&document);
        let mut config = Self::read(document, scope, context.component, context.instance_id, &problems);
        // This server's own name wins over one in a text that all replicas share.
        config.settings = config.settings.named(context.instance_id);
        if context.forced {
            identity::name_fully(&mut config.raw, &config.scope);
        }
        config.is_forced = context.forced;
        config.redis_url = redis_url;
        config.warnings = problems.take_warnings(source);
        problems.into_result(source, config)
    }

    fn overlaid(
        &self,
        document: Map<String, Value>,
        source: &str,
        origin: GatewayOrigin,
    ) -> Result<Self, GatewayConfigError> {
        if document.is_empty() {
            return Ok(self.clone());
        }
        let problems = GatewayErrors::default();
        let mut config = Self::read(document, self.scope.clone(), self.component, &self.instance_id, &problems);
        config.origin = origin;
        config.warnings = problems.take_warnings(source);
        config.settings.pools = self.settings.pools.clone();
        config.settings.limits = self.settings.limits.clone();
        config.settings.guarded_rest_patterns = self.settings.guarded_rest_patterns.clone();
        config.settings.bypass_throttling_patterns = self.settings.bypass_throttling_patterns.clone();
        problems.into_result(source, config)
    }

    fn read(
        document: Map<String, Value>,
        scope: Scope,
        component: Component,
        own: &str,
        problems: &GatewayErrors,
    ) -> Self {
        let shown = identity::instance(&document).unwrap_or(own).to_owned();
        let of = |component| parse::settings(&document, component, &shown, &scope.tenant, problems);
        let (ingress, proc) = (of(Component::Ingress), of(Component::Proc));
        let settings = match component {
            Component::Ingress => ingress.clone(),
            Component::Proc => proc.clone(),
        };
        Self {
            scope,
            component,
            instance_id: own.to_owned(),
            settings,
            ingress,
            proc,
            raw: shown::shown(document),
            origin: GatewayOrigin::Environment,
            is_forced: false,
            redis_url: None,
            warnings: Vec::new(),
        }
    }

    /// The tenant and project.
    #[must_use]
    pub const fn scope(&self) -> &Scope {
        &self.scope
    }

    /// Whose slice drives queue and backpressure math.
    #[must_use]
    pub const fn component(&self) -> Component {
        self.component
    }

    /// The settings in force (`gateway_configuration`).
    #[must_use]
    pub const fn settings(&self) -> &GatewaySettings {
        &self.settings
    }

    /// The settings as a component reads them (`gateway_config_components`).
    #[must_use]
    pub const fn of(&self, component: Component) -> &GatewaySettings {
        match component {
            Component::Ingress => &self.ingress,
            Component::Proc => &self.proc,
        }
    }

    /// The capacity of an instance with every number that it follows from.
    #[must_use]
    pub fn capacity_arithmetic(&self) -> String {
        self.settings.capacity_formula(self.settings.service_capacity.processes_per_instance.whole())
    }

    /// Where it comes from.
    #[must_use]
    pub const fn origin(&self) -> GatewayOrigin {
        self.origin
    }

    /// Whether it is the environment's and a saved one is ignored.
    #[must_use]
    pub const fn is_forced(&self) -> bool {
        self.is_forced
    }

    /// The Redis that the environment's configuration names; the platform's gateway uses it instead of `REDIS_URL`.
    #[must_use]
    pub const fn redis_url(&self) -> Option<&RedisUrl> {
        self.redis_url.as_ref()
    }

    /// What is wrong without being an error, one line each; a value that is named counts as not set.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// The configuration (`gateway_config_raw`): known fields as written, other fields as null.
    #[must_use]
    pub const fn raw(&self) -> &Map<String, Value> {
        &self.raw
    }
}
