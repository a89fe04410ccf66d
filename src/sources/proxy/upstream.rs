//! One upstream: one request a tick, a second one if its token was renewed meanwhile, none while its circuit is open.

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

/// Appended to its base URL.
const PATH: [&str; 2] = ["monitoring", "system"];

pub(super) struct Upstream {
    component: Component,
    endpoint: Endpoint,
    url: Url,
    breaker: Breaker,
    /// The last failure, repeated while the circuit is open.
    last: Option<UpstreamError>,
    /// The token of the last request: another one closes the circuit.
    token: Option<HeaderValue>,
}

impl Upstream {
    pub(super) fn new(component: Component, endpoint: &Endpoint) -> Self {
        let (url, endpoint) = (endpoint.join(&PATH), endpoint.clone());
        Self { component, endpoint, url, breaker: Breaker::default(), last: None, token: None }
    }

    /// Allows the next request, however many failed.
    pub(super) fn close_circuit(&mut self) {
        self.breaker.succeeded();
    }

    pub(super) async fn ask(&mut self, client: &UpstreamClient) -> Result<Bytes, UpstreamError> {
        let token = client.token().map_err(UpstreamError::NoToken)?;
        let open = self.breaker.open_for().filter(|_| token == self.token);
        if let Some((left, last)) = open.zip(self.last.clone()) {
            return Err(UpstreamError::CircuitOpen { last: Box::new(last), left });
        }
        let answer = self.request(client, token).await;
        match &answer {
            Ok(_) => {
                self.breaker.succeeded();
                self.last = None;
            }
            Err(error) => {
                self.breaker.failed();
                self.last = Some(error.clone());
            }
        }
        answer
    }

    /// A token that was renewed between reading it and the request gets a second request.
    async fn request(&mut self, client: &UpstreamClient, token: Option<HeaderValue>) -> Result<Bytes, UpstreamError> {
        let answer = self.once(client, token.as_ref()).await;
        let denied = answer.as_ref().is_err_and(|error| error.status() == Some(StatusCode::UNAUTHORIZED));
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
        body::take(response).await.map_err(|problem| UpstreamError::BadReply {
            upstream: self.name(),
            problem: format!("its body {problem}"),
        })
    }

    fn unreachable(&self, error: reqwest::Error) -> UpstreamError {
        let (upstream, variable) = (self.name(), ProxyConfig::variable(self.component));
        let redirected = error.is_redirect();
        let cause = client::cause(error);
        if redirected {
            UpstreamError::Redirected { upstream, cause, variable }
        } else {
            UpstreamError::Unreachable { upstream, cause, variable }
        }
    }

    fn refused(&self, response: &Response) -> UpstreamError {
        let status = response.status();
        let advice = match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                "check METRICS_AUTH_HEADER_VALUE, METRICS_HEADERS_JSON and the client certificate"
            }
            StatusCode::NOT_FOUND => "does it serve /monitoring/system under its base URL?",
            _ if status.is_server_error() => "see its log",
            _ => "it should answer 200 with JSON",
        };
        UpstreamError::Status { upstream: self.name(), status, advice }
    }

    fn name(&self) -> String {
        format!("{} at {}", self.component.as_str(), self.url)
    }
}
