//! The raw facts of one tick, as the platform's workers left them: plain data that can be recorded and replayed.
//!
//! Computes nothing. How each is read from bytes is in [`super::parse`]; what they mean is `analysis`'.

mod circuit;
mod input;
mod process;
mod queue;
mod series;
mod shared;
mod sse;
mod throttling;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::platform::gateway::SavedGatewayConfig;

pub use super::scope::Scope;
pub use circuit::{Circuit, CircuitFacts, CircuitState};
pub use input::{DATED_AHEAD, InputKind, Malformed, OUTSIDE, Unreadable};
pub(crate) use process::shared_name;
pub use process::{Component, Departed, HealthWord, Heartbeat, Pool, PoolUse, Pools, ProcessorReport};
pub use queue::{JobBacklog, PerRole, QueueAnalytics, QueueDepth, QueueFront, Role};
pub use series::{LatencySeries, Point, RollingSeries, SeriesFacts, SeriesId};
pub use sse::{SseSample, WorkerId};
pub use throttling::{ThrottlingDetail, ThrottlingEvent};

/// All raw facts of one tick.
///
/// State (`heartbeats` … `circuits`) is complete; series (`latency`, `rolling`, `throttling_events`) hold only entries
/// that no earlier tick returned: on a source's first tick the whole retention.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Facts {
    /// Ordered by instance id, then process id.
    pub heartbeats: Vec<Heartbeat>,
    /// In the same order.
    pub departed: Vec<Departed>,
    /// Distinct heartbeat keys that an index or SCAN named and that exist, readable or not.
    pub process_keys_found: usize,
    pub sse: Vec<SseSample>,
    /// Ingress workers whose heartbeat is there and cannot be read: they live, and so do their connections.
    pub unreadable_workers: BTreeSet<WorkerId>,
    /// Ingress workers that heartbeat and whose count may have changed while nobody looked.
    pub sse_unknown: BTreeSet<WorkerId>,
    /// `None` where the role's depth could not be read: unknown, not zero.
    pub queues: PerRole<Option<QueueDepth>>,
    /// `None` where the list could not be read.
    pub queue_fronts: PerRole<Option<QueueFront>>,
    /// Background jobs; a role without an entry has none, or its stream could not be read.
    pub jobs: BTreeMap<Role, JobBacklog>,
    pub analytics: PerRole<Option<QueueAnalytics>>,
    pub latency: BTreeMap<LatencySeries, Vec<Point>>,
    pub rolling: BTreeMap<RollingSeries, Vec<Point>>,
    pub throttling_events: Vec<ThrottlingEvent>,
    /// A series without an entry has nothing to say; not part of a recording, which begins with the whole retention.
    #[serde(skip)]
    pub series: BTreeMap<SeriesId, SeriesFacts>,
    /// `%Y-%m-%d_%H` → requests.
    pub hourly_requests: BTreeMap<String, i64>,
    pub circuits: BTreeMap<Circuit, CircuitFacts>,
    pub saved_gateway_config: SavedGatewayConfig,
    pub unreadable: BTreeSet<Unreadable>,
    pub malformed: Vec<Malformed>,
    /// More of them, counted by kind: a series may hold millions, which are not listed.
    pub malformed_unlisted: BTreeMap<InputKind, u64>,
    /// Entries of series that were dropped before they were returned, because history cannot hold as many.
    pub dropped_before_load: u64,
}
