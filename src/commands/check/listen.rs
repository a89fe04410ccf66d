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
