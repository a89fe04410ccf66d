//! `healthcheck`: asks a server on this machine whether it is alive; for images that have no curl.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use reqwest::Client;

use super::{Exit, block_on, fail};
use crate::config;
use crate::outlets::http::config as access;
use crate::settings::Settings;
use crate::tls;

/// Shorter than orchestrators wait for the command.
const LIMIT: Duration = Duration::from_secs(3);

pub(super) fn run(mut settings: Settings) -> Exit {
    let Some(address) = config::read_address(&mut settings) else { return super::refuse(&settings.into_errors()) };
    let scheme = if access::speaks_tls(&mut settings) { "https" } else { "http" };
    match block_on(ask(&format!("{scheme}://{}/livez", reachable(address)))) {
        Ok(Ok(())) => Exit::Fine,
        Ok(Err(problem)) => fail(&problem),
        Err(error) => fail(&error),
    }
}

/// Where a server that listens everywhere is found from here.
const fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// Asks, with TLS if need be, whoever the server's certificate may belong to. What is verified is that
/// somebody on this machine has the port, can shake hands and is alive: the question is sent without a
/// token and the answer is a word. Names are not verified, since a certificate seldom names 127.0.0.1;
/// nor is it compared with METRICS_TLS_CERT_FILE, which may hold a newer one, or one that the server
/// rightly did not take: neither is cured by the restart that a failed check means.
async fn ask(url: &str) -> Result<(), String> {
    tls::use_ring();
    let builder = Client::builder().no_proxy().timeout(LIMIT).tls_danger_accept_invalid_certs(true);
    let client = builder.build().map_err(|error| error.to_string())?;
    match client.get(url).send().await.map(|answer| answer.status()) {
        Ok(status) if status.is_success() => Ok(()),
        Ok(status) => Err(format!("{url} answers {status}")),
        Err(error) => Err(format!("{url}: {}", error.without_url())),
    }
}
