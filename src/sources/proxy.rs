//! Requests `/monitoring/system` of ingress and processor, both at once. `payload::upstream` parses the bodies.
//!
//! `upstream` is one of them, `breaker` its circuit breaker, `client` the HTTP client, `body` reads a response's body.

mod body;
mod breaker;
mod client;
pub mod config;
mod error;
mod upstream;

use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use self::client::UpstreamClient;
use self::upstream::Upstream;
use crate::base::clock::UnixSeconds;
use crate::platform::facts::Component;
use crate::sources::proxy::config::ProxyConfig;

pub use error::UpstreamError;

/// The result of a request to one upstream.
#[derive(Debug, Clone)]
pub enum UpstreamReply {
    NotConfigured,
    /// Its body, unchanged.
    Body(Bytes),
    Failed(UpstreamError),
}

/// Both upstreams' results of one tick.
#[derive(Debug, Clone)]
pub struct UpstreamReplies {
    pub ingress: UpstreamReply,
    pub proc: UpstreamReply,
    /// When the requests were sent.
    pub at: Instant,
    /// The same time as Unix time.
    pub taken_at: UnixSeconds,
}

impl UpstreamReplies {
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
    /// Connects at the first request. Follows the certificate files, if there are some, and calls `on_reload` after
    /// each change with whether the new ones are used. Needs a runtime.
    ///
    /// # Errors
    /// The certificate files cannot be read or hold no certificates.
    pub fn new(config: &ProxyConfig, on_reload: impl Fn(Option<&[String]>) + Send + 'static) -> Result<Self, String> {
        let upstream = |component| config.endpoint(component).map(|endpoint| Upstream::new(component, endpoint));
        Ok(Self {
            client: UpstreamClient::new(config, on_reload)?,
            ingress: upstream(Component::Ingress),
            proc: upstream(Component::Proc),
            limit: config.timeout,
        })
    }

    /// The longest that [`Self::ask`] takes: a request, and another one with a newer token.
    pub(crate) fn time_limit(&self) -> Duration {
        self.limit * 2
    }

    /// Requests the payload of each configured upstream.
    pub async fn ask(&mut self, now: UnixSeconds) -> UpstreamReplies {
        let at = Instant::now();
        if self.client.was_reloaded() {
            // The upstreams may accept the new certificate.
            [&mut self.ingress, &mut self.proc].into_iter().flatten().for_each(Upstream::close_circuit);
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
        Err(error) => UpstreamReply::Failed(error),
    }
}
