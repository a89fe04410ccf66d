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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use reqwest::header::HeaderMap;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;
    use crate::base::endpoint::Endpoint;
    use crate::sources::proxy::config::ProxyConfig;
    use crate::telemetry::upstreams::UpstreamCounts;
    use crate::telemetry::{Observed, Telemetry};
    use crate::tls::client::UpstreamTls;

    const NOW: f64 = 1_767_225_600.0;
    const GOOD: &str = r#"{"queue_stats": {"total": 7}, "timestamp": 1767225590.0}"#;

    /// An upstream that answers every request so.
    async fn upstream(status: &'static str, body: &'static str) -> Option<Endpoint> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut head = [0; 4096];
                let _ = stream.read(&mut head).await.unwrap();
                let answer =
                    format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}", body.len());
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        Some(Endpoint::parse(&format!("http://{address}")).unwrap())
    }

    fn ticker(
        ingress: Option<Endpoint>,
        proc: Option<Endpoint>,
    ) -> (ProxyTicker, UpstreamRepliesReader, Arc<Telemetry>) {
        let (tls, timeout) = (UpstreamTls::default(), Duration::from_secs(5));
        let config = ProxyConfig { ingress, proc, auth: None, headers: HeaderMap::new(), tls, timeout };
        let telemetry = Arc::new(Telemetry::default());
        let (ticker, replies) = ProxyTicker::new(Upstreams::new(&config, |_| {}).unwrap(), Arc::clone(&telemetry));
        (ticker, replies, telemetry)
    }

    fn counts(telemetry: &Telemetry, side: &'static str) -> Option<UpstreamCounts> {
        telemetry.own_state(Observed::default()).upstreams.get(side).cloned()
    }

    /// How a side that was asked once did.
    fn once(ok: bool, payload_age_seconds: Option<f64>) -> Option<UpstreamCounts> {
        Some(UpstreamCounts { ok: u64::from(ok), failed: u64::from(!ok), up: Some(ok), payload_age_seconds })
    }

    #[tokio::test]
    async fn one_side_is_enough_and_what_the_other_lacks_says_why() {
        let failed = upstream("503 Service Unavailable", "").await;
        for (ingress, cause, requests, counted) in
            [(None, Cause::NoUpstream, 1, None), (failed, Cause::UpstreamFailed, 2, once(false, None))]
        {
            let (mut ticker, replies, telemetry) = ticker(ingress, upstream("200 OK", GOOD).await);
            let tick = ticker.tick(NOW, RecordMode::Yes).await.unwrap();
            assert_eq!((tick.state.queue.total.get(), tick.state.at), (Some(7), NOW));
            assert_eq!(tick.state.ingress.reason().map(|reason| reason.cause), Some(cause));
            assert_eq!(tick.cost, Cost { round_trips: 1, commands: requests });
            assert_eq!((counts(&telemetry, "ingress"), counts(&telemetry, "proc")), (counted, once(true, Some(10.0))));
            let shown = replies.borrow().clone().unwrap();
            assert!(matches!(&shown.proc, UpstreamReply::Body(body) if &body[..] == GOOD.as_bytes()), "unchanged");
            assert_eq!(tick.payload().queue_stats.total, Some(7));
        }
    }

    #[tokio::test]
    async fn without_any_payload_the_tick_fails_with_the_error_of_each_side_and_the_replies_are_shown() {
        let (mut ticker, replies, telemetry) =
            ticker(upstream("404 Not Found", "").await, upstream("200 OK", "<html>").await);
        let error = ticker.tick(NOW, RecordMode::Yes).await.unwrap_err().to_string();
        let (ingress, proc) = error.split_once("; proc").unwrap_or_else(|| panic!("{error}"));
        assert!(ingress.starts_with("ingress at http://127.0.0.1:") && ingress.contains("404"), "{error}");
        assert_eq!(proc, ": its answer is not JSON (line 1, column 1); it should be the system payload");
        assert_eq!((counts(&telemetry, "ingress"), counts(&telemetry, "proc")), (once(false, None), once(false, None)));
        let problems = telemetry.problems().active();
        let subjects = problems.iter().map(|problem| (problem.code.as_str(), problem.subject.as_str()));
        assert_eq!(subjects.collect::<Vec<_>>(), [("upstream_failed", "ingress"), ("upstream_failed", "proc")]);
        let shown = replies.borrow().clone().unwrap();
        assert!(matches!(&shown.proc, UpstreamReply::Failed(UpstreamError::BadReply { .. })), "{shown:?}");
    }

    #[tokio::test]
    async fn a_payload_is_as_old_as_it_says_never_younger_than_now_and_of_unknown_age_where_it_says_nothing() {
        for (body, age) in [
            (r#"{"timestamp": 1767225500.5}"#, Some(99.5)),
            (r#"{"timestamp": 1767225700}"#, Some(0.0)),
            (r#"{"timestamp": 0}"#, None),
            ("{}", None),
        ] {
            let (mut ticker, _, telemetry) = ticker(None, upstream("200 OK", body).await);
            ticker.tick(NOW, RecordMode::No).await.unwrap();
            assert_eq!(counts(&telemetry, "proc"), once(true, age), "{body}");
        }
    }

    #[tokio::test]
    async fn fields_of_the_wrong_type_are_named_by_their_side_and_leave_the_rest() {
        let wrong = r#"{"queue_stats": {"total": "hunter2"}, "timestamp": 1767225590.0}"#;
        let (mut ticker, ..) = ticker(upstream("200 OK", wrong).await, upstream("200 OK", wrong).await);
        let tick = ticker.tick(NOW, RecordMode::No).await.unwrap();
        let keys: Vec<&str> = tick.malformed.iter().map(|input| input.key.as_str()).collect();
        assert_eq!(keys, ["ingress: queue_stats.total", "proc: queue_stats.total"]);
        assert!(tick.malformed.iter().all(|input| !input.problem.contains("hunter2")));
        assert_eq!(tick.state.queue.total.reason().map(|reason| reason.cause), Some(Cause::Unreadable));
    }

    #[tokio::test]
    async fn a_published_configuration_is_an_upstreams_own_affair() {
        let (mut ticker, replies, _) = ticker(None, None);
        assert!(ticker.apply_update(b"{}", NOW).is_err() && replies.borrow().is_none());
        assert_eq!(ticker.time_limit(), Duration::from_secs(10), "a request, and one more with a newer token");
        assert!(ticker.prepare(NOW).await.is_ok_and(|done| done) && ticker.problems().is_empty());
    }
}
