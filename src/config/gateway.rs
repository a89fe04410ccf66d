//! The gateway configuration: whose deployment this is, and the capacity numbers of each component.
//!
//! Owns where a configuration comes from and which slice of it counts for whom. What a slice holds
//! is `sections`' matter; how one is cut from a text is `parse`'s.

mod parse;
pub mod sections;

use serde_json::{Map, Value};

pub use self::sections::Slice;
use crate::signals::{Component, Scope};

/// What the reading of a configuration depends on besides its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Whose slice drives queue and backpressure math (`GATEWAY_COMPONENT`).
    pub component: Component,
    /// Stands in for a placeholder (`TENANT_ID`).
    pub tenant: Option<String>,
    /// Stands in for a placeholder (`DEFAULT_PROJECT_NAME`, `PROJECT_ID`).
    pub project: Option<String>,
    /// The environment is forced over what is saved in Redis; the raw form then shows all ids.
    pub forced: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { component: Component::Proc, tenant: None, project: None, forced: false }
    }
}

/// A configuration that was read and found sound.
#[derive(Debug, Clone, PartialEq)]
pub struct GatewayConfig {
    scope: Scope,
    raw: Map<String, Value>,
    main: Slice,
    ingress: Slice,
    proc: Slice,
}

/// All that is wrong with a configuration, each with the path of its field.
pub type Problems = Vec<String>;

impl GatewayConfig {
    /// From JSON, as in `GATEWAY_CONFIG_JSON`.
    ///
    /// # Errors
    /// Not a JSON object, no tenant or project, or a known field of the wrong type or range.
    pub fn from_json(text: &str, options: &Options) -> Result<Self, Problems> {
        let mut raw = parse::json_object(text)?;
        if options.forced {
            parse::spell_out_ids(&mut raw);
        }
        Self::build(raw, options, Origin::Environment)
    }

    /// From YAML: its `gateway` section, or the whole where there is none.
    ///
    /// # Errors
    /// Not a YAML mapping, or as for [`Self::from_json`].
    pub fn from_yaml(text: &str, options: &Options) -> Result<Self, Problems> {
        Self::build(parse::yaml_object(text)?, options, Origin::Environment)
    }

    /// From the copy that an admin saved in Redis.
    ///
    /// # Errors
    /// As for [`Self::from_json`].
    pub fn from_saved(text: &str, options: &Options) -> Result<Self, Problems> {
        Self::build(parse::json_object(text)?, options, Origin::Saved)
    }

    /// From a message on the update channel, `{"tenant", "project", "ts", "config": {…}}`.
    ///
    /// # Errors
    /// Not such a message, or as for [`Self::from_json`].
    pub fn from_update(text: &str, options: &Options) -> Result<Self, Problems> {
        let mut message = parse::json_object(text)?;
        let Some(Value::Object(mut config)) = message.remove("config") else {
            return Err(vec!["config: missing or not an object".to_owned()]);
        };
        for id in ["tenant", "project"] {
            if let Some(value) = message.remove(id) {
                config.entry(id).or_insert(value);
            }
        }
        Self::build(config, options, Origin::Saved)
    }

    fn build(raw: Map<String, Value>, options: &Options, origin: Origin) -> Result<Self, Problems> {
        let mut problems = Problems::new();
        let scope = parse::scope(&raw, options, &mut problems);
        let mut slice = |component| parse::slice(&raw, component, &mut problems);
        let (ingress, proc) = (slice(Component::Ingress), slice(Component::Proc));
        let mut main = if options.component == Component::Ingress { ingress.clone() } else { proc.clone() };
        if origin == Origin::Saved {
            parse::flatten(&mut main, &raw, &mut problems);
        }
        match scope {
            Some(scope) if problems.is_empty() => Ok(Self { scope, raw, main, ingress, proc }),
            _ => {
                problems.dedup();
                Err(problems)
            }
        }
    }

    /// The tenant and project.
    #[must_use]
    pub const fn scope(&self) -> &Scope {
        &self.scope
    }

    /// The slice that drives queue and backpressure math.
    #[must_use]
    pub const fn main(&self) -> &Slice {
        &self.main
    }

    /// One component's own slice.
    #[must_use]
    pub const fn component(&self, component: Component) -> &Slice {
        match component {
            Component::Ingress => &self.ingress,
            Component::Proc => &self.proc,
        }
    }

    /// The configuration as it was given.
    #[must_use]
    pub const fn raw(&self) -> &Map<String, Value> {
        &self.raw
    }
}

/// Where a configuration was read. The platform reads pools and limits of a saved one without
/// regard to components when it serves its own view; consoles rely on that view.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    Environment,
    Saved,
}
