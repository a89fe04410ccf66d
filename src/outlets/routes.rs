//! Routes over snapshots: a handler reads a snapshot and renders it; none queries a source. A route is a file here and a
//! line in `ROUTES`. Connections, access control and limits are in `http`.

mod client_events;
mod console;
mod description;
mod explain;
mod exports;
mod health;
mod landing;
mod lease;
mod login;
mod metrics;
mod negotiate;
mod openapi;
mod overview;
mod problems;
mod recommendation;
mod route;
mod signals;
mod system;
mod upstreams;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;

use crate::engine::proxy_ticker::UpstreamRepliesReader;
use crate::engine::snapshot::{Snapshot, SnapshotReader};
use crate::outlets::http::gate::{AccessRule, RequestCounter};
use crate::outlets::http::layers;
use crate::outlets::http::problem::{self as http_problem, HttpProblem};
use crate::outlets::names::Mapping;
use crate::outlets::push::delivery::Exports;
use crate::telemetry::Telemetry;

use self::client_events::ClientEvents;
pub(crate) use self::client_events::read_switch as read_client_events;
use self::metrics::Scrapes;
pub(crate) use self::problems::problem_list;
use self::route::{Route, RouteClass};
pub(crate) use self::upstreams::UpstreamEnvelope;

/// Every route, in the order of the page at `/`.
const ROUTES: &[Route] = &[
    landing::PAGE,
    landing::EXPLANATION,
    landing::SCRIPT,
    login::LOGIN,
    metrics::SCRAPE,
    signals::SIGNALS,
    problems::PROBLEMS,
    overview::OVERVIEW,
    explain::EXPLAIN,
    recommendation::RECOMMENDATION,
    system::COMBINED,
    system::INGRESS,
    system::PROC,
    console::SYSTEM,
    console::CIRCUIT_BREAKERS,
    lease::LEASE,
    exports::STATS,
    exports::EXPORT,
    client_events::EVENTS,
    health::HEALTH,
    health::LIVE,
    health::READY,
    openapi::OPENAPI,
];

#[derive(Debug, Clone)]
pub struct RouteConfig {
    pub mapping: Arc<Mapping>,
    /// A snapshot older than this is refreshed before it is served.
    pub scrape_ttl: Duration,
    /// Applies to every route except health and client events.
    pub access: AccessRule,
    /// Whether browsers may send their log events.
    pub client_events: bool,
    /// `acme/chat`, shown on the page at `/`; empty where the source has no scope.
    pub scope: String,
    /// Where the facts come from, without secrets, likewise.
    pub place: String,
    /// `http` or `https`, likewise; sessions under `https` are for it alone.
    pub scheme: &'static str,
    /// The name of the mode in payloads.
    pub mode: &'static str,
    /// Limit of one request to a dependency; a response may take a little longer.
    pub request_timeout: Duration,
}

/// What the handlers share; cheap to clone.
#[derive(Debug, Clone)]
pub struct RouteState {
    reader: SnapshotReader,
    telemetry: Arc<Telemetry>,
    exports: Arc<Exports>,
    scrapes: Arc<Scrapes>,
    /// The upstreams' newest replies, in proxy mode.
    replies: Option<UpstreamRepliesReader>,
    /// `None` = they are not received.
    client_events: Option<Arc<ClientEvents>>,
    config: RouteConfig,
}

impl RouteState {
    /// The state of a server that reads from `reader` and exports through `exports` on demand.
    #[must_use]
    pub fn new(reader: SnapshotReader, telemetry: Arc<Telemetry>, exports: Arc<Exports>, config: RouteConfig) -> Self {
        let scrapes = Arc::new(Scrapes::new(Arc::clone(&config.mapping)));
        let client_events = config.client_events.then(|| Arc::new(ClientEvents::new(&telemetry)));
        Self { reader, telemetry, exports, scrapes, replies: None, client_events, config }
    }

    /// In proxy mode the system routes pass the upstreams' bodies on; `None` is every other mode.
    #[must_use]
    pub fn with_upstream_replies(mut self, replies: Option<UpstreamRepliesReader>) -> Self {
        self.replies = replies;
        self
    }

    /// A snapshot fresh enough to serve; 503 where there is none.
    async fn fresh(&self) -> Result<Arc<Snapshot>, HttpProblem> {
        self.reader.fresher_than(self.config.scrape_ttl).await.ok_or_else(|| {
            HttpProblem::unavailable(
                "there is no fresh snapshot: the source cannot be read; see the log and kdcube_metrics_up",
            )
        })
    }
}

/// Every route with its access rule and limits; other paths and methods get a JSON problem.
pub fn router(state: RouteState) -> Router {
    let paths = ROUTES.iter().flat_map(Route::paths).collect();
    let counter = RequestCounter::new(Arc::clone(&state.telemetry), paths);
    let classes = RouteClass::ALL.into_iter().map(|class| class_router(class, &state));
    layers::common(classes.fold(Router::new(), Router::merge), counter).with_state(state)
}

/// The routes of one class. A path that is not a route is handled like a normal one: it needs access and a permit.
fn class_router(class: RouteClass, state: &RouteState) -> Router<RouteState> {
    let config = &state.config;
    let routes = ROUTES.iter().filter(|route| route.class == class);
    let router = routes.fold(Router::new(), |router, route| route.add_to(router));
    let router = router.method_not_allowed_fallback(http_problem::wrong_method);
    let router = if class == RouteClass::Normal { router.fallback(http_problem::not_found) } else { router };
    let router = layers::limit(router, class.budget(config.request_timeout));
    if class.needs_access() {
        layers::require_access(router, &config.access, class.sessions(), state.telemetry.problems())
    } else {
        router
    }
}

#[cfg(test)]
mod tests;
