//! Plain data: the raw facts of one tick, as the platform's workers left them.
//!
//! Owns the types and, in `signals::parse`, how each is read from the bytes in Redis. Computes
//! nothing, reads no clock, does no I/O; what the facts mean is for `monitoring` to say.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::clock::UnixSeconds;
use crate::platform::gateway::SavedGatewayConfig;

/// The tenant and project that every key, snapshot and sample belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Scope {
    pub tenant: String,
    pub project: String,
}

/// What a process says of its own health, as the word it wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HealthWord {
    Healthy,
    /// Load at 80 % of capacity or more.
    Degraded,
    /// Load at capacity: saturated rather than dead.
    Unhealthy,
    /// A word nobody knows, or no word at all.
    Unknown,
    /// JSON `null`, which the platform shows as `none`.
    Null,
}

/// One process's heartbeat.
#[derive(Debug, Clone, PartialEq)]
pub struct Heartbeat {
    pub instance_id: String,
    pub service_type: String,
    pub service_name: String,
    pub process_id: Option<i64>,
    pub port: Option<i64>,
    /// Requests being worked on.
    pub load: i64,
    /// Requests it can work on at once.
    pub capacity: i64,
    pub last_heartbeat: UnixSeconds,
    pub health: HealthWord,
    pub pools: Pools,
}

/// The connection pools a heartbeat reports; each may be missing.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Pools {
    pub postgres: Option<PoolUse>,
    pub redis_async: Option<PoolUse>,
    pub redis_async_decode: Option<PoolUse>,
    pub redis_sync: Option<PoolUse>,
}

/// One pool of one process; every number is connections, each may be missing.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct PoolUse {
    /// The configured ceiling: `max_size` (Postgres) or `max_connections` (Redis, 2^31 when uncapped).
    pub max: Option<f64>,
    /// Connections open now: `size` (Postgres) or `total` (Redis).
    pub size: Option<f64>,
    pub available: Option<f64>,
    pub in_use: Option<f64>,
}

/// A process that an index still names although its heartbeat has expired: it stopped recently.
#[derive(Debug, Clone, PartialEq)]
pub struct Departed {
    pub instance_id: String,
    pub service_type: String,
    pub service_name: String,
    pub process_id: Option<i64>,
    /// The index score: its last heartbeat.
    pub last_seen: UnixSeconds,
}

/// Names one ingress worker: whose SSE connections a sample counts.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WorkerId {
    pub instance_id: String,
    pub process_id: i64,
}

/// What one ingress worker last published of its SSE connections.
#[derive(Debug, Clone, PartialEq)]
pub struct SseSample {
    /// The worker whose key it was read from.
    pub worker: WorkerId,
    pub count: i64,
    pub sessions: i64,
    /// Configured limit; 0 = none.
    pub max: i64,
    /// When it was published; missing in samples of some writers.
    pub at: Option<UnixSeconds>,
}

/// Who a task belongs to; each role has its own queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    Anonymous,
    External,
    Registered,
    Paid,
    Privileged,
}

impl Role {
    /// All roles, in the order of the arrays in [`Facts`].
    pub const ALL: [Self; 5] = [Self::Anonymous, Self::External, Self::Registered, Self::Paid, Self::Privileged];

    /// The word in keys, labels and payloads.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Anonymous => "anonymous",
            Self::External => "external",
            Self::Registered => "registered",
            Self::Paid => "paid",
            Self::Privileged => "privileged",
        }
    }
}

/// One role's tasks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct QueueDepth {
    pub ready: i64,
    pub inflight: i64,
    pub continuations: i64,
}

impl QueueDepth {
    /// All tasks of the role, waiting or claimed. A counter of continuations that runs behind, and
    /// so went below zero, makes up for tasks that are counted as ready already.
    #[must_use]
    pub fn total(self) -> i64 {
        self.ready.saturating_add(self.inflight).saturating_add(self.continuations).max(0)
    }
}

/// One value for each role.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PerRole<T> {
    pub anonymous: T,
    pub external: T,
    pub registered: T,
    pub paid: T,
    pub privileged: T,
}

impl<T> PerRole<T> {
    /// The role's value.
    pub const fn get(&self, role: Role) -> &T {
        match role {
            Role::Anonymous => &self.anonymous,
            Role::External => &self.external,
            Role::Registered => &self.registered,
            Role::Paid => &self.paid,
            Role::Privileged => &self.privileged,
        }
    }

    /// The role's value, to be changed.
    pub const fn get_mut(&mut self, role: Role) -> &mut T {
        match role {
            Role::Anonymous => &mut self.anonymous,
            Role::External => &mut self.external,
            Role::Registered => &mut self.registered,
            Role::Paid => &mut self.paid,
            Role::Privileged => &mut self.privileged,
        }
    }

    /// Roles with their values, in [`Role::ALL`] order.
    pub fn iter(&self) -> impl Iterator<Item = (Role, &T)> {
        Role::ALL.into_iter().map(|role| (role, self.get(role)))
    }
}

/// The platform's own bookkeeping of a role's queue; a missing field is 0, as its writer means it.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct QueueAnalytics {
    pub avg_wait_seconds: f64,
    pub throughput_last_hour: i64,
}

/// One timed value of a series.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    pub at: UnixSeconds,
    pub value: f64,
}

/// The latency series that workers append to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LatencySeries {
    /// Ingress REST requests, milliseconds.
    IngressRest,
    /// A task's wait in its queue, milliseconds.
    QueueWait,
    /// A task's execution, milliseconds.
    TaskExec,
}

impl LatencySeries {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::IngressRest, Self::QueueWait, Self::TaskExec];
}

/// The two kinds of workers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Component {
    Ingress,
    Proc,
}

