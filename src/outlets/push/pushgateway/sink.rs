//! Pushes samples to a Prometheus Pushgateway: one group, replaced as a whole with every push.
//!
//! A series that is absent from the batch therefore disappears from the gateway too. Without a fresh snapshot only
//! `kdcube_metrics_up 0` and the age of the newest snapshot remain there.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE};
use reqwest::redirect::Policy;
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use secrecy::ExposeSecret;
use url::Url;

use super::config::{CA_FILE, PushgatewayConfig};
use crate::base::number::count_u64;
use crate::base::{error_chain, gzip};
use crate::catalog::own;
use crate::outlets::exposition::{self, TextFormat};
use crate::outlets::names::Mapping;
use crate::outlets::push::batch::ExportBatch;
use crate::outlets::push::sink::{Preview, Sink, SinkError};
use crate::telemetry::{Observed, PointCounts};
use crate::tls::{self, client};

/// Time limit of a check.
const CHECK_LIMIT: Duration = Duration::from_secs(5);

/// Characters of a response's text that are quoted.
const MAX_QUOTED: usize = 200;

/// Pushes one group to one gateway.
pub struct PushgatewaySink {
    config: PushgatewayConfig,
    mapping: Arc<Mapping>,
    group: Url,
    client: Client,
    delivered: AtomicU64,
}

impl PushgatewaySink {
    /// A sink that connects with its first push.
    ///
    /// # Errors
    /// The HTTP client cannot be built, for example because the CA file went bad.
    pub fn new(config: PushgatewayConfig, mapping: Arc<Mapping>) -> Result<Self, SinkError> {
        let builder = Client::builder()
            .user_agent(concat!("kdcube-metrics/", env!("CARGO_PKG_VERSION")))
            .http1_only()
            // A redirect could take the password elsewhere, and would turn a PUT into a GET.
            .redirect(Policy::none());
        let client = client::build_trusting(CA_FILE.variable(), config.authorities.as_deref(), builder)
            .map_err(|error| SinkError::Setup(format!("Pushgateway: {error}")))?;
        let group = group(&config);
        Ok(Self { config, mapping, group, client, delivered: AtomicU64::new(0) })
    }

    fn body(&self, batch: &ExportBatch) -> String {
        let mut samples = batch.snapshot.as_ref().map_or_else(Vec::new, |snapshot| snapshot.samples.clone());
        let observed = Observed {
            up: batch.snapshot.is_some(),
            snapshot_age_seconds: batch.snapshot_age_seconds,
            snapshot_taken_at: batch.snapshot_taken_at,
            scope_found: batch.snapshot.as_ref().and_then(|snapshot| snapshot.scope_found),
        };
        samples.extend(own::of_snapshot(observed));
        exposition::render(&samples, &self.mapping, TextFormat::Text)
    }

    fn request(&self, method: Method) -> RequestBuilder {
        self.authorized(self.client.request(method, self.group.clone()))
    }

    fn authorized(&self, request: RequestBuilder) -> RequestBuilder {
        match &self.config.endpoint.user {
            Some((user, password)) => request.basic_auth(user, Some(password.expose_secret())),
            None => request,
        }
    }

    async fn send(&self, request: RequestBuilder) -> Result<(), SinkError> {
        let response = request.send().await.map_err(|error| self.unreachable(error))?;
        if response.status().is_success() {
            return Ok(());
        }
        Err(self.rejected(response).await)
    }

    fn unreachable(&self, error: reqwest::Error) -> SinkError {
        let error = error.without_url();
        let cause = error_chain::innermost(&error).to_string();
        let url = &self.config.endpoint.url;
        let failed = format!("Pushgateway at {url}: cannot be reached ({cause})");
        match tls::authority_hint(&cause, Some(CA_FILE.variable())) {
            hint if hint.is_empty() => SinkError::Retry(format!("{failed}; is it running?")),
            hint => SinkError::Denied(failed + &hint),
        }
    }

    /// The text without our credentials: some proxies echo the request.
    fn redacted(&self, text: &str) -> String {
        let Some((user, password)) = &self.config.endpoint.user else { return text.to_owned() };
        let password = password.expose_secret();
        let header = STANDARD.encode(format!("{user}:{password}"));
        let secrets = [header.as_str(), password].into_iter().filter(|secret| !secret.is_empty());
        secrets.fold(text.to_owned(), |text, secret| text.replace(secret, "…"))
    }

    async fn rejected(&self, response: Response) -> SinkError {
        let status = response.status();
        let text = self.redacted(&beginning(response).await);
        let text: String = text.chars().take(MAX_QUOTED).collect();
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let message = format!("Pushgateway at {} answers {status} ({text})", self.config.endpoint.url);
        rejection(status, &message)
    }
}

