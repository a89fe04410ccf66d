//! What `check` reports on the address: free, taken by a server of ours, or by something else.

use std::io::ErrorKind;

use axum::http::header::{CONTENT_TYPE, WWW_AUTHENTICATE};
use reqwest::{Response, StatusCode};

use super::{Finding, FindingStatus, finding};
use crate::commands::healthcheck;
use crate::config::Config;

/// The first bytes of our answer, with room for white space; other servers may send any number.
const BEGINNING: usize = 64;

pub(super) async fn address(config: &Config) -> Finding {
    let address = config.address;
    match tokio::net::TcpListener::bind(address).await {
        Ok(_) => finding("listen", FindingStatus::Ok, address.to_string()),
        Err(error) if error.kind() == ErrorKind::AddrInUse && is_ours(config).await => {
            finding("listen", FindingStatus::Ok, format!("{address}: a kdcube-metrics server is running here already"))
        }
        Err(error) => {
            finding("listen", FindingStatus::Failed, format!("{address}: {error}; another program has the port"))
        }
    }
}

/// Whether a server of ours answers there, asked without a token.
async fn is_ours(config: &Config) -> bool {
    let url = format!("{}://{}/api/v1/problems", config.access.scheme(), healthcheck::reachable(config.address));
    let Ok(client) = healthcheck::client() else { return false };
    let Ok(response) = client.get(url).send().await else { return false };
    match response.status() {
        StatusCode::OK => begins_with(response, b"{\"problems\":").await,
        StatusCode::UNAUTHORIZED => {
            let challenge = response.headers().get(WWW_AUTHENTICATE).and_then(|challenge| challenge.to_str().ok());
            challenge.is_some_and(|challenge| challenge.contains("realm=\"kdcube-metrics\""))
        }
        // A route of ours behind client certificates; the check has none.
        StatusCode::FORBIDDEN => {
            let kind = response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
            config.access.needs_certificate() && kind == Some("application/problem+json")
        }
        _ => false,
    }
}

async fn begins_with(mut response: Response, expected: &[u8]) -> bool {
    let mut body = Vec::new();
    while body.len() < BEGINNING {
        let Ok(Some(chunk)) = response.chunk().await else { break };
        body.extend_from_slice(&chunk);
    }
    body.starts_with(expected)
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::body::Body;
    use axum::http;

    use super::*;
    use crate::outlets::fake_server::serve;
    use crate::settings::Settings;

    /// A configuration whose address another server has, which answers this.
    async fn taken(status: u16, header: (&'static str, &'static str), body: &'static str) -> Config {
        let mut settings = Settings::from_environment([("METRICS_MODE", "embedded"), ("METRICS_BIND", "127.0.0.1")]);
        let mut config = Config::read(&mut settings).unwrap();
        let answer = move |request: http::Request<Body>| async move {
            assert_eq!(request.uri().path(), "/api/v1/problems");
            assert!(!request.headers().contains_key("authorization"), "it is asked without a token");
            http::Response::builder().status(status).header(header.0, header.1).body(Body::from(body)).unwrap()
        };
        config.address = serve(Router::new().fallback(answer)).await;
        config
    }

    #[tokio::test]
    async fn a_server_of_ours_is_known_by_its_problems_or_its_challenge_and_any_other_is_not_ours() {
        let (json, ours, basic) = (
            ("content-type", "application/json"),
            ("www-authenticate", "Bearer realm=\"kdcube-metrics\""),
            ("www-authenticate", "Basic realm=\"nginx\""),
        );
        for (status, header, body, expected) in [
            (200, json, "{\"problems\":[]}", true),
            (200, json, "{\"problem\":[]}", false),
            (200, json, "{", false),
            (200, ours, "<html>", false),
            (401, ours, "", true),
            (401, basic, "{\"problems\":[]}", false),
            (401, json, "", false),
            (403, ("content-type", "application/problem+json"), "{}", false),
            (404, ours, "{\"problems\":[]}", false),
        ] {
            let config = taken(status, header, body).await;
            assert_eq!(is_ours(&config).await, expected, "{status} {header:?} {body}");
            let found = address(&config).await;
            let outcome = if expected { FindingStatus::Ok } else { FindingStatus::Failed };
            assert_eq!((found.outcome, found.what.as_str()), (outcome, "listen"), "{}", found.detail);
        }
    }
}
