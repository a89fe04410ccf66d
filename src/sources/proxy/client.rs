//! The HTTP client of all upstreams: its certificates, its headers, and which redirects it follows.

use reqwest::header::{ACCEPT, ACCEPT_ENCODING, HeaderMap, HeaderValue};
use reqwest::redirect::{Action, Attempt, Policy};
use reqwest::{RequestBuilder, Url};
use secrecy::ExposeSecret;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::base::endpoint::Endpoint;
use crate::base::file_watch::FileWatcher;
use crate::base::{error_chain, files};
use crate::sources::proxy::config::{AuthHeader, AuthValue, ProxyConfig, header_value};
use crate::tls::file_error::lines;
use crate::tls::{self, client};

/// Redirects that are followed, on one server.
const MOST_REDIRECTS: usize = 5;

/// The client, rebuilt when one of its certificate files changes.
pub(super) struct UpstreamClient {
    config: ProxyConfig,
    http: watch::Receiver<reqwest::Client>,
    _following: JoinSet<()>,
}

impl UpstreamClient {
    /// Needs a runtime if there are files to follow.
    ///
    /// # Errors
    /// A file cannot be read or does not hold what it should.
    pub(super) fn new(
        config: &ProxyConfig,
        on_reload: impl Fn(Option<&[String]>) + Send + 'static,
    ) -> Result<Self, String> {
        let own = config.clone();
        let (watcher, first) =
            FileWatcher::begin(config.tls.paths(), move || build(&own)).map_err(|errors| errors.join("; "))?;
        let (clients, http) = watch::channel(first);
        let mut following = JoinSet::new();
        if !config.tls.paths().is_empty() {
            following.spawn(watcher.follow(move |change| {
                on_reload(change.as_ref().err().map(Vec::as_slice));
                if let Ok(http) = change {
                    clients.send_replace(http);
                    tracing::info!("certificates for upstreams reloaded");
                }
            }));
        }
        Ok(Self { config: config.clone(), http, _following: following })
    }

    /// Whether the certificates were replaced since the last call.
    pub(super) fn was_reloaded(&mut self) -> bool {
        // An error: there are no files to follow.
        let reloaded = self.http.has_changed().unwrap_or(false);
        self.http.mark_unchanged();
        reloaded
    }

    /// The current value of the authentication header.
    ///
    /// # Errors
    /// Its file cannot be read, or holds what no header may hold.
    pub(super) fn token(&self) -> Result<Option<HeaderValue>, String> {
        let Some(AuthHeader { value, .. }) = &self.config.auth else { return Ok(None) };
        let unfit = |_| "METRICS_AUTH_HEADER_VALUE: cannot be the value of a header".to_owned();
        match value {
            AuthValue::Fixed(value) => header_value(value.expose_secret()).map(Some).map_err(unfit),
            AuthValue::File(path) => {
                let named = |problem| format!("METRICS_AUTH_HEADER_VALUE_FILE {path:?}: {problem}");
                let bytes = files::read(path).map_err(named)?;
                header_value(&String::from_utf8_lossy(files::without_mark(&bytes))).map(Some).map_err(unfit)
            }
        }
    }

    /// A request for `url`, which is one of `endpoint`'s.
    pub(super) fn get(&self, url: Url, endpoint: &Endpoint, token: Option<&HeaderValue>) -> RequestBuilder {
        let mut request = self.http.borrow().get(url).headers(self.config.headers.clone());
        if let Some((user, password)) = &endpoint.user {
            request = request.basic_auth(user, Some(password.expose_secret()));
        }
        if let Some((AuthHeader { name, .. }, token)) = self.config.auth.as_ref().zip(token) {
            // Not `header`, which would add to those above instead of replacing one.
            request = request.headers(HeaderMap::from_iter([(name.clone(), token.clone())]));
        }
        request
    }
}

fn build(config: &ProxyConfig) -> Result<reqwest::Client, Vec<String>> {
    let accepted = [(ACCEPT, "application/json"), (ACCEPT_ENCODING, "gzip")];
    let headers = accepted.map(|(name, value)| (name, HeaderValue::from_static(value))).into_iter().collect();
    let builder = reqwest::Client::builder()
        .user_agent(concat!("kdcube-metrics/", env!("CARGO_PKG_VERSION")))
        .default_headers(headers)
        .redirect(Policy::custom(on_the_same_server))
        .timeout(config.timeout);
    client::build(&config.tls, builder).map_err(lines)
}

/// A redirect to another server would send it the credentials.
fn on_the_same_server(attempt: Attempt<'_>) -> Action {
    let here = attempt.previous().last().map(Url::origin);
    if here.as_ref() != Some(&attempt.url().origin()) {
        return attempt.error("it redirects to another server, which is not followed: that would leak the token");
    }
    if attempt.previous().len() > MOST_REDIRECTS {
        return attempt.error("it redirects too often");
    }
    attempt.follow()
}

/// The innermost cause of an error, without the URL.
pub(super) fn cause(error: reqwest::Error) -> String {
    let error = error.without_url();
    if error.is_timeout() {
        return "no answer in time".to_owned();
    }
    let cause = error_chain::innermost(&error).to_string();
    let hint = tls::authority_hint(&cause, Some("METRICS_PROXY_CA_FILE"));
    cause + &hint
}
