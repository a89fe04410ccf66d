//! Where a configuration comes from, and what is saved in Redis.

use serde::{Deserialize, Serialize};

/// Where the configuration in force comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GatewayOrigin {
    /// `GATEWAY_CONFIG_JSON`, or tenant and project alone.
    Environment,
    /// `gateway.yaml`.
    Yaml,
    /// The copy that the platform's admin console saves in Redis.
    Saved,
    /// An update that was published while the server runs.
    Published,
}

impl GatewayOrigin {
    /// The label value in metrics and logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Environment => "environment",
            Self::Yaml => "gateway_yaml",
            Self::Saved => "saved",
            Self::Published => "published",
        }
    }
}

/// The copy of the configuration in Redis.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SavedGatewayConfig {
    /// The key does not exist.
    #[default]
    Missing,
    Text(String),
    /// The key exists and is of another type, too long, empty or not UTF-8; with the reason.
    Unreadable(String),
}

impl SavedGatewayConfig {
    /// The text, if there is one.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Missing | Self::Unreadable(_) => None,
        }
    }
}
