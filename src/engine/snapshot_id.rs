//! What names a snapshot: unique across scopes, processes and restarts.

use std::cmp::Ordering;
use std::fmt;

/// One collector's life, by chance: two that start in the same second differ too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RunId(u64);

impl RunId {
    /// A new one.
    #[must_use]
    pub fn random() -> Self {
        Self(fastrand::u64(..))
    }

    /// The snapshot of a run's tick.
    #[must_use]
    pub const fn snapshot(self, tick: u64) -> SnapshotId {
        SnapshotId { run: self, tick }
    }
}

/// Names a snapshot: `{run in hex}-{tick}`. Ordered by tick within a run; those of different runs have no order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SnapshotId {
    run: RunId,
    tick: u64,
}

impl fmt::Display for SnapshotId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}-{}", self.run.0, self.tick)
    }
}

impl PartialOrd for SnapshotId {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        (self.run == other.run).then(|| self.tick.cmp(&other.tick))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_two_runs_differ_and_have_no_order() {
        let (one, other) = (RunId::random().snapshot(1), RunId::random().snapshot(1));
        assert_ne!(one, other);
        assert_ne!(one.to_string(), other.to_string());
        assert_eq!(one.partial_cmp(&other), None);
    }

    #[test]
    fn ids_of_a_run_are_ordered_by_tick() {
        let run = RunId(0xab);
        assert!(run.snapshot(2) < run.snapshot(10));
        assert_eq!(run.snapshot(10).to_string(), "00000000000000ab-10");
    }
}
