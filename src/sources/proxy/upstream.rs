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

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use reqwest::header::{HeaderMap, HeaderName};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;
    use crate::sources::proxy::config::{AuthHeader, AuthValue};
    use crate::tls::client::UpstreamTls;

    /// Heads of the requests so far, in lower case.
    type Requests = Arc<Mutex<Vec<String>>>;

    /// A server that gives these answers, one a connection, and the last one from then on.
    async fn server(answers: &[&str]) -> (Endpoint, Requests) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://me:hunter2@{}/base/", listener.local_addr().unwrap());
        let requests = Requests::default();
        let (seen, mut answers) = (Arc::clone(&requests), answers.iter().map(ToString::to_string).collect::<Vec<_>>());
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let (mut head, mut byte) = (Vec::new(), [0]);
                while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).await.unwrap() > 0 {
                    head.extend(byte);
                }
                seen.lock().unwrap().push(String::from_utf8_lossy(&head).to_lowercase());
                let answer = if answers.len() > 1 { answers.remove(0) } else { answers[0].clone() };
                stream.write_all(format!("HTTP/1.1 {answer}").as_bytes()).await.unwrap();
            }
        });
        (Endpoint::parse(&url).unwrap(), requests)
    }

    const GOOD: &str = "200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}";

    fn error(status: &str) -> String {
        format!("{status}\r\nConnection: close\r\nContent-Length: 7\r\n\r\nhunter3")
    }

    fn client(auth: Option<(&'static str, AuthValue)>) -> UpstreamClient {
        let auth = auth.map(|(name, value)| AuthHeader { name: HeaderName::from_static(name), value });
        let config = ProxyConfig {
            ingress: None,
            proc: None,
            auth,
            headers: HeaderMap::from_iter([(HeaderName::from_static("x-more"), HeaderValue::from_static("more"))]),
            tls: UpstreamTls::default(),
            timeout: Duration::from_secs(5),
        };
        UpstreamClient::new(&config, |_| {}).unwrap()
    }

    fn count(requests: &Requests) -> usize {
        requests.lock().unwrap().len()
    }

    #[tokio::test]
    async fn a_request_carries_path_encoding_credentials_and_headers() {
        let (endpoint, requests) = server(&[GOOD]).await;
        let client = client(Some(("x-token", AuthValue::Fixed("hunter4".into()))));
        let body = Upstream::new(Component::Proc, &endpoint).ask(&client).await.unwrap();
        assert_eq!(&body[..], b"{}");
        let head = requests.lock().unwrap()[0].clone();
        assert!(head.starts_with("get /base/monitoring/system http/1.1\r\n"), "{head}");
        let user = "authorization: basic bwu6ahvudgvymg==";
        for line in ["accept: application/json", "accept-encoding: gzip", user, "x-more: more", "x-token: hunter4"] {
            assert!(head.contains(&format!("\r\n{line}\r\n")), "{line} in {head}");
        }
    }

    #[tokio::test]
    async fn the_configured_header_replaces_the_one_of_the_url() {
        let (endpoint, requests) = server(&[GOOD]).await;
        let client = client(Some(("authorization", AuthValue::Fixed("Bearer one".into()))));
        Upstream::new(Component::Proc, &endpoint).ask(&client).await.unwrap();
        let head = requests.lock().unwrap()[0].clone();
        let lines: Vec<&str> = head.lines().filter(|line| line.starts_with("authorization:")).collect();
        assert_eq!(lines, ["authorization: bearer one"]);
    }

    #[tokio::test]
    async fn every_other_status_is_an_error_with_advice_and_quotes_no_body() {
        for (status, advice) in [
            ("401 Unauthorized", "check METRICS_AUTH_HEADER_VALUE"),
            ("403 Forbidden", "check METRICS_AUTH_HEADER_VALUE"),
            ("404 Not Found", "does it serve /monitoring/system"),
            ("500 Internal Server Error", "see its log"),
            ("503 Service Unavailable", "see its log"),
            ("202 Accepted", "it should answer 200 with JSON"),
            ("418 I'm a teapot", "it should answer 200 with JSON"),
        ] {
            let (endpoint, requests) = server(&[&error(status)]).await;
            let text = Upstream::new(Component::Ingress, &endpoint).ask(&client(None)).await.unwrap_err().to_string();
            assert!(text.starts_with("ingress at http://127.0.0.1:") && text.contains(advice), "{status}: {text}");
            assert!(text.contains(status.split(' ').next().unwrap()) && !text.contains("hunter"), "{text}");
            assert_eq!(count(&requests), 1, "{status}: it is not repeated without another token");
        }
    }

    #[tokio::test]
    async fn only_redirects_on_the_same_server_are_followed_and_not_for_ever() {
        let to =
            |place: &str| format!("302 Found\r\nLocation: {place}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
        let (other, asked) = server(&[GOOD]).await;
        for (answers, outcome, requests) in [
            (vec![to("/elsewhere"), GOOD.to_owned()], None, 2),
            (vec![to(other.url.as_str())], Some("redirects to another server"), 1),
            (vec![to("/again")], Some("redirects too often"), 6),
        ] {
            let answers: Vec<&str> = answers.iter().map(String::as_str).collect();
            let (endpoint, seen) = server(&answers).await;
            let answer = Upstream::new(Component::Proc, &endpoint).ask(&client(None)).await;
            match (&answer, outcome) {
                (Ok(_), None) => {}
                (Err(UpstreamError::Redirected { cause, variable, .. }), Some(text)) => {
                    assert!(cause.contains(text) && *variable == "METRICS_PROC_BASE_URL", "{cause}");
                }
                _ => panic!("{answer:?}, expected {outcome:?}"),
            }
            assert_eq!(count(&seen), requests, "{outcome:?}");
        }
        assert_eq!(count(&asked), 0);
    }

    #[tokio::test]
    async fn after_five_failures_nothing_is_sent_until_the_token_is_another_one() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        std::fs::write(&file, "\u{feff}one\n").unwrap();
        let (endpoint, requests) = server(&[&error("401 Unauthorized")]).await;
        let client = client(Some(("x-token", AuthValue::File(file.clone()))));
        let mut upstream = Upstream::new(Component::Proc, &endpoint);
        for _ in 0..5 {
            assert!(matches!(upstream.ask(&client).await, Err(UpstreamError::Status { .. })));
        }
        let open = upstream.ask(&client).await.unwrap_err();
        assert!(matches!(open, UpstreamError::CircuitOpen { .. }), "{open}");
        assert_eq!((open.status(), count(&requests)), (Some(StatusCode::UNAUTHORIZED), 5));
        std::fs::write(&file, "two").unwrap();
        assert!(matches!(upstream.ask(&client).await, Err(UpstreamError::Status { .. })));
        let heads = requests.lock().unwrap().clone();
        assert_eq!(heads.len(), 6);
        assert!(heads[4].contains("x-token: one\r\n") && heads[5].contains("x-token: two\r\n"), "{heads:?}");
        upstream.close_circuit();
        assert!(matches!(upstream.ask(&client).await, Err(UpstreamError::Status { .. })));
        assert_eq!(count(&requests), 7);
    }

    #[tokio::test]
    async fn a_token_that_cannot_be_sent_is_an_error_that_names_its_setting_and_sends_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("lines"), "hunter5\nhunter6").unwrap();
        let (endpoint, requests) = server(&[GOOD]).await;
        let file = |name: &str| -> (PathBuf, &str) { (path(name), "METRICS_AUTH_HEADER_VALUE") };
        for (file, named) in [file("missing"), file("lines")] {
            let client = client(Some(("x-token", AuthValue::File(file))));
            let error = Upstream::new(Component::Proc, &endpoint).ask(&client).await.unwrap_err();
            let UpstreamError::NoToken(text) = error else { panic!("{error:?}") };
            assert!(text.starts_with(named) && !text.contains("hunter"), "{text}");
        }
        assert_eq!(count(&requests), 0);
    }
}
