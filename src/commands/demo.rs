//! `demo`: serves a simulated deployment, prints where to look, and keeps a one-line status.

use std::io::{IsTerminal, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use super::serve::stop_signal;
use super::{CommandError, Exit, block_on};
use crate::app::App;
use crate::catalog;
use crate::cli::DemoArgs;
use crate::config::{Config, Mode};
use crate::engine::snapshot::{Snapshot, SnapshotReader};
use crate::settings::{Origin, Setting, Settings, setting};

const BIND: &Setting = setting("METRICS_BIND");

/// The keys of the status line, with how they are shown.
const STATUS: [(&str, &str); 5] = [
    ("ingress.sse.total_connections", "SSE"),
    ("ingress.sse.saturation_percent", "SSE %"),
    ("proc.queue.total", "queued"),
    ("proc.queue.pressure_ratio", "pressure"),
    ("proc.queue.wait.p95_ms", "wait p95 ms"),
];

/// The configuration. Nobody outside this machine needs the numbers of a simulation, unless METRICS_BIND says so.
pub(super) fn read_config(settings: &mut Settings) -> Option<Config> {
    let mut config = Config::read_as(Mode::Embedded, settings)?;
    if settings.origin(BIND) == Origin::Default {
        config.address.set_ip(Ipv4Addr::LOCALHOST.into());
    }
    Some(config)
}

pub(super) fn run(mut config: Config, arguments: &DemoArgs) -> Result<Exit, CommandError> {
    // A person watches: at least one tick a second.
    config.engine.sample_interval = config.engine.sample_interval.min(Duration::from_secs(1));
    block_on(demo(config, arguments.duration))?;
    Ok(Exit::Success)
}

async fn demo(config: Config, duration: Option<Duration>) -> anyhow::Result<()> {
    let app = App::build(config).await?;
    show(&welcome(app.scheme(), app.address()?));
    let status = tokio::spawn(status(app.reader()));
    let ended = app.run(stop_after(duration)).await;
    status.abort();
    show("\n");
    ended
}

/// Completes at a stop signal, or after the duration.
pub(super) async fn stop_after(duration: Option<Duration>) {
    let time_is_up = async {
        match duration {
            Some(duration) => tokio::time::sleep(duration).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = stop_signal() => {},
        () = time_is_up => {},
    }
}

fn welcome(scheme: &str, address: SocketAddr) -> String {
    let host = if address.ip().is_unspecified() { "127.0.0.1".to_owned() } else { address.ip().to_string() };
    let base = format!("{scheme}://{host}:{}", address.port());
    format!(
        "A simulated KDCube deployment is being measured. Open:\n\n  \
         {base}/                    all routes\n  \
         {base}/metrics             Prometheus\n  \
         {base}/metrics/combined    the whole system as JSON\n  \
         {base}/api/v1/signals      the numbers for an autoscaler\n\n\
         Ctrl-C stops it.\n\n"
    )
}

/// Rewrites one line on a terminal; elsewhere prints a line every ten seconds.
async fn status(reader: SnapshotReader) {
    let terminal = std::io::stdout().is_terminal();
    let pause = Duration::from_secs(if terminal { 1 } else { 10 });
    loop {
        if let Some(snapshot) = reader.latest() {
            let line = status_line(&snapshot);
            show(&if terminal { format!("\r\x1b[2K{line}") } else { format!("{line}\n") });
        }
        tokio::time::sleep(pause).await;
    }
}

fn status_line(snapshot: &Snapshot) -> String {
    let values = STATUS.map(|(key, label)| {
        let value = catalog::scalar(key, &snapshot.state);
        value.map_or_else(|| format!("{label} –"), |value| format!("{label} {value:.2}").replace(".00", ""))
    });
    values.join("   ")
}

/// A closed standard output does not end the demo.
fn show(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_listens_on_this_machine_unless_a_setting_says_otherwise() {
        for (bind, expected) in [("", "127.0.0.1"), ("0.0.0.0", "0.0.0.0"), ("::1", "::1")] {
            let mut settings = Settings::from_environment([("METRICS_BIND", bind)]);
            assert_eq!(read_config(&mut settings).unwrap().address.ip().to_string(), expected);
        }
    }
}
