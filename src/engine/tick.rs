//! What a tick is: one read of the source, and its result. `sample_ticker` (facts) and `proxy_ticker` (payloads of
//! upstreams) take ticks; `collector` decides when.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::analysis::SystemState;
use crate::base::clock::UnixSeconds;
use crate::engine::gateway_store::GatewayStatus;
use crate::payload::{self, shapes::SystemPayload};
use crate::platform::facts::{InputKind, Malformed, SeriesFacts, SeriesId};
use crate::problems::Problem;
use crate::sources::proxy::UpstreamReplies;
use crate::sources::{Cost, SourceError};

/// Takes ticks.
#[async_trait]
pub trait Ticker: Send {
    /// Does one short part of what comes before the first tick, such as reading a long history;
    /// whether that was the last part. `tick` does all that is left, however long it takes.
    ///
    /// # Errors
    /// The source could not be read.
    async fn prepare(&mut self, _now: UnixSeconds) -> Result<bool, SourceError> {
        Ok(true)
    }

    /// What is wrong with the source itself after a tick, whether it succeeded or failed.
    fn problems(&self) -> Vec<Problem> {
        Vec::new()
    }

    /// The longest that a tick takes by the source's own time limits.
    fn time_limit(&self) -> Duration {
        Duration::ZERO
    }

    /// One tick as of `now`.
    ///
    /// # Errors
    /// The source could not be read: then there is no state, and nothing changed.
    async fn tick(&mut self, now: UnixSeconds, record: RecordMode) -> Result<Tick, SourceError>;

    /// Lets another replica take over at once: nothing is recorded after it.
    ///
    /// # Errors
    /// The source could not be written; others take over when the lease has expired.
    async fn release(&mut self) -> Result<(), SourceError> {
        Ok(())
    }

    /// Applies a gateway configuration that was published while the server runs, as bytes of any kind.
    ///
    /// # Errors
    /// What is wrong with the message; the configuration in force stays.
    fn apply_update(&mut self, message: &[u8], now: UnixSeconds) -> Result<(), String>;
}

/// Releases the lease of `ticker`, after which it records nothing. A failure is logged: nothing depends on it but the time.
pub async fn release_lease(ticker: &mut dyn Ticker) {
    if let Err(error) = ticker.release().await {
        tracing::warn!(%error, "the lease was not released: another replica takes over when it has expired");
    }
}

/// The result of one tick.
#[derive(Debug, Default)]
pub struct Tick {
    /// The time of the tick: by the source's clock, where it has one.
    pub at: UnixSeconds,
    pub state: Arc<SystemState>,
    /// What upstreams sent, merged, in proxy mode: more than its state holds.
    pub upstream_payload: Option<Box<SystemPayload>>,
    /// Inputs that could not be read.
    pub malformed: Vec<Malformed>,
    /// Further ones, by kind: too many to be listed.
    pub malformed_unlisted: BTreeMap<InputKind, u64>,
    /// The gateway configuration in force; `None` in proxy mode, which has none.
    pub gateway: Option<GatewayStatus>,
    /// Why the tick's points could not be written, where they could not.
    pub record_error: Option<SourceError>,
    /// Samples dropped so far because a series reached its limit.
    pub dropped: u64,
    /// What the tick found out about series, besides their entries.
    pub series: BTreeMap<SeriesId, SeriesFacts>,
    /// What the tick cost the source.
    pub cost: Cost,
    /// What upstreams replied, in proxy mode.
    pub answers: Option<Arc<UpstreamReplies>>,
    /// This machine's clock minus the source's, seconds; `None` where the source's cannot be read.
    pub clock_offset: Option<f64>,
}

impl Tick {
    /// The platform's payload of this tick.
    #[must_use]
    pub fn payload(&self) -> SystemPayload {
        self.upstream_payload.as_deref().cloned().unwrap_or_else(|| payload::system(&self.state))
    }
}

/// Whether a tick adds its points to the rolling series. Only scheduled ticks do, so that windows
/// do not depend on how often somebody asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordMode {
    /// As the server does it, with what its next start needs to know.
    Yes,
    /// The points alone.
    Points,
    No,
}
