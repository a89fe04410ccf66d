//! The server's own part: the real ticker, history and analysis over a source of the world's.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use kdcube_metrics::base::lease::Contender;
use kdcube_metrics::engine::gateway_store::GatewayStore;
use kdcube_metrics::engine::sample_ticker::SampleTicker;
use kdcube_metrics::engine::tick::{RecordMode, Tick, Ticker};
use kdcube_metrics::platform::facts::{Facts, RollingSeries};
use kdcube_metrics::sources::{Cost, Recorded, SaveState, ServerClock, Source, SourceError};
use tokio::time::Instant;

use super::expected::Expected;
use super::reader::Cursor;
use super::world::World;

/// More than a run has.
pub(super) const MOST: usize = 1_000_000;
/// A lease lasts three intervals.
const LEASE_SECONDS: u32 = 15;

pub(super) type SharedWorld = Arc<Mutex<World>>;

/// One life of a server.
pub(super) struct Server {
    ticker: SampleTicker,
    expected: Arc<Mutex<Expected>>,
}

impl Server {
    /// A server that knows nothing but what the world kept; it goes by the world's clock.
    pub(super) fn start(world: &SharedWorld, contender: Contender) -> Self {
        let source = WorldSource { world: Arc::clone(world), cursor: Cursor::default(), contender: contender.clone() };
        let (ticker, expected) = Self::over(Box::new(source), world, contender);
        Self { ticker: ticker.following_the_source(), expected }
    }

    /// The same, with a source that reads a Redis which the world is written to; it goes by the time of its ticks.
    pub(super) fn start_on(source: Box<dyn Source>, world: &SharedWorld, contender: Contender) -> Self {
        let (ticker, expected) = Self::over(source, world, contender);
        Self { ticker, expected }
    }

    fn over(
        source: Box<dyn Source>,
        world: &SharedWorld,
        contender: Contender,
    ) -> (SampleTicker, Arc<Mutex<Expected>>) {
        let expected = Arc::new(Mutex::new(Expected::default()));
        let instance = contender.instance.clone();
        let source = Observed { source, world: Arc::clone(world), contender, expected: Arc::clone(&expected) };
        let gateway = GatewayStore::new(World::environment(), false);
        (SampleTicker::new(Box::new(source), gateway, instance, MOST), expected)
    }

    /// A tick when this server's clock shows `local`.
    pub(super) async fn tick(&mut self, local: f64, is_scheduled: bool) -> Result<Tick, SourceError> {
        while !self.ticker.prepare(local).await? {}
        self.ticker.tick(local, if is_scheduled { RecordMode::Yes } else { RecordMode::No }).await
    }

    pub(super) fn expected(&self) -> Expected {
        self.expected.lock().unwrap().clone()
    }
}

/// A replica's part in the lease. No two lives share a number.
pub(super) fn contender(life: u64, interval: f64) -> Contender {
    Contender { instance: "metrics".to_owned(), run: format!("run-{life}"), seconds: LEASE_SECONDS, interval }
}

/// A source, with the world's faults, whose readings and points are noted for the oracle.
struct Observed {
    source: Box<dyn Source>,
    world: SharedWorld,
    contender: Contender,
    expected: Arc<Mutex<Expected>>,
}

#[async_trait]
impl Source for Observed {
    async fn prepare(&mut self, now: f64) -> Result<bool, SourceError> {
        self.world.lock().unwrap().answer()?;
        self.source.prepare(now).await
    }

    async fn collect(&mut self, now: f64) -> Result<Facts, SourceError> {
        self.world.lock().unwrap().answer()?;
        let facts = self.source.collect(now).await?;
        self.expected.lock().unwrap().observe(&self.world.lock().unwrap());
        Ok(facts)
    }

    async fn record(
        &mut self,
        now: f64,
        points: &[(RollingSeries, f64)],
        save_state: SaveState,
    ) -> Result<Recorded, SourceError> {
        let result = self.source.record(now, points, save_state).await;
        let points: Vec<_> = points.iter().map(|(series, value)| (now, *series, *value)).collect();
        if result == Ok(Recorded::Written) {
            self.world.lock().unwrap().push(&self.contender, &points);
        }
        if result != Ok(Recorded::ByLeader) {
            self.expected.lock().unwrap().recorded(points, result.is_ok());
        }
        result
    }

    fn server_clock(&self) -> Option<ServerClock> {
        Some(ServerClock { at: self.world.lock().unwrap().now(), read: Instant::now(), uncertainty: 0.0 })
    }

    fn cost(&self) -> Cost {
        self.source.cost()
    }
}

/// Reads the world as the Redis source reads Redis.
struct WorldSource {
    world: SharedWorld,
    cursor: Cursor,
    contender: Contender,
}

#[async_trait]
impl Source for WorldSource {
    async fn collect(&mut self, _now: f64) -> Result<Facts, SourceError> {
        self.world.lock().unwrap().read(&mut self.cursor, &self.contender.run)
    }

    async fn record(
        &mut self,
        _now: f64,
        _points: &[(RollingSeries, f64)],
        save_state: SaveState,
    ) -> Result<Recorded, SourceError> {
        self.world.lock().unwrap().claim(&self.contender, save_state)
    }

    fn cost(&self) -> Cost {
        Cost::default()
    }
}
