//! Processes: the heartbeats of those that run, with their connection pools, and those that stopped recently.

use std::sync::{Arc, LazyLock};

use serde::{Deserialize, Serialize};

use crate::base::clock::UnixSeconds;

/// The two kinds of workers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Component {
    Ingress,
    Proc,
}

impl Component {
    pub const ALL: [Self; 2] = [Self::Ingress, Self::Proc];

    /// The word in keys, labels and payloads.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ingress => "ingress",
            Self::Proc => "proc",
        }
    }

    /// The service name in heartbeats; the service type is `chat` for both.
    #[must_use]
    pub const fn service_name(self) -> &'static str {
        match self {
            Self::Ingress => "rest",
            Self::Proc => "proc",
        }
    }
}

/// The name of a service or its type: what nearly every process has is there once, and compared at a glance.
pub(crate) fn shared_name(name: &str) -> Arc<str> {
    static NAMES: LazyLock<[Arc<str>; 3]> =
        LazyLock::new(|| ["chat", Component::Ingress.service_name(), Component::Proc.service_name()].map(Arc::from));
    NAMES.iter().find(|shared| &***shared == name).map_or_else(|| name.into(), Arc::clone)
}

/// A process's own health status, as the word it wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HealthWord {
    Healthy,
    /// Load at 80 % of capacity or more.
    Degraded,
    /// Load at capacity: saturated rather than dead.
    Unhealthy,
    /// An unknown word, or none at all.
    Unknown,
    /// JSON `null`, which the platform shows as `none`.
    Null,
}

/// One process's heartbeat.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Heartbeat {
    #[serde(with = "super::shared")]
    pub instance_id: Arc<str>,
    #[serde(with = "super::shared")]
    pub service_type: Arc<str>,
    #[serde(with = "super::shared")]
    pub service_name: Arc<str>,
    pub process_id: Option<i64>,
    pub port: Option<i64>,
    /// Requests being worked on.
    pub load: i64,
    /// Requests it can work on at once.
    pub capacity: i64,
    pub last_heartbeat: UnixSeconds,
    pub health: HealthWord,
    /// It finishes its tasks and takes no new ones.
    #[serde(default)]
    pub draining: bool,
    /// What a processor says of its work; today's platform.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub processor: Option<ProcessorReport>,
    #[serde(with = "super::shared")]
    pub pools: Arc<Pools>,
}

/// What a processor says of its oldest work; each number may be missing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ProcessorReport {
    /// Since the longest-running task was claimed.
    pub oldest_active_seconds: Option<f64>,
    /// Since the quietest running task last did anything.
    pub max_idle_seconds: Option<f64>,
    /// Since it last looked at the queue.
    pub queue_loop_lag_seconds: Option<f64>,
    /// One of them is none that can be measured, and left out.
    pub is_implausible: bool,
}

/// The connection pools that are followed over time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pool {
    Postgres,
    RedisAsync,
    RedisAsyncDecode,
    RedisSync,
}

impl Pool {
    pub const ALL: [Self; 4] = [Self::Postgres, Self::RedisAsync, Self::RedisAsyncDecode, Self::RedisSync];

    /// The word in keys, labels and payloads.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::RedisAsync => "redis_async",
            Self::RedisAsyncDecode => "redis_async_decode",
            Self::RedisSync => "redis_sync",
        }
    }
}

/// The connection pools a heartbeat reports; each may be missing.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Pools {
    pub postgres: Option<PoolUse>,
    pub redis_async: Option<PoolUse>,
    pub redis_async_decode: Option<PoolUse>,
    pub redis_sync: Option<PoolUse>,
}

/// One pool of one process; every number is connections, each may be missing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct PoolUse {
    /// The configured ceiling: `max_size` (Postgres) or `max_connections` (Redis, 2^31 when uncapped).
    pub max: Option<f64>,
    /// Connections open now: `size` (Postgres) or `total` (Redis).
    pub size: Option<f64>,
    pub available: Option<f64>,
    pub in_use: Option<f64>,
}

/// A process that an index still names although its heartbeat has expired: it stopped recently.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Departed {
    #[serde(with = "super::shared")]
    pub instance_id: Arc<str>,
    #[serde(with = "super::shared")]
    pub service_type: Arc<str>,
    #[serde(with = "super::shared")]
    pub service_name: Arc<str>,
    pub process_id: Option<i64>,
    /// The index score: its last heartbeat.
    pub last_seen: UnixSeconds,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A recording names what keys and labels name.
    #[test]
    fn a_word_in_a_recording_is_the_word_in_keys() {
        for component in Component::ALL {
            assert_eq!(serde_json::to_value(component).unwrap(), component.as_str());
        }
        for pool in Pool::ALL {
            assert_eq!(serde_json::to_value(pool).unwrap(), pool.as_str());
        }
        assert_eq!(Component::ALL.map(Component::service_name), ["rest", "proc"]);
    }

    #[test]
    fn a_heartbeat_of_an_older_recording_does_not_drain() {
        let recorded = json!({"instance_id": "i", "service_type": "chat", "service_name": "proc", "process_id": null,
            "port": null, "load": 1, "capacity": 5, "last_heartbeat": 2.5, "health": "null",
            "pools": {"redis_sync": {"max": 3.0}}});
        let beat: Heartbeat = serde_json::from_value(recorded).unwrap();
        assert_eq!((beat.draining, beat.health, beat.process_id), (false, HealthWord::Null, None));
        let pool = PoolUse { max: Some(3.0), ..PoolUse::default() };
        assert_eq!(*beat.pools, Pools { redis_sync: Some(pool), ..Pools::default() });
    }
}