/// What a status other than success means, and what to do about it.
fn rejection(status: StatusCode, message: &str) -> SinkError {
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            SinkError::Denied(format!("{message}; check user and password in METRICS_PROM_PUSHGATEWAY_URL"))
        }
        StatusCode::NOT_FOUND => {
            SinkError::Denied(format!("{message}; check the path in METRICS_PROM_PUSHGATEWAY_URL"))
        }
        StatusCode::TOO_MANY_REQUESTS => SinkError::Retry(format!("{message}; will retry")),
        _ if status.is_server_error() => SinkError::Retry(format!("{message}; will retry")),
        _ => SinkError::Invalid(format!("{message}; it does not accept this push")),
    }
}

#[async_trait]
impl Sink for PushgatewaySink {
    fn name(&self) -> &'static str {
        "pushgateway"
    }

    async fn export(&self, batch: &ExportBatch) -> Result<(), SinkError> {
        let request = self.request(Method::PUT).header(CONTENT_TYPE, TextFormat::Text.content_type());
        self.send(request.header(CONTENT_ENCODING, "gzip").body(gzip::compress(&self.body(batch)))).await?;
        let samples = batch.snapshot.as_ref().map_or(0, |snapshot| snapshot.samples.len());
        self.delivered.fetch_add(count_u64(samples), Relaxed);
        Ok(())
    }

    /// Nothing waits: the next push replaces the whole group anyway.
    fn point_counts(&self) -> PointCounts {
        PointCounts { delivered: self.delivered.load(Relaxed), ..PointCounts::default() }
    }

    fn preview(&self, batch: &ExportBatch) -> Preview {
        Preview { text: format!("PUT {}\n\n{}", self.group, self.body(batch)), billed_metrics: None, requests: 1 }
    }

    async fn check(&self) -> Result<String, SinkError> {
        let request = self.authorized(self.client.get(self.config.endpoint.join(&["-", "ready"]))).timeout(CHECK_LIMIT);
        self.send(request).await.map(|()| format!("{} is ready", self.config.endpoint.url))
    }

    async fn shutdown(&self) -> Result<(), SinkError> {
        if !self.config.delete_on_shutdown {
            return Ok(());
        }
        self.send(self.request(Method::DELETE)).await
    }
}

/// The beginning of a response's text; the rest is not waited for.
async fn beginning(mut response: Response) -> String {
    const ENOUGH: usize = 4096;
    let mut bytes = Vec::new();
    while bytes.len() < ENOUGH
        && let Ok(Some(chunk)) = response.chunk().await
    {
        bytes.extend_from_slice(chunk.get(..ENOUGH).unwrap_or(&chunk));
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// `…/metrics/job/<job>/<label>/<value>…`
fn group(config: &PushgatewayConfig) -> Url {
    let mut url = config.endpoint.join(&["metrics"]);
    if let Ok(mut path) = url.path_segments_mut() {
        let labels = config.labels.0.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        for (name, value) in std::iter::once(("job", config.job.as_str())).chain(labels) {
            match path_value(value) {
                Some(encoded) => path.push(&format!("{name}@base64")).push(&encoded),
                None => path.push(name).push(value),
            };
        }
    }
    url
}

/// The base64 form of a value that a path segment cannot hold: an empty one (by convention `=`), one with a slash, dot
/// segments, and those of which a URL parser drops characters.
fn path_value(value: &str) -> Option<String> {
    match value {
        "" => Some("=".to_owned()),
        "." | ".." => Some(URL_SAFE_NO_PAD.encode(value)),
        _ if value.contains(|c: char| matches!(c, '/' | '\\') || c.is_control()) => Some(URL_SAFE_NO_PAD.encode(value)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::base::endpoint::Endpoint;
    use crate::outlets::push::pushgateway::config::GroupingLabels;

    fn group_of(job: &str, labels: &[(&str, &str)]) -> String {
        let labels: BTreeMap<_, _> = labels.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        let config = PushgatewayConfig {
            endpoint: Endpoint::parse("http://gateway:9091/base/").unwrap(),
            authorities: None,
            job: job.to_owned(),
            labels: GroupingLabels(labels),
            delete_on_shutdown: false,
        };
        group(&config).to_string()
    }

    #[test]
    fn unusual_label_values_fit_into_a_path() {
        assert_eq!(group_of("kdcube", &[]), "http://gateway:9091/base/metrics/job/kdcube");
        assert_eq!(
            group_of("a/b", &[("dots", ".."), ("empty", ""), ("space", "a b?#%"), ("word", "é")]),
            "http://gateway:9091/base/metrics/job@base64/YS9i/dots@base64/Li4/empty@base64/=/space/a%20b%3F%23%25/word/%C3%A9"
        );
    }

    #[test]
    fn only_outages_and_throttles_are_retried() {
        for (status, may_retry) in [(500, true), (503, true), (429, true), (400, false), (401, false), (404, false)] {
            let error = rejection(StatusCode::from_u16(status).unwrap(), "m");
            assert_eq!(error.may_retry(), may_retry, "{error:?}");
        }
        assert!(matches!(rejection(StatusCode::FORBIDDEN, "m"), SinkError::Denied(_)));
        assert!(matches!(rejection(StatusCode::BAD_REQUEST, "m"), SinkError::Invalid(_)));
    }
}
