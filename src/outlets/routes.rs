//! Routes over snapshots: handlers read a snapshot and render it; none touches a source. Who may connect, and how long a
//! connection lives, is `http`'s.

mod exports;
mod health;
mod landing;
mod metrics;
mod negotiate;
mod signals;
mod system;
mod upstreams;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::get;
use tower_http::compression::CompressionLayer;

use crate::engine::proxy_ticker::UpstreamRepliesReader;
use crate::engine::snapshot::{Snapshot, SnapshotReader};
use crate::outlets::http::auth::Tokens;
use crate::outlets::http::gate::{self, Gate};
use crate::outlets::http::problem::{self, HttpProblem};
use crate::outlets::names::Mapping;
use crate::outlets::push::delivery::Exports;
use crate::telemetry::Telemetry;

use self::metrics::Scrapes;
pub(crate) use self::upstreams::UpstreamEnvelope;

/// What was configured of the pull side.
#[derive(Debug, Clone)]
pub struct RouteConfig {
    pub mapping: Arc<Mapping>,
    /// A snapshot older than this is refreshed before it is served.
    pub scrape_ttl: Duration,
    /// Whoever has one of these may read.
    pub tokens: Tokens,
    /// Whoever has no client certificate may only ask for health.
    pub needs_certificate: bool,
    /// `http` or `https`, for people to see.
    pub scheme: &'static str,
    /// The word for the mode in payloads.
    pub mode: &'static str,
    /// Limit of one request to a dependency; answers get a little more.
    pub request_timeout: Duration,
}

/// What the routes need; cheap to clone.
#[derive(Debug, Clone)]
pub struct RouteState {
    reader: SnapshotReader,
    telemetry: Arc<Telemetry>,
    exports: Arc<Exports>,
    scrapes: Arc<Scrapes>,
    /// What upstreams told, in proxy mode.
    answers: Option<UpstreamRepliesReader>,
    gate: Gate,
    config: RouteConfig,
}

impl RouteState {
    /// The state of a server that reads from `reader` and pushes through `exports` when asked.
    #[must_use]
    pub fn new(reader: SnapshotReader, telemetry: Arc<Telemetry>, exports: Arc<Exports>, config: RouteConfig) -> Self {
        let scrapes = Arc::new(Scrapes::new(Arc::clone(&config.mapping)));
        let gate =
            Gate::new(config.tokens.clone(), config.needs_certificate, config.request_timeout, Arc::clone(&telemetry));
        Self { reader, telemetry, exports, scrapes, answers: None, gate, config }
    }

    /// The same in proxy mode: the system routes pass on what upstreams told.
    #[must_use]
    pub fn passing_on(mut self, answers: Option<UpstreamRepliesReader>) -> Self {
        self.answers = answers;
        self
    }

    /// The truth, or the answer that there is none.
    async fn truth(&self) -> Result<Arc<Snapshot>, HttpProblem> {
        self.reader.fresher_than(self.config.scrape_ttl).await.ok_or_else(|| {
            HttpProblem::unavailable(
                "there is no fresh snapshot: the source cannot be read; see the log and kdcube_metrics_up",
            )
        })
    }
}

/// Every route; other paths and methods answer a JSON problem.
pub fn router(state: RouteState) -> Router {
    Router::new()
        .route("/", get(landing::page))
        .merge(system_routes(&state))
        .route("/api/v1/signals", get(signals::nested))
        .route("/api/v1/exports", get(exports::stats))
        .route("/metrics/export", get(exports::export).post(exports::export))
        .layer(CompressionLayer::new())
        // Compressed once a rendering, not once an answer.
        .route("/metrics", get(metrics::metrics))
        .route("/health", get(health::health))
        .route("/healthz", get(health::live))
        .route("/livez", get(health::live))
        .route("/-/healthy", get(health::live))
        .route("/readyz", get(health::ready))
        .route("/-/ready", get(health::ready))
        .fallback(problem::not_found)
        .method_not_allowed_fallback(problem::wrong_method)
        .layer(from_fn_with_state(state.gate.clone(), gate::pass))
        .with_state(state)
}

/// The platform's own payload: computed here, or passed on.
fn system_routes(state: &RouteState) -> Router<RouteState> {
    let (combined, ingress, proc) = if state.answers.is_some() {
        (get(upstreams::combined), get(upstreams::ingress), get(upstreams::proc))
    } else {
        (get(system::combined), get(system::bare), get(system::bare))
    };
    Router::new()
        .route("/metrics/combined", combined)
        .route("/metrics/ingress/system", ingress)
        .route("/metrics/proc/system", proc)
}
