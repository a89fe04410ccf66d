//! The source and what it needs: the settings of its mode and no others.

use std::time::Duration;

use crate::engine::gateway_config;
use crate::platform::facts::Scope;
use crate::platform::gateway::{GatewayConfig, RedisUrl};
use crate::settings::Settings;
use crate::sources::mode::Mode;
use crate::sources::proxy::config::ProxyConfig;
use crate::sources::redis::config::RedisConfig;

/// A mode with its configuration.
#[derive(Debug, Clone)]
pub enum SourceConfig {
    Redis {
        redis: Box<RedisConfig>,
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
    /// Reads what the mode needs; errors are recorded.
    pub(super) fn read(
        settings: &mut Settings,
        mode: Mode,
        instance_id: &str,
        request_timeout: Option<Duration>,
    ) -> Option<Self> {
        match mode {
            Mode::Redis => Self::read_redis(settings, instance_id, request_timeout),
            Mode::Proxy => ProxyConfig::read(settings, request_timeout).map(|proxy| Self::Proxy(Box::new(proxy))),
            Mode::Embedded => {
                let gateway = gateway_config::read_embedded(settings, instance_id)?;
                Some(Self::Embedded { gateway: Box::new(gateway) })
            }
        }
    }

    fn read_redis(settings: &mut Settings, instance_id: &str, timeout: Option<Duration>) -> Option<Self> {
        let force_environment = gateway_config::read_force_environment(settings);
        let gateway = gateway_config::read(settings, instance_id, force_environment.unwrap_or(false));
        let of_gateway = gateway.as_ref().and_then(GatewayConfig::redis_url).map(RedisUrl::expose);
        let redis = RedisConfig::read_or(settings, of_gateway, instance_id, timeout);
        Some(Self::Redis {
            redis: Box::new(redis?),
            gateway: Box::new(gateway?),
            force_environment: force_environment?,
        })
    }

    /// The mode.
    #[must_use]
    pub const fn mode(&self) -> Mode {
        match self {
            Self::Redis { .. } => Mode::Redis,
            Self::Proxy(_) => Mode::Proxy,
            Self::Embedded { .. } => Mode::Embedded,
        }
    }

    /// The tenant and project; `None` in proxy mode, where only the upstreams know them.
    #[must_use]
    pub const fn scope(&self) -> Option<&Scope> {
        match self {
            Self::Redis { gateway, .. } | Self::Embedded { gateway } => Some(gateway.scope()),
            Self::Proxy(_) => None,
        }
    }
}
