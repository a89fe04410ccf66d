//! `healthcheck`: checks that the server on this machine is alive; for images without curl.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use anyhow::bail;
use reqwest::Client;

use super::{CommandError, Exit, block_on};
use crate::outlets::http::config;
use crate::settings::Settings;
use crate::tls;

/// Shorter than the time that orchestrators give the command.
const TIMEOUT: Duration = Duration::from_secs(3);

pub(super) fn run(mut settings: Settings) -> Result<Exit, CommandError> {
    let Some(url) = own_url(&mut settings) else { return Err(CommandError::Configuration(settings.into_errors())) };
    block_on(get(&format!("{url}/livez")))?;
    Ok(Exit::Success)
}

/// The base URL of the server on this machine; `None` if a setting is wrong.
pub(super) fn own_url(settings: &mut Settings) -> Option<String> {
    let address = config::read_address(settings);
    let scheme = if config::is_tls_configured(settings) { "https" } else { "http" };
    Some(format!("{scheme}://{}", reachable(address?)))
}

/// The address to connect to: loopback for a server that listens on every address.
pub(super) const fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// A client for the server on this machine, which accepts any certificate.
pub(super) fn client() -> reqwest::Result<Client> {
    tls::use_ring();
    Client::builder().no_proxy().timeout(TIMEOUT).tls_danger_accept_invalid_certs(true).build()
}

/// Requests the liveness route and accepts any certificate. The check verifies that a server on this machine has the
/// port, completes a handshake and is alive; it sends no token, and the response is one word. Names are not verified,
/// because a certificate rarely names 127.0.0.1. The certificate is not compared with METRICS_TLS_CERT_FILE, which may
/// hold a newer one, or one that the server rightly did not load: the restart that a failed check causes fixes neither.
async fn get(url: &str) -> anyhow::Result<()> {
    match client()?.get(url).send().await.map(|response| response.status()) {
        Ok(status) if status.is_success() => Ok(()),
        Ok(status) => bail!("{url} answers {status}"),
        Err(error) => bail!("{url}: {}", error.without_url()),
    }
}
