//! A scripted sink for tests of deliveries and of their times.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use tokio::time::Instant;

use crate::outlets::push::batch::{ExportBatch, SnapshotSamples};
use crate::outlets::push::sink::{Preview, Sink, SinkError};
use crate::telemetry::PointCounts;

/// What one attempt does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    Take,
    Fail,
    Deny,
    Hang,
    Panic,
}

/// What a fake was asked to do so far.
#[derive(Debug, Default)]
pub(super) struct FakeLog {
    /// When each attempt began, and the id of its batch.
    pub(super) attempts: Vec<(Instant, Option<String>)>,
    pub(super) points: PointCounts,
    pub(super) shut_down: bool,
    /// What the next attempts do; the last one repeats.
    acts: VecDeque<Act>,
}

/// A handle to a fake.
#[derive(Debug, Clone, Default)]
pub(super) struct Fake(Arc<Mutex<FakeLog>>);

impl Fake {
    pub(super) fn new(acts: &[Act]) -> Self {
        Self(Arc::new(Mutex::new(FakeLog { acts: acts.iter().copied().collect(), ..FakeLog::default() })))
    }

    pub(super) fn sink(&self) -> Box<dyn Sink> {
        Box::new(self.clone())
    }

    pub(super) fn seen<T>(&self, look: impl FnOnce(&mut FakeLog) -> T) -> T {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn attempts(&self) -> usize {
        self.seen(|seen| seen.attempts.len())
    }
}

#[async_trait]
impl Sink for Fake {
    fn name(&self) -> &'static str {
        "fake"
    }

    async fn export(&self, batch: &ExportBatch) -> Result<(), SinkError> {
        let act = self.seen(|seen| {
            seen.attempts.push((Instant::now(), batch.snapshot.as_ref().map(|snapshot| snapshot.id.clone())));
            if seen.acts.len() > 1 { seen.acts.pop_front() } else { seen.acts.front().copied() }
        });
        match act {
            Some(Act::Take) | None => {
                self.seen(|seen| seen.points.delivered += 2);
                Ok(())
            }
            Some(Act::Fail) => Err(SinkError::Retry("away".to_owned())),
            Some(Act::Deny) => Err(SinkError::Denied("denied".to_owned())),
            Some(Act::Hang) => std::future::pending().await,
            Some(Act::Panic) => panic!("scripted"),
        }
    }

    fn preview(&self, _: &ExportBatch) -> Preview {
        Preview { text: String::new(), billed_metrics: None, requests: 1 }
    }

    async fn check(&self) -> Result<String, SinkError> {
        Ok(String::new())
    }

    fn point_counts(&self) -> PointCounts {
        self.seen(|seen| seen.points)
    }

    async fn shutdown(&self) -> Result<(), SinkError> {
        self.seen(|seen| seen.shut_down = true);
        Ok(())
    }
}

/// A batch of a snapshot with this id.
pub(super) fn batch(id: &str) -> ExportBatch {
    let snapshot = SnapshotSamples { id: id.to_owned(), at: 100.0, samples: Vec::new(), scope_found: None };
    ExportBatch { snapshot: Some(snapshot), snapshot_age_seconds: Some(0.0), snapshot_taken_at: Some(0.0) }
}
