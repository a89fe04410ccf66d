//! Where facts come from: a deployment's Redis, other servers that are asked, or a simulation; each
//! with the settings that it needs and no others.

use std::path::{Path, PathBuf};
use std::time::Duration;

use secrecy::ExposeSecret;

use crate::platform::facts::{Component, Scope};
use crate::platform::gateway::{self, GatewayConfig, GatewayConfigError, GatewayContext};
use crate::settings::table;
use crate::settings::{FromSetting, Settings};
use crate::sources::proxy::config::{self as proxy, ProxyConfig};
use crate::sources::redis::config::RedisConfig;

/// The gateway configuration of the simulated deployment.
const EMBEDDED_GATEWAY: &str = r#"{"tenant": "demo", "project": "demo"}"#;

/// Where facts come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Redis,
    Proxy,
    Embedded,
}

impl Mode {
    /// The word in settings and payloads.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Redis => "redis",
            Self::Proxy => "proxy",
            Self::Embedded => "embedded",
        }
    }
}

impl FromSetting for Mode {
    fn from_setting(text: &str) -> Result<Self, String> {
        match text.to_ascii_lowercase().as_str() {
            "redis" => Ok(Self::Redis),
            "proxy" => Ok(Self::Proxy),
            "embedded" => Ok(Self::Embedded),
            _ => Err("is not a mode".to_owned()),
        }
    }
}

/// The same with what each needs.
#[derive(Debug, Clone)]
pub enum SourceConfig {
    Redis {
        redis: RedisConfig,
        /// From the environment or a file; one saved in Redis may win over it.
        gateway: Box<GatewayConfig>,
        /// Ignore a configuration saved in Redis.
        force_environment: bool,
    },
    Proxy(Box<ProxyConfig>),
    Embedded {
        gateway: Box<GatewayConfig>,
    },
}

impl SourceConfig {
    /// Which it is.
    #[must_use]
    pub const fn mode(&self) -> Mode {
        match self {
            Self::Redis { .. } => Mode::Redis,
            Self::Proxy(_) => Mode::Proxy,
            Self::Embedded { .. } => Mode::Embedded,
        }
    }

    /// The tenant and project; an upstream knows its own.
    #[must_use]
    pub const fn scope(&self) -> Option<&Scope> {
        match self {
            Self::Redis { gateway, .. } | Self::Embedded { gateway } => Some(gateway.scope()),
            Self::Proxy(_) => None,
        }
    }
}

/// Reads what the mode needs; what is wrong is noted, not returned.
pub(super) fn read(
    settings: &mut Settings,
    mode: Option<Mode>,
    instance_id: &str,
    request_timeout: Option<Duration>,
) -> Option<SourceConfig> {
    // A mode that is none is noted already; the rest is judged as for the default.
    match mode.unwrap_or(Mode::Redis) {
        Mode::Redis => read_redis_mode(settings, instance_id, request_timeout),
        Mode::Proxy => proxy::read(settings, request_timeout).map(|proxy| SourceConfig::Proxy(Box::new(proxy))),
        Mode::Embedded => {
            let gateway = read_gateway(settings, Mode::Embedded, instance_id, false)?;
            Some(SourceConfig::Embedded { gateway: Box::new(gateway) })
        }
    }
}

fn read_redis_mode(settings: &mut Settings, instance_id: &str, timeout: Option<Duration>) -> Option<SourceConfig> {
    let redis = read_redis(settings, instance_id, timeout);
    let force_environment = settings.get(&table::FORCE_ENV);
    let gateway = read_gateway(settings, Mode::Redis, instance_id, force_environment.unwrap_or(false));
    Some(SourceConfig::Redis { redis: redis?, gateway: Box::new(gateway?), force_environment: force_environment? })
}

/// Where Redis is; a bad address is noted, not returned.
pub(crate) fn read_redis(settings: &mut Settings, instance_id: &str, timeout: Option<Duration>) -> Option<RedisConfig> {
    let url = settings.secret(&table::REDIS_URL)?;
    let client_name = format!("kdcube-metrics:{}", instance_id.replace(|c: char| !c.is_ascii_graphic(), "_"));
    match RedisConfig::new(url.expose_secret(), client_name, timeout?) {
        Ok(config) => Some(config),
        Err(problem) => {
            settings.error(format!("REDIS_URL: {problem}"));
            None
        }
    }
}

/// `GATEWAY_COMPONENT`, with the aliases of a component.
struct GatewayComponent(Component);

impl FromSetting for GatewayComponent {
    fn from_setting(text: &str) -> Result<Self, String> {
        gateway::component_named(text).map(Self).ok_or_else(|| "is not a component".to_owned())
    }
}

/// The configuration as JSON in the environment or as YAML in a file; the simulated deployment has its own.
fn read_gateway(settings: &mut Settings, mode: Mode, instance_id: &str, forced: bool) -> Option<GatewayConfig> {
    let component = settings.get::<GatewayComponent>(&table::GATEWAY_COMPONENT)?.0;
    let tenant = settings.text(&table::TENANT_ID);
    let project = settings.text(&table::DEFAULT_PROJECT_NAME).or_else(|| settings.text(&table::PROJECT_ID));
    let context =
        GatewayContext { component, instance_id, tenant: tenant.as_deref(), project: project.as_deref(), forced };
    if let Some(json) = settings.text(&table::GATEWAY_CONFIG_JSON) {
        return sound(settings, GatewayConfig::from_env_json(&json, &context));
    }
    if let Some((variable, path)) = gateway_file(settings) {
        return read_gateway_file(settings, variable, &path, &context);
    }
    if mode == Mode::Embedded {
        return sound(settings, GatewayConfig::from_env_json(EMBEDDED_GATEWAY, &context));
    }
    settings.error(
        "GATEWAY_CONFIG_JSON is not set, nor GATEWAY_YAML_PATH or PLATFORM_DESCRIPTORS_DIR; redis mode needs one of \
         them; accepted: a JSON object such as {\"tenant\":\"acme\",\"project\":\"chat\"}",
    );
    None
}

fn gateway_file(settings: &mut Settings) -> Option<(&'static str, PathBuf)> {
    if let Some(path) = settings.text(&table::GATEWAY_YAML_PATH) {
        return Some((table::GATEWAY_YAML_PATH.variable, PathBuf::from(path)));
    }
    let directory = settings.text(&table::DESCRIPTORS_DIR)?;
    Some((table::DESCRIPTORS_DIR.variable, PathBuf::from(directory).join("gateway.yaml")))
}

fn read_gateway_file(
    settings: &mut Settings,
    variable: &str,
    path: &Path,
    context: &GatewayContext<'_>,
) -> Option<GatewayConfig> {
    match std::fs::read_to_string(path) {
        Ok(text) => sound(settings, GatewayConfig::from_yaml(&text, variable, context)),
        Err(error) => {
            settings.error(format!("{variable}: {} cannot be read: {error}", path.display()));
            None
        }
    }
}

/// The configuration, or a note of each of its problems.
fn sound(settings: &mut Settings, read: Result<GatewayConfig, GatewayConfigError>) -> Option<GatewayConfig> {
    settings.ok_or_record(read.map_err(|error| error.problems))
}
