//! `/metrics`: rendered once for many scrapes.
//!
//! A body is cached by format and encoding until there is another snapshot, the source goes up or
//! down, or the server's own numbers have aged. Without a fresh snapshot only those are served: a
//! series whose fact is gone is absent from the next scrape.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::time::Instant;

use super::description::TEXT;
use super::route::{Route, RouteClass};
use super::{RouteState, negotiate};
use crate::base::gzip;
use crate::catalog::{self, own};
use crate::engine::snapshot::{Snapshot, SnapshotId, SnapshotReader};
use crate::outlets::exposition::{self, TextFormat};
use crate::outlets::names::Mapping;
use crate::telemetry::{Observed, Telemetry};

pub(super) const SCRAPE: Route = Route {
    path: "/metrics",
    aliases: &[],
    class: RouteClass::Normal,
    summary: "Prometheus text, or OpenMetrics on request",
    // Without the compression layer: it is compressed once per rendering, not once per response.
    methods: || get(scrape),
    describe: |route| {
        let what = "every metric, or only the server's own while there is no fresh snapshot";
        route.body(StatusCode::OK, TEXT, what).body(StatusCode::OK, "application/openmetrics-text", what)
    },
};

/// The server's own numbers may be this old.
const OWN_TTL: Duration = Duration::from_millis(100);

/// The cached renderings: text and OpenMetrics, plain and gzipped.
#[derive(Debug)]
pub(super) struct Scrapes {
    mapping: Arc<Mapping>,
    cached: [Mutex<Option<CachedBody>>; 4],
}

/// One rendering and its inputs.
#[derive(Debug)]
struct CachedBody {
    snapshot: Option<SnapshotId>,
    up: bool,
    made: Instant,
    body: Bytes,
}

struct ScrapeInputs {
    snapshot: Option<Arc<Snapshot>>,
    observed: Observed,
}

impl ScrapeInputs {
    fn read(reader: &SnapshotReader, snapshot: Option<Arc<Snapshot>>) -> Self {
        let up = reader.is_up() && snapshot.is_some();
        let latest = reader.latest();
        let snapshot_age_seconds = latest.as_ref().map(|snapshot| snapshot.age().as_secs_f64());
        let snapshot_taken_at = latest.map(|snapshot| snapshot.taken_at);
        let scope_found = snapshot.as_ref().and_then(|snapshot| snapshot.state.scope_found());
        Self { snapshot, observed: Observed { up, snapshot_age_seconds, snapshot_taken_at, scope_found } }
    }

    fn are_of(&self, cached: &CachedBody) -> bool {
        let snapshot = self.snapshot.as_ref().map(|snapshot| snapshot.id);
        cached.made.elapsed() < OWN_TTL && cached.snapshot == snapshot && cached.up == self.observed.up
    }
}

async fn scrape(State(state): State<RouteState>, accept: HeaderMap) -> Response {
    let format = negotiate::format(&accept);
    let gzip = negotiate::gzip(&accept);
    let inputs = ScrapeInputs::read(&state.reader, state.reader.fresher_than(state.config.scrape_ttl).await);
    let body = state.scrapes.body(format, gzip, &inputs, &state.telemetry);
    let mut response = body.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(format.content_type()));
    headers.insert(header::VARY, HeaderValue::from_static("accept, accept-encoding"));
    if gzip {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response
}

impl Scrapes {
    pub(super) fn new(mapping: Arc<Mapping>) -> Self {
        Self { mapping, cached: Default::default() }
    }

    /// The cached body, or a new one; concurrent scrapes of the same rendering wait for one of them to make it.
    fn body(&self, format: TextFormat, zipped: bool, inputs: &ScrapeInputs, telemetry: &Telemetry) -> Bytes {
        let [text, text_gzip, open, open_gzip] = &self.cached;
        let slot = match (format, zipped) {
            (TextFormat::Text, false) => text,
            (TextFormat::Text, true) => text_gzip,
            (TextFormat::OpenMetrics, false) => open,
            (TextFormat::OpenMetrics, true) => open_gzip,
        };
        let mut cached = slot.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(cached) = cached.as_ref().filter(|cached| inputs.are_of(cached)) {
            return cached.body.clone();
        }
        let text = self.render(format, inputs, telemetry);
        let body = Bytes::from(if zipped { gzip::compress(&text) } else { text.into_bytes() });
        let snapshot = inputs.snapshot.as_ref().map(|snapshot| snapshot.id);
        *cached = Some(CachedBody { snapshot, up: inputs.observed.up, made: Instant::now(), body: body.clone() });
        body
    }

