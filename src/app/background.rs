//! The tasks beside the servers: the collector, and the watch for published gateway configurations.

use std::time::Duration;

use anyhow::Context;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::base::own_thread;
use crate::config::{Config, SourceConfig};
use crate::engine::station::Station;
use crate::sources::redis::updates::watch_gateway_updates;

/// How long shutdown waits for the collector to end and release its lease.
const RELEASE: Duration = Duration::from_secs(1);

/// The tasks beside the servers; they end when this is dropped.
pub(super) struct Background {
    collector: JoinHandle<()>,
    stop: Option<oneshot::Sender<()>>,
    updates: Option<JoinHandle<()>>,
}

impl Background {
    /// # Errors
    /// There is no thread for the ticks.
    pub(super) fn start(config: &Config, station: Station) -> anyhow::Result<Self> {
        let updates = match &config.source {
            SourceConfig::Redis { redis, gateway, .. } => {
                let watching = watch_gateway_updates((**redis).clone(), gateway.scope().clone(), station.updates());
                Some(tokio::spawn(watching))
            }
            SourceConfig::Embedded { .. } | SourceConfig::Proxy(_) => None,
        };
        let (stop, stopped) = oneshot::channel();
        let stopped = async {
            // A sender that is gone stops it too.
            let _ = stopped.await;
        };
        // A tick of a large deployment computes for longer than a request may wait.
        let collector =
            own_thread::spawn("ticks", station.run(stopped)).context("cannot start a thread for the ticks")?;
        Ok(Self { collector, stop: Some(stop), updates })
    }

    /// Ends the collector after its tick, so that another replica can take over at once.
    pub(super) async fn stop(mut self) {
        drop(self.stop.take());
        let _ = tokio::time::timeout(RELEASE, &mut self.collector).await;
    }

    /// Completes only if the collector panicked.
    pub(super) async fn collector_ended(&self) {
        while !self.collector.is_finished() {
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        self.collector.abort();
        if let Some(updates) = &self.updates {
            updates.abort();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use tokio::time::Instant;

    use super::*;

    fn background(collector: JoinHandle<()>, stop: oneshot::Sender<()>) -> Background {
        Background { collector, stop: Some(stop), updates: Some(tokio::spawn(pending())) }
    }

    #[tokio::test(start_paused = true)]
    async fn a_collector_has_a_second_to_release_its_lease_and_is_then_ended_with_all_others() {
        for (takes, waited) in [(300, 300), (60_000, 1000)] {
            let (stop, stopped) = oneshot::channel::<()>();
            let release = async move {
                let _ = stopped.await;
                tokio::time::sleep(Duration::from_millis(takes)).await;
            };
            let background = background(tokio::spawn(release), stop);
            let ends = [background.collector.abort_handle(), background.updates.as_ref().unwrap().abort_handle()];
            let began = Instant::now();
            background.stop().await;
            assert_eq!(began.elapsed(), Duration::from_millis(waited));
            tokio::task::yield_now().await;
            assert!(ends.iter().all(tokio::task::AbortHandle::is_finished));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_collector_that_panics_is_noticed_within_half_a_second() {
        let panics = async {
            tokio::time::sleep(Duration::from_secs(3)).await;
            panic!("scripted");
        };
        let background = background(tokio::spawn(panics), oneshot::channel().0);
        let began = Instant::now();
        background.collector_ended().await;
        assert!((3000..=3500).contains(&began.elapsed().as_millis()), "{:?}", began.elapsed());
    }
}
