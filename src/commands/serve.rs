//! `serve`: the server, until SIGTERM or SIGINT.

use std::sync::Arc;

use tokio::signal::unix::{SignalKind, signal};

use super::signals::handle_reload_signals;
use super::{CommandError, Exit, block_on};
use crate::app::App;
use crate::base::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::problems::ProblemRegistry;
use crate::settings::{Layers, Sources, follow_descriptors};

pub(super) fn run(config: Config, origin: (Layers, Sources)) -> Result<Exit, CommandError> {
    block_on(serve(config, origin))?;
    Ok(Exit::Success)
}

async fn serve(config: Config, origin: (Layers, Sources)) -> anyhow::Result<()> {
    handle_reload_signals();
    let stop = stop_signal();
    warn_if_open(&config);
    warn_if_scaler_is_open(&config);
    let (mode, instance) = (config.source.mode().as_str(), config.instance_id.clone());
    let scope = config.source.scope().map(ToString::to_string);
    let app = App::build(config).await?;
    let address = app.address()?;
    let url = format!("{}://{address}", app.scheme());
    let (version, commit) = (env!("CARGO_PKG_VERSION"), option_env!("KDCUBE_METRICS_REVISION").unwrap_or("unknown"));
    tracing::info!(url, mode, scope, instance, version, commit, "serving");
    if let Some(address) = app.keda_address() {
        tracing::info!(%address, "serving KEDA's external scaler (gRPC)");
    }
    // A task, because reading files may take a while; it ends with the runtime.
    tokio::spawn(follow(origin, app.problems()));
    app.run(stop).await?;
    tracing::info!("stopped");
    Ok(())
}

/// Reports what changes in the platform's descriptor files and waits for a restart.
async fn follow((started, sources): (Layers, Sources), problems: Arc<ProblemRegistry>) {
    follow_descriptors(started, sources, |found| problems.report("descriptors", found, SystemClock.now())).await;
}

/// Without a token or client certificates every client that can connect can read everything: the network has to restrict
/// access.
fn warn_if_open(config: &Config) {
    if config.access.is_open() && !config.address.ip().is_loopback() {
        tracing::warn!(
            address = %config.address,
            "no METRICS_AUTH_TOKEN and no METRICS_TLS_CLIENT_CA_FILE: every client that can connect to this address can \
             read every metric and start an export. Internal only means that no public load balancer, ingress or port \
             leads here and that the network (private subnet, security group, NetworkPolicy) admits only scrapers, \
             autoscalers and probes. Otherwise set a token, or METRICS_BIND=127.0.0.1"
        );
    }
}

/// KEDA cannot send a token: a server that needs one otherwise would be thought to need it here too.
fn warn_if_scaler_is_open(config: &Config) {
    let Some(keda) = &config.keda else { return };
    if !config.access.tokens.is_empty() && !config.access.needs_certificate() {
        tracing::warn!(
            address = %keda.address,
            "METRICS_AUTH_TOKEN does not protect METRICS_KEDA_PORT, because KEDA sends no token: every client that can \
             connect to it can read the scalars. METRICS_TLS_CLIENT_CA_FILE restricts it to KEDA's certificate"
        );
    }
}

/// Handles SIGTERM and SIGINT from this call on: one that comes while the server starts is not lost. Completes at the first.
pub(super) fn stop_signal() -> impl Future<Output = ()> + Send + 'static {
    let handlers = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()));
    async {
        let (Ok(mut terminate), Ok(mut interrupt)) = handlers else {
            // Without handlers the signals keep their default action, which ends the process immediately.
            return std::future::pending().await;
        };
        tokio::select! {
            _ = terminate.recv() => tracing::info!("SIGTERM: stopping"),
            _ = interrupt.recv() => tracing::info!("SIGINT: stopping"),
        }
    }
}