    fn render(&self, format: TextFormat, inputs: &ScrapeInputs, telemetry: &Telemetry) -> String {
        let mut samples = match &inputs.snapshot {
            Some(snapshot) => catalog::samples(&snapshot.state),
            None => Vec::new(),
        };
        samples.extend(own::samples(&telemetry.own_state(inputs.observed)));
        exposition::render(&samples, &self.mapping, format)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::snapshot::{Publisher, RunId, TickStatus, channel};

    const STALE_AFTER: Duration = Duration::from_secs(15);

    struct Server {
        publisher: Publisher,
        reader: SnapshotReader,
        scrapes: Scrapes,
        telemetry: Telemetry,
        run: RunId,
    }

    impl Server {
        fn new() -> Self {
            let (publisher, reader) = channel(Duration::from_secs(5), STALE_AFTER);
            let (scrapes, telemetry) = (Scrapes::new(Arc::default()), Telemetry::default());
            Self { publisher, reader, scrapes, telemetry, run: RunId::random() }
        }

        fn publish(&self, number: u64, queued: i64) {
            let mut state = crate::analysis::SystemState::default();
            state.queue.total = crate::analysis::state::Reading::Value(queued);
            let (id, taken) = (self.run.snapshot(number), Instant::now());
            self.publisher.publish(Arc::new(Snapshot { id, taken_at: 100.0, taken, state: Arc::new(state) }));
        }

        fn set_up(&self, up: bool) {
            self.publisher.tick_status(TickStatus { tick_began: Instant::now(), must_end_by: None, up });
        }

        fn scrape(&self, format: TextFormat, zipped: bool) -> Bytes {
            let inputs = ScrapeInputs::read(&self.reader, self.reader.fresh());
            self.scrapes.body(format, zipped, &inputs, &self.telemetry)
        }

        /// The values of these series in the text.
        fn values(&self, names: [&str; 2]) -> [Option<f64>; 2] {
            let text = self.scrape(TextFormat::Text, false);
            let text = String::from_utf8_lossy(&text);
            names.map(|name| {
                let line = text.lines().find(|line| line.split(' ').next() == Some(name))?;
                line.rsplit(' ').next()?.parse().ok()
            })
        }
    }

    const QUEUE: &str = "kdcube_proc_queue_total";
    const UP: &str = "kdcube_metrics_up";

    #[tokio::test(start_paused = true)]
    async fn without_a_fresh_snapshot_only_the_servers_own_series_are_served_and_it_is_not_up() {
        let server = Server::new();
        server.set_up(true);
        assert_eq!(server.values([QUEUE, UP]), [None, Some(0.0)], "before the first snapshot");
        server.publish(1, 7);
        assert_eq!(server.values([QUEUE, UP]), [Some(7.0), Some(1.0)]);
        server.set_up(false);
        assert_eq!(server.values([QUEUE, UP]), [Some(7.0), Some(0.0)], "it is served until it is stale");
        server.set_up(true);
        tokio::time::sleep(STALE_AFTER + Duration::from_millis(1)).await;
        assert_eq!(server.values([QUEUE, UP]), [None, Some(0.0)]);
        let age = "kdcube_metrics_snapshot_age_seconds";
        assert!(server.values([age, UP])[0].is_some_and(|age| age > 15.0), "how old it is, is known");
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_is_made_again_for_another_snapshot_and_when_the_servers_own_numbers_have_aged() {
        let server = Server::new();
        server.set_up(true);
        server.publish(1, 7);
        let first = server.scrape(TextFormat::Text, false);
        server.telemetry.tick_finished(true, Duration::ZERO);
        tokio::time::sleep(OWN_TTL - Duration::from_millis(1)).await;
        assert_eq!(server.scrape(TextFormat::Text, false).as_ptr(), first.as_ptr(), "the same bytes, not a copy");
        tokio::time::sleep(Duration::from_millis(1)).await;
        let second = server.scrape(TextFormat::Text, false);
        assert_ne!(second, first, "a tick more was counted");
        server.publish(2, 7);
        assert_ne!(server.scrape(TextFormat::Text, false).as_ptr(), second.as_ptr());
    }

    #[tokio::test(start_paused = true)]
    async fn each_format_and_encoding_has_a_body_of_its_own() {
        let server = Server::new();
        server.publish(1, 7);
        let renderings = [TextFormat::Text, TextFormat::OpenMetrics].map(|format| {
            let (plain, zipped) = (server.scrape(format, false), server.scrape(format, true));
            assert_eq!(&zipped[..2], [0x1f, 0x8b], "{format:?}");
            assert_eq!(plain.ends_with(b"# EOF\n"), format == TextFormat::OpenMetrics);
            (plain, zipped)
        });
        assert_ne!(renderings[0], renderings[1]);
        assert_eq!(server.scrape(TextFormat::Text, true), renderings[0].1, "none replaced another");
    }
}
