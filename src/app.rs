//! Wiring only: builds source, sampler, collector and HTTP server from the configuration, runs
//! them, and stops them in order.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use jiff::tz::TimeZone;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::base::clock::{Clock, SystemClock};
use crate::base::lease::{Contender, Leadership};
use crate::config::{Config, SourceConfig};
use crate::engine::database::{self, Database};
use crate::engine::gateway_store::GatewayStore;
use crate::engine::proxy_ticker::{ProxyTicker, UpstreamRepliesReader};
use crate::engine::sample_ticker::SampleTicker;
use crate::engine::snapshot::SnapshotReader;
use crate::engine::station::{Pace, Station};
use crate::engine::tick::Ticker;
use crate::outlets::http;
use crate::outlets::http::access::AccessControl;
use crate::outlets::http::server::ServerState;
use crate::outlets::push::config::SinkContext;
use crate::outlets::push::delivery::Exports;
use crate::outlets::push::scheduler::{self, Schedule};
use crate::outlets::routes::{self, RouteConfig, RouteState};
use crate::platform::gateway::GatewayConfig;
use crate::problems::ProblemRegistry;
use crate::simulator::source::EmbeddedSource;
use crate::sources::proxy::Upstreams;
use crate::sources::redis::RedisSource;
use crate::sources::redis::config::RedisConfig;
use crate::sources::redis::updates::watch_gateway_updates;
use crate::telemetry::Telemetry;
use crate::telemetry::http::WatchedFiles;

/// How long shutdown waits for responses in progress, and then for the final flush of the sinks: together less than
/// orchestrators wait before they kill.
const DRAIN: Duration = Duration::from_secs(4);
const FINAL_FLUSH: Duration = Duration::from_secs(5);
/// How long shutdown waits for the collector to end and release its lease.
const RELEASE: Duration = Duration::from_secs(1);

/// A server that has bound its port and not begun.
pub struct App {
    config: Config,
    listener: TcpListener,
    access: AccessControl,
    station: Station,
    telemetry: Arc<Telemetry>,
    exports: Arc<Exports>,
}

impl App {
    /// Binds the port, so that a taken one stops the start, and builds everything.
    ///
    /// # Errors
    /// The address cannot be bound, a source or sink cannot be built, or a token or TLS file went bad.
    pub async fn build(config: Config) -> anyhow::Result<Self> {
        let listener = http::server::listen(config.address).with_context(|| {
            format!("cannot listen on {}: choose another METRICS_BIND or METRICS_PORT", config.address)
        })?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let telemetry = Arc::new(Telemetry::new(config.source.scope().map(ToString::to_string).unwrap_or_default()));
        let exports = Arc::new(exports(&config, &telemetry)?);
        let access = AccessControl::start(&config.access, &telemetry)?;
        let database = watched_database(&config, &telemetry)?;
        let (ticker, replies) = ticker(&config, clock.as_ref(), &telemetry, database, Writes::Regularly)?;
        let pace = Pace { interval: config.engine.sample_interval, stale_after: config.engine.stale_after };
        let station = Station::new(ticker, replies, clock, Arc::clone(&telemetry), pace);
        Ok(Self { config, listener, access, station, telemetry, exports })
    }

