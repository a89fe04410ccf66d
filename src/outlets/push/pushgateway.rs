//! Pushes samples to a Prometheus Pushgateway: one group, replaced as a whole with every push.
//!
//! A series whose fact is gone is so gone from the gateway too. While nothing is true, only
//! `kdcube_metrics_up 0` and the age of the newest snapshot are left there.

pub mod config;

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use flate2::Compression;
use flate2::write::GzEncoder;
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE};
use reqwest::redirect::Policy;
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use secrecy::ExposeSecret;
use url::Url;

use super::sink::{ExportBatch, Preview, Sink, SinkError};
use crate::base::error_chain;
use crate::catalog::own;
use crate::outlets::exposition::{self, TextFormat};
use crate::outlets::names::Mapping;
use crate::outlets::push::pushgateway::config::PushgatewayConfig;
use crate::telemetry::{Observed, PointCounts};

/// How long a check waits.
const CHECK_LIMIT: Duration = Duration::from_secs(5);

/// What of an answer's text is worth telling.
const MOST_SAID: usize = 200;

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
    /// The HTTP client cannot be built, which is the system's fault (its certificates, say).
    pub fn new(config: PushgatewayConfig, mapping: Arc<Mapping>) -> Result<Self, SinkError> {
        crate::tls::use_ring();
        let client = Client::builder()
            .user_agent(concat!("kdcube-metrics/", env!("CARGO_PKG_VERSION")))
            // A redirect could take the password elsewhere, and would turn a PUT into a GET.
            .redirect(Policy::none())
            .build()
            .map_err(|error| SinkError { message: format!("no HTTP client: {error}"), may_retry: false })?;
        let group = group(&config);
        Ok(Self { config, mapping, group, client, delivered: AtomicU64::new(0) })
    }

    fn body(&self, batch: &ExportBatch) -> String {
        let mut text = match &batch.truth {
            Some(truth) => exposition::render(&truth.samples, &self.mapping, TextFormat::Text),
            None => String::new(),
        };
        let observed = Observed { up: batch.truth.is_some(), snapshot_age_seconds: batch.snapshot_age_seconds };
        text.push_str(&exposition::render(&own::of_snapshot(observed), &self.mapping, TextFormat::Text));
        text
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
        let answer = request.send().await.map_err(|error| self.unreachable(error))?;
        if answer.status().is_success() {
            return Ok(());
        }
        Err(self.refused(answer).await)
    }

    fn unreachable(&self, error: reqwest::Error) -> SinkError {
        let error = error.without_url();
        let cause = error_chain::innermost(&error);
        let message =
            format!("Pushgateway at {}: cannot be reached ({cause}); is it running?", self.config.endpoint.url);
        SinkError { message, may_retry: true }
    }

    /// What the other side said, less what we told it: some proxies answer with the request.
    fn without_password(&self, said: &str) -> String {
        let Some((user, password)) = &self.config.endpoint.user else { return said.to_owned() };
        let password = password.expose_secret();
        let header = STANDARD.encode(format!("{user}:{password}"));
        let told = [header.as_str(), password].into_iter().filter(|told| !told.is_empty());
        told.fold(said.to_owned(), |said, told| said.replace(told, "…"))
    }

    async fn refused(&self, answer: Response) -> SinkError {
        let status = answer.status();
        let may_retry = status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS;
        let advice = match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                "check user and password in METRICS_PROM_PUSHGATEWAY_URL"
            }
            StatusCode::NOT_FOUND => "check the path in METRICS_PROM_PUSHGATEWAY_URL",
            _ if may_retry => "it is tried again",
            _ => "it does not take this push as it is",
        };
        let said = self.without_password(&beginning(answer).await);
        let said: String = said.chars().take(MOST_SAID).collect();
        let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
        SinkError {
            message: format!("Pushgateway at {} answers {status} ({said}); {advice}", self.config.endpoint.url),
            may_retry,
        }
    }
}

#[async_trait]
impl Sink for PushgatewaySink {
    fn name(&self) -> &'static str {
        "pushgateway"
    }

    async fn export(&self, batch: &ExportBatch) -> Result<(), SinkError> {
        let request = self.request(Method::PUT).header(CONTENT_TYPE, TextFormat::Text.content_type());
        self.send(request.header(CONTENT_ENCODING, "gzip").body(zipped(&self.body(batch)))).await?;
        let samples = batch.truth.as_ref().map_or(0, |truth| truth.samples.len());
        self.delivered.fetch_add(u64::try_from(samples).unwrap_or(u64::MAX), Relaxed);
        Ok(())
    }

    /// A push that failed is worth nothing later: the next one replaces the whole group.
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

    async fn stop(&self) -> Result<(), SinkError> {
        if !self.config.delete_on_shutdown {
            return Ok(());
        }
        self.send(self.request(Method::DELETE)).await
    }
}

/// Enough of an answer's text to tell what it is about; the rest is not waited for.
async fn beginning(mut answer: Response) -> String {
    const ENOUGH: usize = 4096;
    let mut bytes = Vec::new();
    while bytes.len() < ENOUGH
        && let Ok(Some(chunk)) = answer.chunk().await
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

/// The base64 form of a value that a path segment cannot hold: an empty one (by convention `=`), one
/// with a slash, those that a URL parser takes for steps, and those of which it leaves characters out.
fn path_value(value: &str) -> Option<String> {
    match value {
        "" => Some("=".to_owned()),
        "." | ".." => Some(URL_SAFE_NO_PAD.encode(value)),
        _ if value.contains(|c: char| matches!(c, '/' | '\\') || c.is_control()) => Some(URL_SAFE_NO_PAD.encode(value)),
        _ => None,
    }
}

/// Writing to memory cannot fail.
fn zipped(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    let _ = encoder.write_all(text.as_bytes());
    encoder.finish().unwrap_or_default()
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
            job: job.to_owned(),
            labels: GroupingLabels(labels),
            delete_on_shutdown: false,
        };
        group(&config).to_string()
    }

    #[test]
    fn odd_label_values_fit_in_a_path() {
        assert_eq!(group_of("kdcube", &[]), "http://gateway:9091/base/metrics/job/kdcube");
        assert_eq!(
            group_of("a/b", &[("dots", ".."), ("empty", ""), ("space", "a b?#%"), ("word", "é")]),
            "http://gateway:9091/base/metrics/job@base64/YS9i/dots@base64/Li4/empty@base64/=/space/a%20b%3F%23%25/word/%C3%A9"
        );
    }
}
