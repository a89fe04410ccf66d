//! Requests of commands to a server of this program that runs: by default the one on this machine, with its first token.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail};
use reqwest::Url;
use secrecy::{ExposeSecret, SecretString};

use super::{CommandError, healthcheck};
use crate::base::endpoint::Endpoint;
use crate::base::error_chain;
use crate::cli::ServerArgs;
use crate::outlets::http::config;
use crate::settings::{Setting, Settings, setting};
use crate::tls::client::{self, UpstreamTls};

const AUTH_TOKEN: &Setting = setting("METRICS_AUTH_TOKEN");
const CA_FILE: &Setting = setting("METRICS_PROXY_CA_FILE");
const CERT_FILE: &Setting = setting("METRICS_PROXY_CLIENT_CERT_FILE");
const KEY_FILE: &Setting = setting("METRICS_PROXY_CLIENT_KEY_FILE");

const TIMEOUT: Duration = Duration::from_secs(10);
/// Longer than any answer of a server of ours.
const LONGEST_BODY: usize = 4 * 1024 * 1024;

/// A server that runs.
#[derive(Debug)]
pub(super) struct OwnServer {
    client: reqwest::Client,
    endpoint: Endpoint,
    token: Option<SecretString>,
}

impl OwnServer {
    /// The server of the options, or else of the settings.
    pub(super) fn find(arguments: &ServerArgs, mut settings: Settings) -> Result<Self, CommandError> {
        let endpoint = match &arguments.server {
            Some(url) => endpoint(&mut settings, "--server", url),
            None => healthcheck::own_url(&mut settings).and_then(|url| endpoint(&mut settings, "METRICS_BIND", &url)),
        };
        let token = arguments.token.clone().or_else(|| own_token(&mut settings));
        let mut path = |setting: &'static Setting| settings.text(setting).map(PathBuf::from);
        let tls = UpstreamTls { authorities: path(CA_FILE), identity: path(CERT_FILE).zip(path(KEY_FILE)) };
        let Some(endpoint) = endpoint.filter(|_| settings.errors().is_empty()) else {
            return Err(CommandError::Configuration(settings.into_errors()));
        };
        let builder =
            reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).timeout(TIMEOUT);
        let client = client::build(&tls, builder).map_err(|problems| {
            let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
            anyhow::anyhow!(problems.join("; "))
        })?;
        Ok(Self { client, endpoint, token })
    }

    /// The text of a successful answer.
    ///
    /// # Errors
    /// The server cannot be reached, or answers with a problem: its detail is the error.
    pub(super) async fn get(&self, path: &[&str], query: &[(&str, String)]) -> anyhow::Result<String> {
        let mut url = self.endpoint.join(path);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let mut request = self.client.get(url.clone());
        if let Some(token) = &self.token {
            request = request.bearer_auth(token.expose_secret());
        }
        let response = request.send().await.map_err(|error| failed(&url, error))?;
        let status = response.status();
        let text = body(response).await.with_context(|| url.clone())?;
        if !status.is_success() {
            bail!(detail(&text).unwrap_or_else(|| format!("{url} answers {status}")));
        }
        Ok(text)
    }
}

async fn body(mut response: reqwest::Response) -> anyhow::Result<String> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(reqwest::Error::without_url)? {
        if body.len() + chunk.len() > LONGEST_BODY {
            bail!("the body is longer than 4 MiB");
        }
        body.extend_from_slice(&chunk);
    }
    Ok(String::from_utf8_lossy(&body).into_owned())
}

/// The detail of a JSON problem.
fn detail(text: &str) -> Option<String> {
    let problem: serde_json::Value = serde_json::from_str(text).ok()?;
    Some(problem.get("detail")?.as_str()?.to_owned())
}

fn failed(url: &Url, error: reqwest::Error) -> anyhow::Error {
    let error = error.without_url();
    let cause = if error.is_timeout() { "timed out".to_owned() } else { error_chain::innermost(&error).to_string() };
    anyhow::anyhow!("{url}: {cause}; is the server running there? --server names another one")
}

fn endpoint(settings: &mut Settings, name: &str, url: &str) -> Option<Endpoint> {
    let problem = |problem| settings.error(format!("{name}: {problem}; accepted: an http:// or https:// URL"));
    Endpoint::parse(url).map_err(problem).ok()
}

/// The first of this server's tokens: commands run beside the server, with its environment.
pub(super) fn own_token(settings: &mut Settings) -> Option<SecretString> {
    let list = settings.secret(AUTH_TOKEN)?;
    let tokens = config::tokens(list.expose_secret()).map_err(|problem| settings.reject(AUTH_TOKEN, &problem));
    tokens.ok()?.into_iter().next()
}
