//! `/metrics`: rendered once for many scrapes.
//!
//! A body is kept by format and encoding until there is another snapshot, the source goes up or
//! down, or the server's own numbers have aged. While nothing is true only those are served: a
//! series whose fact is gone is gone from the next scrape.

use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use flate2::Compression;
use flate2::write::GzEncoder;
use tokio::time::Instant;

use super::{RouteState, negotiate};
use crate::catalog;
use crate::catalog::own::Observed;
use crate::engine::snapshot::{Snapshot, SnapshotId, SnapshotReader};
use crate::outlets::exposition::{self, TextFormat};
use crate::outlets::names::Mapping;
use crate::telemetry::Telemetry;

/// The server's own numbers may be this old.
const OWN_TTL: Duration = Duration::from_millis(100);

/// The renderings at hand: text and OpenMetrics, plain and gzipped.
#[derive(Debug)]
pub(super) struct Scrapes {
    mapping: Arc<Mapping>,
    kept: [Mutex<Option<CachedBody>>; 4],
}

/// One rendering, and what it was made of.
#[derive(Debug)]
struct CachedBody {
    snapshot: Option<SnapshotId>,
    up: bool,
    made: Instant,
    body: Bytes,
}

/// What a rendering is made of.
struct ScrapeInputs {
    truth: Option<Arc<Snapshot>>,
    observed: Observed,
}

impl ScrapeInputs {
    fn read(reader: &SnapshotReader, truth: Option<Arc<Snapshot>>) -> Self {
        let up = reader.is_up() && truth.is_some();
        let snapshot_age_seconds = reader.latest().map(|snapshot| snapshot.age().as_secs_f64());
        Self { truth, observed: Observed { up, snapshot_age_seconds } }
    }

    fn are_in(&self, kept: &CachedBody) -> bool {
        let snapshot = self.truth.as_ref().map(|snapshot| snapshot.id);
        kept.made.elapsed() < OWN_TTL && kept.snapshot == snapshot && kept.up == self.observed.up
    }
}

pub(super) async fn metrics(State(state): State<RouteState>, headers: HeaderMap) -> Response {
    let format = negotiate::format(&headers);
    let gzip = negotiate::gzip(&headers);
    let facts = ScrapeInputs::read(&state.reader, state.reader.fresher_than(state.config.scrape_ttl).await);
    let body = state.scrapes.body(format, gzip, &facts, &state.telemetry);
    let mut response = body.into_response();
    let answer = response.headers_mut();
    answer.insert(header::CONTENT_TYPE, HeaderValue::from_static(format.content_type()));
    answer.insert(header::VARY, HeaderValue::from_static("accept, accept-encoding"));
    if gzip {
        answer.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response
}

impl Scrapes {
    pub(super) fn new(mapping: Arc<Mapping>) -> Self {
        Self { mapping, kept: Default::default() }
    }

    /// The kept body, or a new one; askers of the same rendering wait for one of them to make it.
    fn body(&self, format: TextFormat, gzip: bool, facts: &ScrapeInputs, telemetry: &Telemetry) -> Bytes {
        let [text, text_gzip, open, open_gzip] = &self.kept;
        let slot = match (format, gzip) {
            (TextFormat::Text, false) => text,
            (TextFormat::Text, true) => text_gzip,
            (TextFormat::OpenMetrics, false) => open,
            (TextFormat::OpenMetrics, true) => open_gzip,
        };
        let mut kept = slot.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(kept) = kept.as_ref().filter(|kept| facts.are_in(kept)) {
            return kept.body.clone();
        }
        let text = self.render(format, facts, telemetry);
        let body = Bytes::from(if gzip { zipped(&text) } else { text.into_bytes() });
        let snapshot = facts.truth.as_ref().map(|snapshot| snapshot.id);
        *kept = Some(CachedBody { snapshot, up: facts.observed.up, made: Instant::now(), body: body.clone() });
        body
    }

    fn render(&self, format: TextFormat, facts: &ScrapeInputs, telemetry: &Telemetry) -> String {
        let mut text = match &facts.truth {
            Some(snapshot) => exposition::render(&catalog::samples(&snapshot.state), &self.mapping, format),
            None => String::new(),
        };
        text.push_str(&exposition::render_own(&telemetry.read(facts.observed), format));
        exposition::finish(&mut text, format);
        text
    }
}

/// Writing to memory cannot fail.
fn zipped(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(text.len() / 8), Compression::fast());
    let _ = encoder.write_all(text.as_bytes());
    encoder.finish().unwrap_or_default()
}
