//! `serve`: the server, until SIGTERM or SIGINT.

use tokio::signal::unix::{SignalKind, signal};

use super::{Exit, block_on, fail};
use crate::app::App;
use crate::config::Config;
use crate::signals::Scope;

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
    tracing::info!(%address, mode, instance, scope, "serving");
    app.run(stop_signal()).await?;
    tracing::info!("stopped");
    Ok(())
}

/// Anyone who reaches the port can read it.
fn warn_if_open(config: &Config) {
    if config.auth_tokens.is_empty() && !config.address.ip().is_loopback() {
        tracing::warn!(
            address = %config.address,
            "no METRICS_AUTH_TOKEN: whoever reaches this address reads every metric; keep it on the internal network"
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
