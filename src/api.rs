//! The pull side: routes over snapshots, health, and the server that carries them.
//!
//! Handlers read snapshots and render; none touches a source. Who may connect, and how long a
//! connection lives, is `server`'s matter.

mod auth;
mod connections;
mod exports;
mod gate;
mod health;
mod landing;
mod negotiate;
mod passthrough;
mod problem;
mod scrape;
pub mod server;
mod signals;
mod system;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::get;
use tower_http::compression::CompressionLayer;

use crate::catalog::mapping::Mapping;
use crate::engine::exports::Exports;
use crate::engine::relay::AnswersReader;
use crate::engine::snapshot::{Snapshot, SnapshotReader};
use crate::telemetry::Telemetry;

pub use auth::Tokens;
pub(crate) use passthrough::Combined;
use problem::Problem;
use scrape::Scrapes;

/// What was configured of the pull side.
#[derive(Debug, Clone)]
pub struct ApiConfig {
    pub mapping: Arc<Mapping>,
    /// A snapshot older than this is refreshed before it is served.
    pub scrape_ttl: Duration,
    /// Whoever has one of these may read.
    pub tokens: Tokens,
    /// The word for the mode in payloads.
    pub mode: &'static str,
    /// No answer takes longer.
    pub time_limit: Duration,
}

/// What the routes need; cheap to clone.
#[derive(Debug, Clone)]
pub struct ApiState {
    reader: SnapshotReader,
    telemetry: Arc<Telemetry>,
    exports: Arc<Exports>,
    scrapes: Arc<Scrapes>,
    /// What upstreams told, in proxy mode.
    answers: Option<AnswersReader>,
    config: ApiConfig,
}

impl ApiState {
    /// The state of a server that reads from `reader` and pushes through `exports` when asked.
    #[must_use]
    pub fn new(reader: SnapshotReader, telemetry: Arc<Telemetry>, exports: Arc<Exports>, config: ApiConfig) -> Self {
        let scrapes = Arc::new(Scrapes::new(Arc::clone(&config.mapping)));
        Self { reader, telemetry, exports, scrapes, answers: None, config }
    }

    /// The same in proxy mode: the system routes pass on what upstreams told.
    #[must_use]
    pub fn passing_on(mut self, answers: Option<AnswersReader>) -> Self {
        self.answers = answers;
        self
    }

    /// The truth, or the answer that there is none.
    async fn truth(&self) -> Result<Arc<Snapshot>, Problem> {
        self.reader.fresher_than(self.config.scrape_ttl).await.ok_or_else(|| {
            Problem::unavailable(
                "there is no fresh snapshot: the source cannot be read; see the log and kdcube_metrics_up",
            )
        })
    }
}

/// Every route; other paths and methods answer a JSON problem.
pub fn router(state: ApiState) -> Router {
    Router::new()
        .route("/", get(landing::page))
        .merge(system_routes(&state))
        .route("/api/v1/signals", get(signals::nested))
        .route("/api/v1/exports", get(exports::records))
        .route("/metrics/export", get(exports::export).post(exports::export))
        .layer(CompressionLayer::new())
        // Compressed once a rendering, not once an answer.
        .route("/metrics", get(scrape::metrics))
        .route("/health", get(health::health))
        .route("/healthz", get(health::live))
        .route("/livez", get(health::live))
        .route("/-/healthy", get(health::live))
        .route("/readyz", get(health::ready))
        .route("/-/ready", get(health::ready))
        .fallback(problem::not_found)
        .method_not_allowed_fallback(problem::wrong_method)
        .layer(from_fn_with_state(state.clone(), gate::pass))
        .with_state(state)
}

/// The platform's own payload: computed here, or passed on.
fn system_routes(state: &ApiState) -> Router<ApiState> {
    let (combined, ingress, proc) = if state.answers.is_some() {
        (get(passthrough::combined), get(passthrough::ingress), get(passthrough::proc))
    } else {
        (get(system::combined), get(system::bare), get(system::bare))
    };
    Router::new()
        .route("/metrics/combined", combined)
        .route("/metrics/ingress/system", ingress)
        .route("/metrics/proc/system", proc)
}
