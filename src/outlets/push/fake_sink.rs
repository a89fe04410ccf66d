//! A sink that does as it is told, for tests of deliveries and of their times.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use tokio::time::Instant;

use crate::outlets::push::sink::{ExportBatch, Preview, Sink, SinkError, SnapshotSamples};
use crate::telemetry::PointCounts;

/// What one attempt does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    Take,
    Fail,
    Refuse,
    Hang,
    Panic,
}

/// Everything that happened to a fake.
#[derive(Debug, Default)]
pub(super) struct FakeLog {
    /// When each attempt began, and the id of its batch.
    pub(super) attempts: Vec<(Instant, Option<String>)>,
    pub(super) points: PointCounts,
    pub(super) left: bool,
    /// What the next attempts do; the last act for ever.
    acts: VecDeque<Act>,
}

/// A handle to what a fake saw.
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
            seen.attempts.push((Instant::now(), batch.truth.as_ref().map(|truth| truth.id.clone())));
            if seen.acts.len() > 1 { seen.acts.pop_front() } else { seen.acts.front().copied() }
        });
        match act {
            Some(Act::Take) | None => {
                self.seen(|seen| seen.points.delivered += 2);
                Ok(())
            }
            Some(Act::Fail) => Err(SinkError { message: "away".to_owned(), may_retry: true }),
            Some(Act::Refuse) => Err(SinkError { message: "refused".to_owned(), may_retry: false }),
            Some(Act::Hang) => std::future::pending().await,
            Some(Act::Panic) => panic!("as told"),
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

    async fn stop(&self) -> Result<(), SinkError> {
        self.seen(|seen| seen.left = true);
        Ok(())
    }
}

/// A batch of a snapshot with this id.
pub(super) fn batch(id: &str) -> ExportBatch {
    let truth = SnapshotSamples { id: id.to_owned(), at: 100.0, samples: Vec::new() };
    ExportBatch { truth: Some(truth), snapshot_age_seconds: Some(0.0) }
}