impl Component {
    /// Both of them.
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

/// The connection pools that are followed over time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Pool {
    Postgres,
    RedisAsync,
    RedisAsyncDecode,
    RedisSync,
}

impl Pool {
    /// All of them.
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

/// The series that this server writes: one point a tick.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RollingSeries {
    /// Total SSE connections.
    SseConnections,
    /// Queue total over capacity, a ratio.
    QueuePressure,
    /// Tasks in all queues.
    QueueDepth,
    /// Percent of a component's pool in use.
    PoolUtilization(Component, Pool),
    /// Connections of a component's pool in use.
    PoolInUse(Component, Pool),
}

impl RollingSeries {
    /// All 19 of them.
    pub fn all() -> impl Iterator<Item = Self> {
        let pools = Component::ALL.into_iter().flat_map(|component| {
            Pool::ALL
                .into_iter()
                .flat_map(move |pool| [Self::PoolUtilization(component, pool), Self::PoolInUse(component, pool)])
        });
        [Self::SseConnections, Self::QueuePressure, Self::QueueDepth].into_iter().chain(pools)
    }
}

/// One throttled request.
#[derive(Debug, Clone, PartialEq)]
pub struct ThrottlingEvent {
    /// The sorted set's score.
    pub at: UnixSeconds,
    /// What the member held; `None` for a member that is not a JSON object. It still was a
    /// throttled request, so it counts, without reason or status.
    pub detail: Option<ThrottlingDetail>,
}

/// What the platform noted of a throttled request.
#[derive(Debug, Clone, PartialEq)]
pub struct ThrottlingDetail {
    pub reason: Option<String>,
    pub http_status: Option<i64>,
    pub session_id: Option<String>,
    /// The event as consoles show it; `None` for one that lacks what they rely on, and for all but
    /// the newest of many.
    pub shown: Option<serde_json::Value>,
}

/// The platform's circuit breakers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Circuit {
    Authentication,
    RateLimiter,
    Backpressure,
}

impl Circuit {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Authentication, Self::RateLimiter, Self::Backpressure];

    /// The states that one can be in.
    pub const STATES: [&str; 3] = ["closed", "open", "half_open"];

    /// The word in keys, labels and payloads.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Authentication => "authentication",
            Self::RateLimiter => "rate_limiter",
            Self::Backpressure => "backpressure",
        }
    }
}

/// What one circuit breaker left in Redis; each part may be missing.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CircuitFacts {
    /// `closed`, `open` or `half_open`.
    pub state: Option<String>,
    /// The statistics object as written.
    pub stats: Option<serde_json::Map<String, serde_json::Value>>,
    /// Failures in the window.
    pub window_failures: i64,
    pub half_open_calls: Option<i64>,
}

/// Kinds of input that can be unreadable; the label of the malformed counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum InputKind {
    Heartbeat,
    SseSample,
    QueueDepth,
    QueueAnalytics,
    SeriesMember,
    ThrottlingEvent,
    HourlyRequests,
    Circuit,
    GatewayConfig,
    Index,
    /// A field of an upstream's payload.
    Upstream,
}

impl InputKind {
    /// The label value.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Heartbeat => "heartbeat",
            Self::SseSample => "sse_sample",
            Self::QueueDepth => "queue_depth",
            Self::QueueAnalytics => "queue_analytics",
            Self::SeriesMember => "series_member",
            Self::ThrottlingEvent => "throttling_event",
            Self::HourlyRequests => "hourly_requests",
            Self::Circuit => "circuit",
            Self::GatewayConfig => "gateway_config",
            Self::Index => "index",
            Self::Upstream => "upstream",
        }
    }
}

/// One input that could not be read: it is lost, counted, and nothing else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Malformed {
    pub kind: InputKind,
    /// The key it came from, or the upstream and the path in its payload.
    pub key: String,
    /// What was wrong, without the value itself.
    pub problem: String,
}

/// A fact that is there and cannot be read, such as a key of another type: what follows from it is
/// unknown, not zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Unreadable {
    Analytics(Role),
    Latency(LatencySeries),
    Throttling,
    HourlyRequests,
    Circuit(Circuit),
}

/// All raw facts of one tick.
///
/// State (`heartbeats` … `circuits`) is whole; series (`latency`, `rolling`, `throttling_events`)
/// hold what has not been handed over before: on a source's first tick the whole retention.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Facts {
    /// Ordered by instance id, then process id.
    pub heartbeats: Vec<Heartbeat>,
    /// Ordered likewise.
    pub departed: Vec<Departed>,
    /// Distinct heartbeat keys that an index or the discovery named and that exist, readable or not.
    pub process_keys_found: usize,
    pub sse: Vec<SseSample>,
    /// `None` where the role's depth could not be read: unknown, not zero.
    pub queues: PerRole<Option<QueueDepth>>,
    pub analytics: PerRole<Option<QueueAnalytics>>,
    pub latency: BTreeMap<LatencySeries, Vec<Point>>,
    pub rolling: BTreeMap<RollingSeries, Vec<Point>>,
    pub throttling_events: Vec<ThrottlingEvent>,
    /// `%Y-%m-%d_%H` → requests.
    pub hourly_requests: BTreeMap<String, i64>,
    pub circuits: BTreeMap<Circuit, CircuitFacts>,
    pub saved_gateway_config: SavedGatewayConfig,
    pub unreadable: BTreeSet<Unreadable>,
    pub malformed: Vec<Malformed>,
    /// Further ones, by kind: a series may hold millions, which are counted and not listed.
    pub malformed_unlisted: BTreeMap<InputKind, u64>,
    /// Entries of series that were not handed over because there were more than history can hold.
    pub dropped_before_load: u64,
}
