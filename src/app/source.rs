//! From the configured source to what takes its ticks.

use std::sync::Arc;

use jiff::tz::TimeZone;

use crate::base::clock::{Clock, SystemClock};
use crate::base::lease::Contender;
use crate::config::{Config, SourceConfig};
use crate::engine::database::{self, Database};
use crate::engine::gateway_store::GatewayStore;
use crate::engine::proxy_ticker::{ProxyTicker, UpstreamRepliesReader};
use crate::engine::sample_ticker::SampleTicker;
use crate::engine::tick::Ticker;
use crate::platform::gateway::GatewayConfig;
use crate::simulator::source::EmbeddedSource;
use crate::sources::proxy::Upstreams;
use crate::sources::redis::RedisSource;
use crate::sources::redis::config::RedisConfig;
use crate::telemetry::Telemetry;
use crate::telemetry::http::WatchedFiles;

/// The database's answers, asked for in the background, where that is wanted.
///
/// # Errors
/// The CA file cannot be loaded any more.
pub(super) fn watched_database(config: &Config, telemetry: &Arc<Telemetry>) -> anyhow::Result<Option<Database>> {
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
