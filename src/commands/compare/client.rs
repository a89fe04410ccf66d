//! Requests to the two servers. A token goes to its own server only: no proxies, no redirects.

use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Response, Url};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use super::names::{self, Page};
use crate::base::endpoint::Endpoint;
use crate::base::error_chain;
use crate::tls::client::{self, UpstreamTls};
use crate::tls::file_error::TlsFileError;

/// The Python service reads every key of the deployment for each request.
const TIMEOUT: Duration = Duration::from_secs(30);
const LONGEST_BODY: usize = 16 * 1024 * 1024;

/// Why there is nothing to compare.
#[derive(Debug, thiserror::Error)]
pub(in crate::commands) enum FetchError {
    #[error("{0}")]
    Tls(String),
    #[error("{url}: {cause}")]
    Request { url: Url, cause: String },
    #[error("{0} answers {1}")]
    Status(Url, reqwest::StatusCode),
    #[error("{0}: the body is longer than 16 MiB")]
    TooLong(Url),
    #[error("{0}: the body is not JSON")]
    NotJson(Url),
    #[error("{0}: there is no `system` with processes and queues in it; both servers must run in redis mode")]
    NoSystem(Url),
    #[error("{failed} of {polls} polls failed; the last one: {last}")]
    TooManyFailed { failed: u32, polls: u32, last: Box<FetchError> },
}

/// A client for both servers.
///
/// # Errors
/// A file of certificates cannot be used.
pub(super) fn build(tls: &UpstreamTls) -> Result<reqwest::Client, FetchError> {
    let builder = reqwest::Client::builder().no_proxy().redirect(Policy::none()).timeout(TIMEOUT);
    let text = |problems: Vec<TlsFileError>| problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
    client::build(tls, builder).map_err(|problems| FetchError::Tls(text(problems)))
}

/// One of the two servers.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) client: reqwest::Client,
    pub(super) endpoint: Endpoint,
    pub(super) token: Option<SecretString>,
}

/// What one server answers in one poll.
#[derive(Debug)]
pub(super) struct Answers {
    pub(super) system: Value,
    pub(super) metrics: Page,
}

impl Server {
    pub(super) async fn ask(&self) -> Result<Answers, FetchError> {
        let (combined, url) = self.get(&["metrics", "combined"]).await?;
        let mut combined: Value = serde_json::from_slice(&combined).map_err(|_| FetchError::NotJson(url.clone()))?;
        let system = combined.get_mut("system").map(Value::take).unwrap_or_default();
        // Two empty objects would be equal.
        if ["components", "queue_stats", "instances"].iter().any(|key| system.get(key).is_none()) {
            return Err(FetchError::NoSystem(url));
        }
        let (metrics, _) = self.get(&["metrics"]).await?;
        Ok(Answers { system, metrics: names::page(&String::from_utf8_lossy(&metrics)) })
    }

    async fn get(&self, path: &[&str]) -> Result<(Vec<u8>, Url), FetchError> {
        let url = self.endpoint.join(path);
        let mut request = self.client.get(url.clone());
        if let Some((user, password)) = &self.endpoint.user {
            request = request.basic_auth(user, Some(password.expose_secret()));
        }
        if let Some(token) = &self.token {
            request = request.bearer_auth(token.expose_secret());
        }
        let response = request.send().await.map_err(|error| failed(&url, error))?;
        if !response.status().is_success() {
            return Err(FetchError::Status(url, response.status()));
        }
        Ok((body(response, &url).await?, url))
    }
}

async fn body(mut response: Response, url: &Url) -> Result<Vec<u8>, FetchError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| failed(url, error))? {
        if body.len() + chunk.len() > LONGEST_BODY {
            return Err(FetchError::TooLong(url.clone()));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn failed(url: &Url, error: reqwest::Error) -> FetchError {
    let error = error.without_url();
    let cause = if error.is_timeout() { "timed out".to_owned() } else { error_chain::innermost(&error).to_string() };
    let hint = crate::tls::authority_hint(&cause, Some("METRICS_PROXY_CA_FILE"));
    let cause = cause + &hint;
    FetchError::Request { url: url.clone(), cause }
}
