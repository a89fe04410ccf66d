//! Wiring only: builds source, sampler, collector and servers from the configuration, runs
//! them, and stops them in order.

mod background;
mod keda;
mod kubernetes;
mod push;
mod source;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use futures_util::future::OptionFuture;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use self::background::Background;
use self::keda::KedaListener;
use self::kubernetes::KubernetesListener;
pub use self::push::exports;
use self::push::scheduled;
use self::source::watched_database;
pub use self::source::{FactsSource, Writes, asked_database, facts_source, ticker};
use crate::base::clock::{Clock, SystemClock};
use crate::config::{Config, SourceConfig};
use crate::engine::snapshot::SnapshotReader;
use crate::engine::station::{Pace, Station};
use crate::outlets::http;
use crate::outlets::http::access::AccessControl;
use crate::outlets::http::server::{Protocol, ServerState};
use crate::outlets::push::delivery::Exports;
use crate::outlets::routes::{self, RouteConfig, RouteState};
use crate::problems::ProblemRegistry;
use crate::telemetry::Telemetry;

/// How long shutdown waits for responses in progress, and then for the final flush of the sinks: together less than
/// orchestrators wait before they kill.
const DRAIN: Duration = Duration::from_secs(4);
const FINAL_FLUSH: Duration = Duration::from_secs(5);

/// A server that has bound its port and not begun.
pub struct App {
    config: Config,
    listener: TcpListener,
    keda: Option<KedaListener>,
    kubernetes: Option<KubernetesListener>,
    access: Arc<AccessControl>,
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
        let keda = config.keda.as_ref().map(KedaListener::bind).transpose()?;
        let kubernetes = config.kubernetes.as_ref().map(KubernetesListener::bind).transpose()?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let telemetry = Arc::new(Telemetry::new(config.source.scope().map(ToString::to_string).unwrap_or_default()));
        let exports = Arc::new(exports(&config, &telemetry)?);
        let access = Arc::new(AccessControl::start(&config.access, &telemetry)?);
        let database = watched_database(&config, &telemetry)?;
        let (ticker, replies) = ticker(&config, clock.as_ref(), &telemetry, database, Writes::Regularly)?;
        let pace = Pace { interval: config.engine.sample_interval, stale_after: config.engine.stale_after };
        let station = Station::new(ticker, replies, clock, Arc::clone(&telemetry), pace);
        Ok(Self { config, listener, keda, kubernetes, access, station, telemetry, exports })
    }

    /// Where the server listens.
    ///
    /// # Errors
    /// The operating system does not say.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Where KEDA's external scaler listens; `None` = off.
    #[must_use]
    pub fn keda_address(&self) -> Option<SocketAddr> {
        self.keda.as_ref()?.address().ok()
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
        let Self { config, listener, keda, kubernetes, access, station, telemetry, exports } = self;
        let (reader, replies) = (station.reader(), station.replies());
        let mapping = Arc::new(config.mapping.clone());
        let background = Background::start(&config, station)?;
        let scheduler = scheduled(&config, &exports, &reader, telemetry.leadership());
        let route_config = route_config(config, &access);
        let state = RouteState::new(reader.clone(), Arc::clone(&telemetry), Arc::clone(&exports), route_config);
        let router = routes::router(state.with_upstream_replies(replies));
        let stopping = stopping(shutdown);
        let kubernetes =
            kubernetes.map(|listener| listener.serve(reader.clone(), mapping, &telemetry, stopping.clone()));
        let kubernetes = kubernetes.transpose()?;
        let keda = keda.map(|keda| keda.serve(reader, &access, &telemetry, stopping.clone())).transpose()?;
        let server = ServerState::new(Protocol::Http1, router, access, telemetry);
        let both = async {
            tokio::join!(
                http::server::serve(listener, server, stopped(stopping), DRAIN),
                OptionFuture::from(keda),
                OptionFuture::from(kubernetes)
            );
        };
        let ended = tokio::select! {
            () = both => Ok(()),
            () = background.collector_ended() => Err(anyhow::anyhow!("the collector ended; this is a defect, please report it")),
        };
        scheduler.inspect(JoinHandle::abort);
        exports.shut_down(FINAL_FLUSH).await;
        // Last: until now this replica may have pushed.
        background.stop().await;
        ended
    }
}

/// Becomes true with `shutdown`, for every server; they end when it is gone, too.
fn stopping(shutdown: impl Future<Output = ()> + Send + 'static) -> watch::Receiver<bool> {
    let (sender, stopping) = watch::channel(false);
    tokio::spawn(async move {
        shutdown.await;
        sender.send_replace(true);
    });
    stopping
}

async fn stopped(mut stopping: watch::Receiver<bool>) {
    // A sender that is gone has sent before.
    let _ = stopping.wait_for(|stopping| *stopping).await;
}

fn route_config(config: Config, access: &AccessControl) -> RouteConfig {
    RouteConfig {
        scope: config.source.scope().map(ToString::to_string).unwrap_or_default(),
        place: place(&config.source),
        mapping: Arc::new(config.mapping),
        scrape_ttl: config.scrape_ttl,
        access: access.rule(),
        client_events: config.client_events,
        scheme: config.access.scheme(),
        mode: config.source.mode().as_str(),
        request_timeout: config.request_timeout,
    }
}

/// Where the facts come from, for people and without secrets.
fn place(source: &SourceConfig) -> String {
    match source {
        SourceConfig::Redis { redis, .. } => {
            let address = redis.redacted();
            let without_user = address.rsplit_once('@').map_or(address.as_str(), |(_, rest)| rest);
            format!("Redis {}", without_user.rsplit_once("://").map_or(without_user, |(_, rest)| rest))
        }
        SourceConfig::Embedded { .. } => "a simulation".to_owned(),
        SourceConfig::Proxy(_) => "the platform's APIs".to_owned(),
    }
}
