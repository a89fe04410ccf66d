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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_rolling_series_has_a_name_of_its_own_and_is_found_by_it() {
        let names: BTreeSet<String> = RollingSeries::all().map(String::from).collect();
        assert_eq!(names.len(), 19);
        for series in RollingSeries::all() {
            assert_eq!(RollingSeries::try_from(series.to_string()), Ok(series));
            assert_eq!(SeriesId::Rolling(series).to_string(), series.to_string());
        }
        for unknown in ["", "queue_depth ", "pool_in_use:proc", "pool_in_use:proc:tape", "POOL_IN_USE:proc:postgres"] {
            let expected = format!("{unknown:?} is not a rolling series");
            assert_eq!(RollingSeries::try_from(unknown.to_owned()), Err(expected));
        }
    }

    /// Recordings and labels hold these names.
    #[test]
    fn names_of_series_stay_as_they_are() {
        for (series, name) in [
            (SeriesId::Rolling(RollingSeries::SseConnections), "sse_connections"),
            (SeriesId::Rolling(RollingSeries::QueuePressure), "queue_pressure"),
            (SeriesId::Rolling(RollingSeries::QueueDepth), "queue_depth"),
            (
                SeriesId::Rolling(RollingSeries::PoolUtilization(Component::Ingress, Pool::RedisSync)),
                "pool_utilization:ingress:redis_sync",
            ),
            (SeriesId::Rolling(RollingSeries::PoolInUse(Component::Proc, Pool::Postgres)), "pool_in_use:proc:postgres"),
            (SeriesId::Latency(LatencySeries::IngressRest), "ingress_rest"),
            (SeriesId::Latency(LatencySeries::QueueWait), "proc_queue_wait"),
            (SeriesId::Latency(LatencySeries::TaskExec), "proc_exec"),
            (SeriesId::Throttling, "throttling"),
        ] {
            assert_eq!(series.to_string(), name);
        }
    }

    #[test]
    fn a_point_is_a_pair_in_a_recording_the_time_first() {
        let point = Point { at: 1.5, value: 2.0 };
        assert_eq!(serde_json::to_string(&point).unwrap(), "[1.5,2.0]");
        assert_eq!(serde_json::from_str::<Point>("[1.5,2.0]").unwrap(), point);
        let name = serde_json::to_string(&RollingSeries::PoolInUse(Component::Proc, Pool::RedisAsync)).unwrap();
        assert_eq!(name, r#""pool_in_use:proc:redis_async""#);
    }
}
