//! What is kept of one tick: every scalar as it was shown, and what charts show besides.

use crate::analysis::SystemState;
use crate::analysis::state::{Cause, LatencyWindow, Quality, Reading, ThrottledWindow};
use crate::base::clock::UnixSeconds;
use crate::base::number::float;
use crate::catalog;
use crate::engine::snapshot::{Snapshot, SnapshotId};
use crate::platform::facts::{LatencySeries, Role};

/// A value as it was shown, or the kind of reason why there was none.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Shown {
    Value(f64),
    Absent(Cause),
}

impl Shown {
    /// The value, if there was one.
    #[must_use]
    pub const fn value(self) -> Option<f64> {
        match self {
            Self::Value(value) => Some(value),
            Self::Absent(_) => None,
        }
    }
}

impl From<Reading<f64>> for Shown {
    fn from(reading: Reading<f64>) -> Self {
        match reading {
            Reading::Value(value) => Self::Value(value),
            Reading::Absent(reason) => Self::Absent(reason.cause),
        }
    }
}

/// A value that charts show and that is no scalar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Charted {
    /// Tasks of a role, waiting or claimed.
    Depth(Role),
    /// Queued tasks from which a role's new ones are turned away; external users have none of their own.
    Threshold(Role),
    /// Milliseconds, last minute.
    WaitP50,
    WaitP99,
    /// Requests turned away in the last minute.
    RateLimited,
    Backpressured,
    /// Tasks that the processors take, worked on and queued.
    Capacity,
}

impl Charted {
    /// Every one, in the order in which they are kept.
    pub const ALL: [Self; 14] = [
        Self::Depth(Role::Anonymous),
        Self::Depth(Role::External),
        Self::Depth(Role::Registered),
        Self::Depth(Role::Paid),
        Self::Depth(Role::Privileged),
        Self::Threshold(Role::Anonymous),
        Self::Threshold(Role::Registered),
        Self::Threshold(Role::Paid),
        Self::Threshold(Role::Privileged),
        Self::WaitP50,
        Self::WaitP99,
        Self::RateLimited,
        Self::Backpressured,
        Self::Capacity,
    ];

    /// Its value in a state.
    #[must_use]
    pub fn read(self, state: &SystemState) -> Option<f64> {
        match self {
            Self::Depth(role) => state.queue.depths.get(role).get().map(float),
            Self::Threshold(role) => threshold(state, role).map(float),
            Self::WaitP50 => wait(state, |window| &window.p50),
            Self::WaitP99 => wait(state, |window| &window.p99),
            Self::RateLimited => throttled(state, |window| &window.rate_limit).map(float),
            Self::Backpressured => throttled(state, |window| &window.backpressure).map(float),
            Self::Capacity => state.capacity.total.get().map(float),
        }
    }
}

fn threshold(state: &SystemState, role: Role) -> Option<i64> {
    let limits = state.capacity.limits.known()?;
    match role {
        Role::Anonymous => Some(limits.anonymous),
        Role::External => None,
        Role::Registered => Some(limits.registered),
        Role::Paid => Some(limits.paid),
        Role::Privileged => Some(limits.hard),
    }
}

fn wait(state: &SystemState, read: fn(&LatencyWindow) -> &Reading<f64>) -> Option<f64> {
    read(&state.latency.get(&LatencySeries::QueueWait)?.one_minute).get()
}

fn throttled(state: &SystemState, read: fn(&ThrottledWindow) -> &Reading<i64>) -> Option<i64> {
    read(&state.throttling.known()?.windows.one_minute).get()
}

/// One tick.
#[derive(Debug, Clone, PartialEq)]
pub struct TickRecord {
    pub id: SnapshotId,
    pub at: UnixSeconds,
    pub quality: Quality,
    /// In the order of the catalog.
    scalars: Box<[Shown]>,
    /// In the order of [`Charted::ALL`]; nothing where the deployment is not there.
    charted: Box<[Option<f64>]>,
}

impl TickRecord {
    /// What is kept of a snapshot.
    #[must_use]
    pub fn of(snapshot: &Snapshot) -> Self {
        let state = &snapshot.state;
        let is_found = state.quality != Quality::ScopeNotFound;
        Self {
            id: snapshot.id,
            at: snapshot.taken_at,
            quality: state.quality,
            scalars: catalog::scalars(state).map(|(_, reading)| reading.into()).collect(),
            charted: Charted::ALL.iter().map(|charted| charted.read(state).filter(|_| is_found)).collect(),
        }
    }

    /// A scalar as it was shown, by its key; `None` for what is none.
    #[must_use]
    pub fn scalar(&self, key: &str) -> Option<Shown> {
        let place = catalog::all().filter(|metric| metric.is_scalar()).position(|metric| metric.key == key)?;
        self.scalars.get(place).copied()
    }

    /// A value of the charts.
    #[must_use]
    pub fn charted(&self, wanted: Charted) -> Option<f64> {
        let place = Charted::ALL.iter().position(|charted| *charted == wanted)?;
        self.charted.get(place).copied().flatten()
    }

    /// The memory that it takes.
    pub(super) fn bytes(&self) -> usize {
        // The two counts of the `Arc` that holds it, and its place in the ring.
        const BESIDES: usize = 3 * size_of::<usize>();
        size_of::<Self>() + size_of_val(&*self.scalars) + size_of_val(&*self.charted) + BESIDES
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::time::Instant;

    use super::*;
    use crate::analysis::recorded::Case;
    use crate::engine::snapshot::RunId;

    fn record(state: SystemState) -> TickRecord {
        let id = RunId::random().snapshot(7);
        TickRecord::of(&Snapshot { id, taken_at: 1.5, taken: Instant::now(), state: Arc::new(state) })
    }

    #[test]
    fn every_scalar_is_kept_as_it_was_shown() {
        for state in Case::all().into_iter().map(|case| case.state()).chain([SystemState::default()]) {
            let record = record(state.clone());
            for (metric, reading) in catalog::scalars(&state) {
                assert_eq!(record.scalar(metric.key), Some(reading.into()), "{}", metric.key);
            }
            assert_eq!(record.scalar("proc_queue_depth"), None, "a family");
            assert_eq!((record.at, record.quality), (1.5, state.quality));
        }
    }

    #[test]
    fn what_charts_show_is_read_from_its_own_place() {
        let state = Case::all().into_iter().find(|case| case.name == "queues-all-roles").unwrap().state();
        let record = record(state.clone());
        for role in Role::ALL {
            assert_eq!(record.charted(Charted::Depth(role)), state.queue.depths.get(role).get().map(float), "{role:?}");
        }
        let limits = state.capacity.limits.known().unwrap();
        assert_eq!(record.charted(Charted::Threshold(Role::Paid)), Some(float(limits.paid)));
        assert_eq!(record.charted(Charted::Threshold(Role::External)), None);
        assert_eq!(record.charted(Charted::Capacity), state.capacity.total.get().map(float));
    }

    #[test]
    fn nothing_is_charted_of_a_deployment_that_is_not_there() {
        let mut state = Case::all().into_iter().find(|case| case.name == "queues-all-roles").unwrap().state();
        state.quality = Quality::ScopeNotFound;
        let record = record(state);
        assert!(Charted::ALL.iter().all(|charted| record.charted(*charted).is_none()));
        assert_eq!(record.scalar("proc.queue.total"), Some(Shown::Absent(Cause::ScopeNotFound)));
    }
}