    /// Where the server listens.
    ///
    /// # Errors
    /// The operating system does not say.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// `http` or `https`.
    #[must_use]
    pub const fn scheme(&self) -> &'static str {
        self.config.access.scheme()
    }

    /// What is wrong with it now.
    #[must_use]
    pub fn problems(&self) -> Arc<ProblemRegistry> {
        Arc::clone(self.telemetry.problems())
    }

    /// What readers see.
    #[must_use]
    pub fn reader(&self) -> SnapshotReader {
        self.station.reader()
    }

    /// Runs until `shutdown`, then drains.
    ///
    /// # Errors
    /// The collector ends, which it should not.
    pub async fn run(self, shutdown: impl Future<Output = ()> + Send + 'static) -> anyhow::Result<()> {
        let Self { config, listener, access, station, telemetry, exports } = self;
        let (reader, replies) = (station.reader(), station.replies());
        let background = Background::start(&config, station);
        let scheduler = scheduled(&config, &exports, &reader, telemetry.leadership());
        let route_config = route_config(config, &access);
        let state = RouteState::new(reader, Arc::clone(&telemetry), Arc::clone(&exports), route_config);
        let server = ServerState::new(routes::router(state.with_upstream_replies(replies)), access, telemetry);
        let ended = tokio::select! {
            () = http::server::serve(listener, server, shutdown, DRAIN) => Ok(()),
            () = background.collector_ended() => Err(anyhow::anyhow!("the collector ended; this is a defect, please report it")),
        };
        scheduler.inspect(JoinHandle::abort);
        exports.shut_down(FINAL_FLUSH).await;
        // Last: until now this replica may have pushed.
        background.stop().await;
        ended
    }
}

/// Starts the scheduled pushes, if there are any.
fn scheduled(
    config: &Config,
    exports: &Arc<Exports>,
    reader: &SnapshotReader,
    leadership: &Leadership,
) -> Option<JoinHandle<()>> {
    let push = &config.export;
    if !push.scheduled {
        return None;
    }
    if exports.is_empty() {
        tracing::warn!("METRICS_SCHEDULER_ENABLED=1, but no sink is enabled: nothing will be pushed");
        return None;
    }
    let schedule = Schedule {
        interval: push.interval,
        on_start: push.on_start,
        keep: Duration::from_secs(u64::from(config.engine.lease_seconds()) * 2) + push.interval,
    };
    let pushes = scheduler::run(Arc::clone(exports), reader.clone(), leadership.clone(), schedule);
    Some(tokio::spawn(pushes))
}

fn route_config(config: Config, access: &AccessControl) -> RouteConfig {
    RouteConfig {
        mapping: Arc::new(config.mapping),
        scrape_ttl: config.scrape_ttl,
        access: access.rule(),
        client_events: config.client_events,
        scheme: config.access.scheme(),
        mode: config.source.mode().as_str(),
        request_timeout: config.request_timeout,
    }
}

/// The enabled sinks.
///
/// # Errors
/// A sink cannot be built.
pub fn exports(config: &Config, telemetry: &Arc<Telemetry>) -> anyhow::Result<Exports> {
    let context = SinkContext { mapping: Arc::new(config.mapping.clone()) };
    let sinks = config.export.build(&context)?;
    Ok(Exports::new(sinks, telemetry, Arc::new(SystemClock), config.request_timeout))
}

/// The database's answers, asked for in the background, where that is wanted.
///
/// # Errors
/// The CA file cannot be loaded any more.
fn watched_database(config: &Config, telemetry: &Arc<Telemetry>) -> anyhow::Result<Option<Database>> {
    let Some(postgres) = config.postgres.clone() else { return Ok(None) };
    let watched = database::watch(postgres, Arc::clone(telemetry), database::Pace::default());
    watched.map(Some).map_err(joined)
}

fn joined(errors: Vec<String>) -> anyhow::Error {
    anyhow::anyhow!(errors.join("; "))
}

/// The same, asked once, for a command that ticks once.
pub async fn asked_database(config: &Config) -> Option<Database> {
    match config.postgres.clone() {
        Some(postgres) => Some(database::ask_once(postgres).await),
        None => None,
    }
}

