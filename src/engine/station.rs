//! Everything of one scope: what takes its ticks (with gateway configuration, source and history), when, and the snapshots
//! that come of them. A process may have several; today `app` builds one.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use super::collector::Collector;
use super::proxy_ticker::UpstreamRepliesReader;
use super::snapshot::{self, SnapshotReader};
use super::staleness;
use super::tick::Ticker;
use crate::base::clock::Clock;
use crate::problems::ProblemRegistry;
use crate::telemetry::Telemetry;

/// Gateway updates that may wait for the collector; more than a few means that a publisher loops.
const UPDATES: usize = 16;

/// How often a station ticks, and how long its snapshots are served.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    pub interval: Duration,
    pub stale_after: Duration,
}

/// One scope's collector and what it publishes.
pub struct Station {
    collector: Collector,
    reader: SnapshotReader,
    /// Held while the station runs, so that the channel stays open in modes that have no updates.
    updates: mpsc::Sender<Vec<u8>>,
    replies: Option<UpstreamRepliesReader>,
    clock: Arc<dyn Clock>,
    problems: Arc<ProblemRegistry>,
    stale_after: Duration,
}

impl Station {
    /// A station over `ticker`, which in proxy mode publishes its `replies` too.
    #[must_use]
    pub fn new(
        ticker: Box<dyn Ticker>,
        replies: Option<UpstreamRepliesReader>,
        clock: Arc<dyn Clock>,
        telemetry: Arc<Telemetry>,
        pace: Pace,
    ) -> Self {
        let (publisher, reader) = snapshot::channel(pace.interval, pace.stale_after);
        let (updates, published) = mpsc::channel(UPDATES);
        let problems = Arc::clone(telemetry.problems());
        let collector = Collector::new(ticker, Arc::clone(&clock), publisher, telemetry, published, pace.interval);
        Self { collector, reader, updates, replies, clock, problems, stale_after: pace.stale_after }
    }

    /// Where its snapshots are read.
    #[must_use]
    pub fn reader(&self) -> SnapshotReader {
        self.reader.clone()
    }

    /// Where a published gateway configuration is handed in, as bytes of any kind.
    #[must_use]
    pub fn updates(&self) -> mpsc::Sender<Vec<u8>> {
        self.updates.clone()
    }

    /// Where the upstreams' replies are read, in proxy mode.
    #[must_use]
    pub fn replies(&self) -> Option<UpstreamRepliesReader> {
        self.replies.clone()
    }

    /// Ticks until `stop`, and then lets another replica take over.
    pub async fn run(self, stop: impl Future<Output = ()> + Send) {
        let Self { collector, reader, updates: _open, clock, problems, stale_after, .. } = self;
        tokio::select! {
            () = collector.run(stop) => {}
            () = staleness::watch(reader, stale_after, problems, clock) => {}
        }
    }
}
