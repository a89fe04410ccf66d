//! `serve`: the server, until SIGTERM or SIGINT.

use tokio::signal::unix::{SignalKind, signal};

use super::{Exit, block_on, fail};
use crate::app::App;
use crate::config::Config;
use crate::platform::facts::Scope;

pub(super) fn run(config: Config) -> Exit {
    match block_on(serve(config)) {
        Ok(Ok(())) => Exit::Fine,
        Ok(Err(error)) => fail(&format!("{error:#}")),
        Err(error) => fail(&error),
    }
}

async fn serve(config: Config) -> anyhow::Result<()> {
    warn_if_open(&config);
    let (mode, instance) = (config.source.mode().as_str(), config.instance_id.clone());
    let scope = config.source.scope().map(|Scope { tenant, project }| format!("{tenant}/{project}"));
    let app = App::build(config).await?;
    let address = app.address()?;
    let url = format!("{}://{address}", app.scheme());
    tracing::info!(url, mode, instance, scope, "serving");
    app.run(stop_signal()).await?;
    tracing::info!("stopped");
    Ok(())
}

/// Every client that can connect can read everything: the network must then restrict who connects.
fn warn_if_open(config: &Config) {
    if config.access.is_open() && !config.address.ip().is_loopback() {
        tracing::warn!(
            address = %config.address,
            "no METRICS_AUTH_TOKEN and no METRICS_TLS_CLIENT_CA_FILE: every client that can connect to this address \
             reads every metric and can start an export. Internal only means that nobody else can: no public load \
             balancer, ingress or port leads here, and the network (private subnet, security group, NetworkPolicy) lets \
             in only scrapers, autoscalers and probes. Set a token, or METRICS_BIND=127.0.0.1, if that does not hold"
        );
    }
}

/// Completes at the first SIGTERM or SIGINT.
pub(super) async fn stop_signal() {
    let (Ok(mut terminate), Ok(mut interrupt)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        // Without handlers the signals keep their default, which ends the process at once.
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => tracing::info!("SIGTERM: stopping"),
        _ = interrupt.recv() => tracing::info!("SIGINT: stopping"),
    }
}
