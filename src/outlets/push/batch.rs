//! What every sink gets at the same moment: the samples of one snapshot, or the fact that there is none.

use crate::base::clock::UnixSeconds;
use crate::catalog::{self, Sample};
use crate::engine::snapshot::{Snapshot, SnapshotReader};

/// One push to every sink.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ExportBatch {
    /// `None` while the newest snapshot is stale or missing.
    pub snapshot: Option<SnapshotSamples>,
    /// Age of the newest snapshot, stale or not; `None` before the first.
    pub snapshot_age_seconds: Option<f64>,
    /// Its time, stale or not.
    pub snapshot_taken_at: Option<UnixSeconds>,
}

/// The samples of one snapshot.
#[derive(Debug, Clone, PartialEq)]
pub struct SnapshotSamples {
    /// The snapshot's id: a batch that is retried keeps it.
    pub id: String,
    /// The time of the samples.
    pub at: UnixSeconds,
    pub samples: Vec<Sample>,
    /// Whether anything of the scope is in the source; `None` where the source has no scope.
    pub scope_found: Option<bool>,
}

impl ExportBatch {
    /// The batch of a snapshot that was just taken.
    #[must_use]
    pub fn of(snapshot: &Snapshot) -> Self {
        Self {
            snapshot: Some(SnapshotSamples::of(snapshot)),
            snapshot_age_seconds: Some(snapshot.age().as_secs_f64()),
            snapshot_taken_at: Some(snapshot.taken_at),
        }
    }

    /// The batch of a fresh snapshot, or of there being none.
    #[must_use]
    pub fn of_fresh(fresh: Option<&Snapshot>, reader: &SnapshotReader) -> Self {
        if let Some(snapshot) = fresh {
            return Self::of(snapshot);
        }
        let latest = reader.latest();
        Self {
            snapshot: None,
            snapshot_age_seconds: latest.as_ref().map(|snapshot| snapshot.age().as_secs_f64()),
            snapshot_taken_at: latest.map(|snapshot| snapshot.taken_at),
        }
    }
}

impl SnapshotSamples {
    fn of(snapshot: &Snapshot) -> Self {
        let state = &snapshot.state;
        Self {
            id: snapshot.id.to_string(),
            at: snapshot.taken_at,
            samples: catalog::samples(state),
            scope_found: state.scope_found(),
        }
    }
}