/// What takes ticks of the configured source and, in proxy mode, where its answers can be read.
///
/// # Errors
/// The source cannot be built.
pub fn ticker(
    config: &Config,
    clock: &dyn Clock,
    telemetry: &Arc<Telemetry>,
    database: Option<Database>,
    writes: Writes,
) -> anyhow::Result<(Box<dyn Ticker>, Option<UpstreamRepliesReader>)> {
    let sampler = |source, gateway: &GatewayConfig, force_environment| {
        let gateway = GatewayStore::new(gateway.clone(), force_environment);
        let sampler = SampleTicker::new(source, gateway, config.instance_id.clone(), config.engine.history_max_samples);
        let sampler = sampler.with_database(database).in_zone(zone(config)).scaled_by(config.scale);
        Box::new(if clock.is_fixed() { sampler } else { sampler.following_the_source() })
    };
    Ok(match &config.source {
        SourceConfig::Redis { redis, gateway, force_environment } => {
            let source = RedisSource::new((**redis).clone(), gateway.scope(), config.engine.history_max_samples);
            let source = following_files(source, redis, telemetry).map_err(joined)?;
            let source = with_lease(source, config, writes, telemetry);
            (sampler(Box::new(source), gateway, *force_environment), None)
        }
        SourceConfig::Embedded { gateway } => {
            (sampler(Box::new(EmbeddedSource::new(clock.now())), gateway, false), None)
        }
        SourceConfig::Proxy(proxy) => {
            if !proxy.tls.paths().is_empty() {
                telemetry.register_watched_files(WatchedFiles::ProxyTls);
            }
            let reloaded = reloads(telemetry, WatchedFiles::ProxyTls);
            let upstreams = Upstreams::new(proxy, reloaded).map_err(anyhow::Error::msg)?;
            let (relay, answers) = ProxyTicker::new(upstreams, Arc::clone(telemetry));
            (Box::new(relay), Some(answers))
        }
    })
}

/// A source that follows its TLS files, where it has any.
///
/// # Errors
/// A file can no longer be used.
fn following_files(
    source: RedisSource,
    redis: &RedisConfig,
    telemetry: &Arc<Telemetry>,
) -> Result<RedisSource, Vec<String>> {
    if !redis.has_tls_files() {
        return Ok(source);
    }
    telemetry.register_watched_files(WatchedFiles::RedisTls);
    source.following_tls_files(redis, reloads(telemetry, WatchedFiles::RedisTls))
}

/// Counts the reloads of some files.
fn reloads(telemetry: &Arc<Telemetry>, files: WatchedFiles) -> impl Fn(Option<&[String]>) + Send + 'static {
    let telemetry = Arc::clone(telemetry);
    move |errors| telemetry.files_reloaded(files, errors, SystemClock.now())
}

/// The time zone of the deployment's workers; the simulated ones are in UTC.
fn zone(config: &Config) -> TimeZone {
    match config.source {
        SourceConfig::Embedded { .. } => TimeZone::UTC,
        SourceConfig::Redis { .. } | SourceConfig::Proxy(_) => config.engine.zone.clone(),
    }
}

/// What a ticker writes, beside other replicas that may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writes {
    Nothing,
    /// One tick's points, whenever it is.
    Once,
    /// Points at the sample interval.
    Regularly,
}

/// A source that takes its turn with the other replicas.
fn with_lease(source: RedisSource, config: &Config, writes: Writes, telemetry: &Telemetry) -> RedisSource {
    if writes == Writes::Nothing || !config.engine.lease {
        return source;
    }
    let contender = Contender {
        instance: config.instance_id.clone(),
        run: format!("{:016x}", fastrand::u64(..)),
        seconds: config.engine.lease_seconds(),
        interval: if writes == Writes::Once { 0.0 } else { config.engine.sample_interval.as_secs_f64() },
    };
    source.with_lease(contender, telemetry.leadership())
}

/// The tasks beside the HTTP server; they end when this is dropped.
struct Background {
    collector: JoinHandle<()>,
    stop: Option<oneshot::Sender<()>>,
    updates: Option<JoinHandle<()>>,
}

impl Background {
    fn start(config: &Config, station: Station) -> Self {
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
        Self { collector: tokio::spawn(station.run(stopped)), stop: Some(stop), updates }
    }

    /// Ends the collector after its tick, so that another replica can take over at once.
    async fn stop(mut self) {
        drop(self.stop.take());
        let _ = tokio::time::timeout(RELEASE, &mut self.collector).await;
    }

    /// Completes only if the collector panicked.
    async fn collector_ended(&self) {
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
