//! What every sink gets at the same moment: the samples of one snapshot, or the fact that there is none.

use crate::base::clock::UnixSeconds;
use crate::catalog::{self, Sample};
use crate::engine::snapshot::{Snapshot, SnapshotReader};

/// One push to every sink.
#[derive(Debug, Clone, PartialEq)]
pub struct ExportBatch {
    /// `None` while the newest snapshot is stale or missing.
    pub snapshot: Option<SnapshotSamples>,
    /// Age of the newest snapshot, stale or not; `None` before the first.
    pub snapshot_age_seconds: Option<f64>,
}

/// The samples of one snapshot.
#[derive(Debug, Clone, PartialEq)]
pub struct SnapshotSamples {
    /// The snapshot's id: a batch that is retried keeps it.
    pub id: String,
    /// The time of the samples.
    pub at: UnixSeconds,
    pub samples: Vec<Sample>,
}

impl ExportBatch {
    /// The batch of a snapshot that was just taken.
    #[must_use]
    pub fn of(snapshot: &Snapshot) -> Self {
        Self { snapshot: Some(SnapshotSamples::of(snapshot)), snapshot_age_seconds: Some(snapshot.age().as_secs_f64()) }
    }

    /// The batch of a fresh snapshot, or of there being none.
    #[must_use]
    pub fn of_fresh(fresh: Option<&Snapshot>, reader: &SnapshotReader) -> Self {
        match fresh {
            Some(snapshot) => Self::of(snapshot),
            None => Self {
                snapshot: None,
                snapshot_age_seconds: reader.latest().map(|snapshot| snapshot.age().as_secs_f64()),
            },
        }
    }
}

impl SnapshotSamples {
    fn of(snapshot: &Snapshot) -> Self {
        Self { id: snapshot.id.to_string(), at: snapshot.taken_at, samples: catalog::samples(&snapshot.state) }
    }
}
