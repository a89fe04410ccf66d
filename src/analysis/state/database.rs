//! Postgres connections that the configuration can amount to, and how many the server accepts.

use super::Reading;

/// Estimate and limit.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Database {
    pub limit: Reading<DatabaseLimit>,
    /// Connections that the configured pools can open in all.
    pub estimated_total: Reading<i64>,
    /// What the estimate is made of.
    pub estimate: Reading<DatabaseEstimate>,
}

/// Connections that the server accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DatabaseLimit {
    pub connections: i64,
    /// `None` where an upstream does not say.
    pub origin: Option<LimitOrigin>,
}

/// Where the limit comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LimitOrigin {
    /// The gateway configuration.
    Config,
    /// The database server itself.
    Query,
}

/// Connections of one process, one instance, and how many instances there are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DatabaseEstimate {
    pub pool_size: i64,
    pub processes_per_instance: i64,
    pub per_instance: i64,
    /// At least 1.
    pub instance_count: i64,
}

impl LimitOrigin {
    /// The word in payloads.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Config => "config",
            Self::Query => "query",
        }
    }
}
