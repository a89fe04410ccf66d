//! One upstream: asked once a tick, again at once when its token turns out to be renewed, and left
//! alone for a while when it keeps failing.

use std::time::Duration;

use bytes::Bytes;
use reqwest::header::HeaderValue;
use reqwest::{Response, StatusCode, Url};

use super::UpstreamError;
use super::body;
use super::breaker::Breaker;
use super::client::{self, UpstreamClient};
use crate::base::endpoint::Endpoint;
use crate::platform::facts::Component;
use crate::sources::proxy::config::ProxyConfig;

/// Where it is asked, behind its base URL.
const PATH: [&str; 2] = ["monitoring", "system"];

/// A component's server.
pub(super) struct Upstream {
    component: Component,
    endpoint: Endpoint,
    url: Url,
    breaker: Breaker,
    /// The last failure, told again while the breaker is open.
    last: Option<UpstreamError>,
    /// What it was asked with when it failed: with another token it may let us in.
    token: Option<HeaderValue>,
}

impl Upstream {
    pub(super) fn new(component: Component, endpoint: &Endpoint) -> Self {
        let (url, endpoint) = (endpoint.join(&PATH), endpoint.clone());
        Self { component, endpoint, url, breaker: Breaker::default(), last: None, token: None }
    }

    /// Asks again at once, however often it failed.
    pub(super) fn forgive(&mut self) {
        self.breaker.succeeded();
    }

    pub(super) async fn ask(&mut self, client: &UpstreamClient) -> Result<Bytes, UpstreamError> {
        let token = client.token().map_err(|detail| UpstreamError { status: None, detail })?;
        if let Some(rest) = self.breaker.rest().filter(|_| token == self.token) {
            return Err(self.still(rest));
        }
        let answer = self.request(client, token).await;
        match &answer {
            Ok(_) => {
                self.breaker.succeeded();
                self.last = None;
            }
            Err(refusal) => {
                self.breaker.failed();
                self.last = Some(refusal.clone());
            }
        }
        answer
    }

    /// A token that was renewed between reading and asking is worth a second request.
    async fn request(&mut self, client: &UpstreamClient, token: Option<HeaderValue>) -> Result<Bytes, UpstreamError> {
        let answer = self.once(client, token.as_ref()).await;
        let denied = answer.as_ref().is_err_and(|refusal| refusal.status == Some(401));
        let renewed = if denied { client.token().ok().filter(|renewed| *renewed != token) } else { None };
        match renewed {
            Some(renewed) => {
                let answer = self.once(client, renewed.as_ref()).await;
                self.token = renewed;
                answer
            }
            None => {
                self.token = token;
                answer
            }
        }
    }

    async fn once(&self, client: &UpstreamClient, token: Option<&HeaderValue>) -> Result<Bytes, UpstreamError> {
        let request = client.get(self.url.clone(), &self.endpoint, token);
        let response = request.send().await.map_err(|error| self.unreachable(error))?;
        if response.status() != StatusCode::OK {
            return Err(self.refused(&response));
        }
        body::take(response).await.map_err(|problem| self.refusal(None, &format!("its body {problem}")))
    }

    fn unreachable(&self, error: reqwest::Error) -> UpstreamError {
        let what = if error.is_redirect() { "cannot be used" } else { "cannot be reached" };
        let advice = format!("is {} right?", ProxyConfig::variable(self.component));
        self.refusal(None, &format!("{what} ({}); {advice}", client::cause(error)))
    }

    fn refused(&self, response: &Response) -> UpstreamError {
        let status = response.status();
        let advice = match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                "check METRICS_AUTH_HEADER_VALUE, METRICS_HEADERS_JSON and the client certificate"
            }
            StatusCode::NOT_FOUND => "does it serve /monitoring/system behind its base URL?",
            _ if status.is_server_error() => "see its log",
            _ => "it should answer 200 with JSON",
        };
        let error = status.is_client_error() || status.is_server_error();
        self.refusal(error.then_some(status.as_u16()), &format!("answers {status}; {advice}"))
    }

    fn still(&self, rest: Duration) -> UpstreamError {
        let (status, detail) = self.last.as_ref().map_or((None, "failed"), |last| (last.status, last.detail.as_str()));
        UpstreamError { status, detail: format!("{detail} (left alone for another {rest:.1?})") }
    }

    fn refusal(&self, status: Option<u16>, what: &str) -> UpstreamError {
        UpstreamError { status, detail: format!("{} at {}: {what}", self.component.as_str(), self.url) }
    }
}
