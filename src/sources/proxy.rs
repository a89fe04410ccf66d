//! Asks ingress and processor for `/monitoring/system`, both at once.
//!
//! Here is what an answer is. One upstream is `upstream`'s matter, who is asked in what way
//! `client`'s, how a body is taken in `body`'s, when not to ask `circuit`'s. What an answer means is
//! for `monitoring::upstream` to say.

mod body;
mod breaker;
mod client;
pub mod config;
mod upstream;

use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use self::client::UpstreamClient;
use self::upstream::Upstream;
use crate::base::clock::UnixSeconds;
use crate::platform::facts::Component;
use crate::sources::proxy::config::ProxyConfig;

/// What came of asking one upstream.
#[derive(Debug, Clone)]
pub enum UpstreamReply {
    NotConfigured,
    /// Its body, as it was sent.
    Body(Bytes),
    Failed(UpstreamError),
}

/// Why an upstream told nothing: what, where and what to do, and never a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct UpstreamError {
    /// Its HTTP status, where it answered with an error.
    pub status: Option<u16>,
    pub detail: String,
}

/// What both sides told in one tick.
#[derive(Debug, Clone)]
pub struct UpstreamReplies {
    pub ingress: UpstreamReply,
    pub proc: UpstreamReply,
    /// When they were asked.
    pub at: Instant,
    /// The same on the wall clock.
    pub taken_at: UnixSeconds,
}

impl UpstreamReplies {
    /// One side's answer.
    #[must_use]
    pub const fn of(&self, component: Component) -> &UpstreamReply {
        match component {
            Component::Ingress => &self.ingress,
            Component::Proc => &self.proc,
        }
    }
}

/// Both upstreams.
pub struct Upstreams {
    client: UpstreamClient,
    ingress: Option<Upstream>,
    proc: Option<Upstream>,
    limit: Duration,
}

impl Upstreams {
    /// Upstreams that are connected to when they are first asked.
    ///
    /// # Errors
    /// The files of the configuration cannot be read or hold no certificates.
    pub fn new(config: &ProxyConfig) -> Result<Self, String> {
        let upstream = |component| config.endpoint(component).map(|endpoint| Upstream::new(component, endpoint));
        Ok(Self {
            client: UpstreamClient::new(config)?,
            ingress: upstream(Component::Ingress),
            proc: upstream(Component::Proc),
            limit: config.timeout,
        })
    }

    /// The longest that asking takes: a request, and another one with a newer token.
    pub(crate) fn time_limit(&self) -> Duration {
        self.limit * 2
    }

    /// Asks whoever is configured.
    pub async fn ask(&mut self, now: UnixSeconds) -> UpstreamReplies {
        let at = Instant::now();
        if self.client.refresh() {
            // Another certificate may let us in.
            [&mut self.ingress, &mut self.proc].into_iter().flatten().for_each(Upstream::forgive);
        }
        let (ingress, proc) =
            tokio::join!(ask(self.ingress.as_mut(), &self.client), ask(self.proc.as_mut(), &self.client));
        UpstreamReplies { ingress, proc, at, taken_at: now }
    }
}

async fn ask(upstream: Option<&mut Upstream>, client: &UpstreamClient) -> UpstreamReply {
    let Some(upstream) = upstream else { return UpstreamReply::NotConfigured };
    match upstream.ask(client).await {
        Ok(body) => UpstreamReply::Body(body),
        Err(refusal) => UpstreamReply::Failed(refusal),
    }
}
