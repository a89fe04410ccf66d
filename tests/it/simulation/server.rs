//! The server's own part: the real ticker, history and analysis over the world's source.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use kdcube_metrics::engine::gateway_store::GatewayStore;
use kdcube_metrics::engine::sample_ticker::SampleTicker;
use kdcube_metrics::engine::tick::{RecordMode, Tick, Ticker};
use kdcube_metrics::platform::facts::{Facts, RollingSeries};
use kdcube_metrics::sources::{Cost, Recorded, SaveState, Source, SourceError};

use super::world::{Cursor, World};

/// More than a run has.
const MOST: usize = 1_000_000;

/// What this life of the server wrote, or found when it started: time, series, value.
pub(super) type Written = Vec<(f64, RollingSeries, f64)>;

pub(super) struct Server {
    ticker: SampleTicker,
    points: Arc<Mutex<Written>>,
}

impl Server {
    /// A server that knows nothing but what the world kept.
    pub(super) fn start(world: &Arc<Mutex<World>>) -> Self {
        let points = Arc::new(Mutex::new(world.lock().unwrap().points().to_vec()));
        let source = WorldSource { world: Arc::clone(world), cursor: Cursor::default(), points: Arc::clone(&points) };
        let gateway = GatewayStore::new(World::environment(), false);
        Self { ticker: SampleTicker::new(Box::new(source), gateway, "metrics-1".to_owned(), MOST), points }
    }

    pub(super) async fn tick(&mut self, now: f64, is_scheduled: bool) -> Result<Tick, SourceError> {
        self.ticker.tick(now, if is_scheduled { RecordMode::Yes } else { RecordMode::No }).await
    }

    pub(super) fn points(&self) -> Written {
        self.points.lock().unwrap().clone()
    }
}

/// Reads the world as the Redis source reads Redis.
struct WorldSource {
    world: Arc<Mutex<World>>,
    cursor: Cursor,
    points: Arc<Mutex<Written>>,
}

#[async_trait]
impl Source for WorldSource {
    async fn collect(&mut self, _now: f64) -> Result<Facts, SourceError> {
        self.world.lock().unwrap().read(&mut self.cursor)
    }

    async fn record(
        &mut self,
        now: f64,
        points: &[(RollingSeries, f64)],
        _save_state: SaveState,
    ) -> Result<Recorded, SourceError> {
        let written = points.iter().map(|(series, value)| (now, *series, *value));
        self.points.lock().unwrap().extend(written.clone());
        self.world.lock().unwrap().write(written.collect()).map(|()| Recorded::Written)
    }

    fn cost(&self) -> Cost {
        Cost::default()
    }
}
