//! The HTTP client that all upstreams are asked with: its certificates, its headers, and where it
//! does not follow.

use std::fs;
use std::path::PathBuf;
use std::time::SystemTime;

use reqwest::header::{ACCEPT, ACCEPT_ENCODING, HeaderMap, HeaderValue};
use reqwest::redirect::{Action, Attempt, Policy};
use reqwest::{RequestBuilder, Url};
use secrecy::ExposeSecret;

use crate::base::endpoint::Endpoint;
use crate::base::{error_chain, files};
use crate::sources::proxy::config::{AuthHeader, AuthValue, ProxyConfig, header_value};
use crate::tls::client::{self, UpstreamTls};
use crate::tls::file_error::lines;

/// Redirects that are followed on one server.
const MOST_REDIRECTS: usize = 5;

/// The client, built anew when one of its files changes.
pub(super) struct UpstreamClient {
    config: ProxyConfig,
    stamps: Vec<Stamp>,
    http: reqwest::Client,
}

/// When a file was last written, and its length; `None` for one that cannot be looked at.
type Stamp = Option<(SystemTime, u64)>;

impl UpstreamClient {
    /// # Errors
    /// A file cannot be read or does not hold what it should.
    pub(super) fn new(config: &ProxyConfig) -> Result<Self, String> {
        Ok(Self { http: build(config)?, stamps: stamps(&config.tls), config: config.clone() })
    }

    /// Reads certificates anew if they have changed; whether new ones are in force now. Those that
    /// cannot be read leave the old ones in force: a key may be written before its certificate is.
    pub(super) fn refresh(&mut self) -> bool {
        let stamps = stamps(&self.config.tls);
        if stamps == self.stamps {
            return false;
        }
        self.stamps = stamps;
        match build(&self.config) {
            Ok(http) => {
                self.http = http;
                tracing::info!("the certificates for upstreams have changed and are in force");
                true
            }
            Err(problem) => {
                tracing::warn!(problem, "the certificates for upstreams have changed; the old ones stay in force");
                false
            }
        }
    }

    /// The header that lets us in, as it is now.
    ///
    /// # Errors
    /// Its file cannot be read or holds no such value.
    pub(super) fn token(&self) -> Result<Option<HeaderValue>, String> {
        let Some(AuthHeader { value, .. }) = &self.config.auth else { return Ok(None) };
        let unfit = |_| "METRICS_AUTH_HEADER_VALUE: cannot be the value of a header".to_owned();
        match value {
            AuthValue::Fixed(value) => header_value(value.expose_secret()).map(Some).map_err(unfit),
            AuthValue::File(path) => {
                let told = |problem| format!("METRICS_AUTH_HEADER_VALUE_FILE {path:?}: {problem}");
                let bytes = files::read(path).map_err(told)?;
                header_value(&String::from_utf8_lossy(&bytes)).map(Some).map_err(unfit)
            }
        }
    }

    /// A request for `url`, which is one of `endpoint`'s.
    pub(super) fn get(&self, url: Url, endpoint: &Endpoint, token: Option<&HeaderValue>) -> RequestBuilder {
        let mut request = self.http.get(url).headers(self.config.headers.clone());
        if let Some((user, password)) = &endpoint.user {
            request = request.basic_auth(user, Some(password.expose_secret()));
        }
        if let Some((AuthHeader { name, .. }, token)) = self.config.auth.as_ref().zip(token) {
            // Not `header`, which would add a second one to those above.
            request = request.headers(HeaderMap::from_iter([(name.clone(), token.clone())]));
        }
        request
    }
}

fn build(config: &ProxyConfig) -> Result<reqwest::Client, String> {
    let accepted = [(ACCEPT, "application/json"), (ACCEPT_ENCODING, "gzip")];
    let headers = accepted.map(|(name, value)| (name, HeaderValue::from_static(value))).into_iter().collect();
    let builder = reqwest::Client::builder()
        .user_agent(concat!("kdcube-metrics/", env!("CARGO_PKG_VERSION")))
        .default_headers(headers)
        .redirect(Policy::custom(on_the_same_server))
        .timeout(config.timeout);
    client::build(&config.tls, builder).map_err(lines).map_err(|problems| problems.join("; "))
}

/// A redirect elsewhere would take the headers that let us in with it.
fn on_the_same_server(attempt: Attempt<'_>) -> Action {
    let here = attempt.previous().last().map(Url::origin);
    if here.as_ref() != Some(&attempt.url().origin()) {
        return attempt.error("it redirects to another server, which is not followed: the token would leak");
    }
    if attempt.previous().len() > MOST_REDIRECTS {
        return attempt.error("it redirects again and again");
    }
    attempt.follow()
}

fn stamps(tls: &UpstreamTls) -> Vec<Stamp> {
    let identity = tls.identity.iter().flat_map(|(certificate, key)| [certificate, key]);
    let stamp = |path: &PathBuf| {
        let metadata = fs::metadata(path).ok()?;
        Some((metadata.modified().ok()?, metadata.len()))
    };
    tls.authorities.iter().chain(identity).map(stamp).collect()
}

/// The innermost cause of an error, without the URL.
pub(super) fn cause(error: reqwest::Error) -> String {
    let error = error.without_url();
    if error.is_timeout() { "no answer in time".to_owned() } else { error_chain::innermost(&error).to_string() }
}
