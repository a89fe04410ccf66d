//! Signals that do not stop the server: SIGHUP polls the watched files, and those that would kill it by default are ignored.

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::base::file_watch;

/// Handles these signals until the runtime ends. From the first call on they do not kill the process.
pub(super) fn handle_reload_signals() {
    let handle = |name, kind, act: fn()| match signal(kind) {
        Ok(signals) => drop(tokio::spawn(on_each(name, signals, act))),
        Err(error) => tracing::warn!("{name} cannot be handled and ends the server: {error}"),
    };
    handle("SIGHUP", SignalKind::hangup(), reload);
    handle("SIGUSR1", SignalKind::user_defined1(), || tracing::info!("SIGUSR1: ignored; SIGHUP reloads files"));
    handle("SIGUSR2", SignalKind::user_defined2(), || tracing::info!("SIGUSR2: ignored; SIGHUP reloads files"));
}

async fn on_each(name: &'static str, mut signals: Signal, act: fn()) {
    while signals.recv().await.is_some() {
        tracing::debug!(name, "signal");
        act();
    }
}

fn reload() {
    tracing::info!(
        "SIGHUP: reading token files, certificates and descriptors again; every other setting takes effect with a restart"
    );
    file_watch::poll_all();
}
