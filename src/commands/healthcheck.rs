//! `healthcheck`: asks a server on this machine whether it is alive; for images that have no curl.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use reqwest::Client;

use super::{Exit, block_on, fail};
use crate::settings::Settings;
use crate::{config, tls};

/// Shorter than orchestrators wait for the command.
const LIMIT: Duration = Duration::from_secs(3);

pub(super) fn run(mut settings: Settings) -> Exit {
    let Some(address) = config::read_address(&mut settings) else { return super::refuse(&settings.into_problems()) };
    match block_on(ask(reachable(address))) {
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

async fn ask(address: SocketAddr) -> Result<(), String> {
    tls::use_ring();
    let client = Client::builder().no_proxy().timeout(LIMIT).build().map_err(|error| error.to_string())?;
    let answer = client.get(format!("http://{address}/livez")).send().await;
    match answer.map(|answer| answer.status()) {
        Ok(status) if status.is_success() => Ok(()),
        Ok(status) => Err(format!("http://{address}/livez answers {status}")),
        Err(error) => Err(format!("http://{address}/livez: {}", error.without_url())),
    }
}
