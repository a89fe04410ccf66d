//! Timed values: the latency series that workers write, and the rolling series that this server writes.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Component, Pool};
use crate::base::clock::UnixSeconds;

/// One timed value of a series; a pair of numbers in a recording, which may hold millions.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(from = "(f64, f64)", into = "(f64, f64)")]
pub struct Point {
    pub at: UnixSeconds,
    pub value: f64,
}

impl From<(f64, f64)> for Point {
    fn from((at, value): (f64, f64)) -> Self {
        Self { at, value }
    }
}

impl From<Point> for (f64, f64) {
    fn from(Point { at, value }: Point) -> Self {
        (at, value)
    }
}

/// The latency series that workers append to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LatencySeries {
    /// Ingress REST requests, milliseconds.
    IngressRest,
    /// A task's wait in its queue, milliseconds.
    QueueWait,
    /// A task's execution, milliseconds.
    TaskExec,
}

impl LatencySeries {
    pub const ALL: [Self; 3] = [Self::IngressRest, Self::QueueWait, Self::TaskExec];

    /// The word in labels.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::IngressRest => "ingress_rest",
            Self::QueueWait => "proc_queue_wait",
            Self::TaskExec => "proc_exec",
        }
    }
}

/// The series that this server writes: one point a tick. By its [`fmt::Display`] name in a recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
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
    /// All 19.
    pub fn all() -> impl Iterator<Item = Self> {
        let pools = Component::ALL.into_iter().flat_map(|component| {
            Pool::ALL
                .into_iter()
                .flat_map(move |pool| [Self::PoolUtilization(component, pool), Self::PoolInUse(component, pool)])
        });
        [Self::SseConnections, Self::QueuePressure, Self::QueueDepth].into_iter().chain(pools)
    }
}

/// Any series that is followed from tick to tick.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SeriesId {
    Latency(LatencySeries),
    Rolling(RollingSeries),
    Throttling,
}

/// What a tick found out about a series, besides its new entries.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct SeriesFacts {
    /// The entries of this tick are all that the source holds: those of earlier ticks are gone, or come again.
    pub restarted: bool,
    /// Entries dated ahead of the tick, which wait until their time comes.
    pub ahead: u64,
    /// Entries that came too late to be read, since the last tick.
    pub late: u64,
    /// Entries that were dropped because history cannot hold as many, and the time of the newest of them.
    pub dropped: u64,
    pub dropped_up_to: UnixSeconds,
    /// How far reading is behind the tick, seconds; `None` for a series that no worker writes.
    pub lag_seconds: Option<f64>,
}

impl fmt::Display for SeriesId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Latency(series) => f.write_str(series.as_str()),
            Self::Rolling(series) => series.fmt(f),
            Self::Throttling => f.write_str("throttling"),
        }
    }
}

impl fmt::Display for RollingSeries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SseConnections => f.write_str("sse_connections"),
            Self::QueuePressure => f.write_str("queue_pressure"),
            Self::QueueDepth => f.write_str("queue_depth"),
            Self::PoolUtilization(component, pool) => {
                write!(f, "pool_utilization:{}:{}", component.as_str(), pool.as_str())
            }
            Self::PoolInUse(component, pool) => write!(f, "pool_in_use:{}:{}", component.as_str(), pool.as_str()),
        }
    }
}

impl From<RollingSeries> for String {
    fn from(series: RollingSeries) -> Self {
        series.to_string()
    }
}

impl TryFrom<String> for RollingSeries {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        Self::all().find(|series| series.to_string() == name).ok_or_else(|| format!("{name:?} is not a rolling series"))
    }
}
