//! One tick of proxy mode: the upstreams' payloads, read and merged.
//!
//! Also publishes the replies themselves for the routes that pass them on, whether or not the tick succeeds.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::watch;

use super::tick::{RecordMode, Tick, Ticker};
use crate::analysis::state::Cause;
use crate::base::clock::UnixSeconds;
use crate::payload::shapes::SystemPayload;
use crate::payload::upstream::{self, ParsedPayload, Sides};
use crate::platform::facts::{Component, Malformed};
use crate::sources::proxy::{UpstreamError, UpstreamReplies, UpstreamReply, Upstreams};
use crate::sources::{Cost, SourceError};
use crate::telemetry::Telemetry;

/// The answers of the newest tick; `None` before the first.
pub type UpstreamRepliesReader = watch::Receiver<Option<Arc<UpstreamReplies>>>;

/// Turns upstreams' payloads into states.
pub struct ProxyTicker {
    upstreams: Upstreams,
    telemetry: Arc<Telemetry>,
    out: watch::Sender<Option<Arc<UpstreamReplies>>>,
}

impl ProxyTicker {
    /// A ticker, and where its replies can be read.
    #[must_use]
    pub fn new(upstreams: Upstreams, telemetry: Arc<Telemetry>) -> (Self, UpstreamRepliesReader) {
        let (out, seen) = watch::channel(None);
        (Self { upstreams, telemetry, out }, seen)
    }

    /// Notes how a side did.
    fn note(&self, component: Component, answer: &UpstreamReply, payload: Option<&SystemPayload>, now: UnixSeconds) {
        match answer {
            UpstreamReply::NotConfigured => return,
            UpstreamReply::Body(_) => self.telemetry.upstream_asked(component, None, now),
            UpstreamReply::Failed(error) => {
                self.telemetry.upstream_asked(component, Some(error.to_string()), now);
            }
        }
        // 0 is the mark of a payload that does not say.
        let age = payload.map(|payload| payload.timestamp).filter(|at| *at > 0.0).map(|at| (now - at).max(0.0));
        self.telemetry.upstream_age(component, age);
    }
}

#[async_trait]
impl Ticker for ProxyTicker {
    fn time_limit(&self) -> Duration {
        self.upstreams.time_limit()
    }

    /// Windows are the upstreams' own: there is nothing to record.
    async fn tick(&mut self, now: UnixSeconds, _record: RecordMode) -> Result<Tick, SourceError> {
        let asked = self.upstreams.ask(now).await;
        let read = tokio::task::spawn_blocking(move || Payloads::read(asked)).await;
        let Payloads { answers, ingress, proc, malformed } = read
            .map_err(|error| SourceError::Upstreams(format!("the upstreams' payloads could not be read: {error}")))?;
        self.note(Component::Ingress, &answers.ingress, ingress.as_ref(), now);
        self.note(Component::Proc, &answers.proc, proc.as_ref(), now);
        let answers = Arc::new(answers);
        self.out.send_replace(Some(Arc::clone(&answers)));
        if ingress.is_none() && proc.is_none() {
            return Err(nothing(&answers));
        }
        let asked = [&answers.ingress, &answers.proc]
            .into_iter()
            .filter(|answer| !matches!(answer, UpstreamReply::NotConfigured));
        let cost = Cost { round_trips: 1, commands: asked.count() as u64 };
        let sides = Sides { ingress: absence(&answers.ingress), proc: absence(&answers.proc), malformed: &malformed };
        let payload = upstream::merge(ingress, proc, now);
        Ok(Tick {
            state: Arc::new(upstream::state(&payload, sides)),
            upstream_payload: Some(Box::new(payload)),
            malformed,
            cost,
            answers: Some(answers),
            ..Tick::default()
        })
    }

    fn apply_update(&mut self, _message: &[u8], _now: UnixSeconds) -> Result<(), String> {
        Err("an upstream has its own gateway configuration".to_owned())
    }
}

/// Why a side has no payload, where it has none.
const fn absence(reply: &UpstreamReply) -> Option<Cause> {
    match reply {
        UpstreamReply::Body(_) => None,
        UpstreamReply::NotConfigured => Some(Cause::NoUpstream),
        UpstreamReply::Failed(_) => Some(Cause::UpstreamFailed),
    }
}

/// Both sides, read.
struct Payloads {
    answers: UpstreamReplies,
    ingress: Option<SystemPayload>,
    proc: Option<SystemPayload>,
    malformed: Vec<Malformed>,
}

impl Payloads {
    /// Parses both bodies; one that is not a payload counts as a failed request.
    fn read(mut answers: UpstreamReplies) -> Self {
        let mut malformed = Vec::new();
        let ingress = read(Component::Ingress, &mut answers.ingress, &mut malformed);
        let proc = read(Component::Proc, &mut answers.proc, &mut malformed);
        Self { answers, ingress, proc, malformed }
    }
}

fn read(component: Component, answer: &mut UpstreamReply, malformed: &mut Vec<Malformed>) -> Option<SystemPayload> {
    let UpstreamReply::Body(body) = answer else { return None };
    match upstream::read(body, component.as_str()) {
        Ok(ParsedPayload { system, malformed: mut found }) => {
            malformed.append(&mut found);
            Some(system)
        }
        Err(problem) => {
            let problem = format!("its answer {problem}; it should be the system payload");
            *answer =
                UpstreamReply::Failed(UpstreamError::BadReply { upstream: component.as_str().to_owned(), problem });
            None
        }
    }
}

fn nothing(answers: &UpstreamReplies) -> SourceError {
    let errors = [&answers.ingress, &answers.proc].into_iter().filter_map(|answer| match answer {
        UpstreamReply::Failed(error) => Some(error.to_string()),
        UpstreamReply::NotConfigured | UpstreamReply::Body(_) => None,
    });
    SourceError::Upstreams(errors.collect::<Vec<_>>().join("; "))
}
