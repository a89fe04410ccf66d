//! Ten thousand connections that say nothing: they make room for each other, and keep nobody out.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::authority::Authority;
use crate::support::{Answer, Killed, Server, eventually};

const CROWD: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/hostile/crowd.py");

/// What a probe may take while the crowd comes: it may be one of those whose connection the operating
/// system has to try again, after one second and after three. No client is late for the server's sake.
const IN_TIME: Duration = Duration::from_secs(5);

/// Opens the crowd's connections, each with these first bytes, while `ask` is asked for health; it
/// holds them until dropped.
fn crowd(port: u16, first: &str, ask: impl Fn() -> Answer + Sync) -> Killed {
    let arguments = [CROWD, &port.to_string(), "10000", first];
    let mut crowd = Command::new("python3")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map(Killed)
        .expect("python3 is needed: ./test installs it");
    let held = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let probes = scope.spawn(|| {
            while !held.load(Ordering::Relaxed) {
                let began = Instant::now();
                assert_eq!(ask().status, 200);
                assert!(began.elapsed() < IN_TIME, "{:?}", began.elapsed());
            }
        });
        let mut line = String::new();
        BufReader::new(crowd.0.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        held.store(true, Ordering::Relaxed);
        assert_eq!(line, "held 10000\n");
        probes.join().unwrap();
    });
    crowd
}

/// What the crowd costs while it is there, and that nothing of it stays.
fn assert_bounded(crowd: Killed, server: &Server, metrics: &dyn Fn() -> Answer) {
    let began = Instant::now();
    let open = || -> Option<f64> {
        metrics().text().lines().find_map(|line| line.strip_prefix("kdcube_metrics_open_connections ")?.parse().ok())
    };
    assert!(open().unwrap() <= 512.0);
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    assert!(server.memory() < 100, "{} MiB", server.memory());
    drop(crowd);
    eventually("the end of all others", Duration::from_secs(15), || open() == Some(1.0));
}

#[test]
fn ten_thousand_idle_connections_keep_nobody_out() {
    let server = Server::ready(&[("METRICS_MODE", "embedded")]);
    let crowd = crowd(server.port(), "", || server.get("/livez"));
    assert_bounded(crowd, &server, &|| server.get("/metrics"));
}

#[test]
fn ten_thousand_unfinished_handshakes_keep_nobody_out() {
    let authority = Authority::new();
    let (pair, client) = (authority.issue("server"), authority.client(None));
    let server = Server::start(&[
        ("METRICS_MODE", "embedded"),
        ("METRICS_TLS_CERT_FILE", &pair.certificate),
        ("METRICS_TLS_KEY_FILE", &pair.key),
    ]);
    // The beginning of a ClientHello that announces 16 kB.
    let crowd = crowd(server.port(), "1603014000010040000303", || client.get(server.port(), "/livez"));
    assert_bounded(crowd, &server, &|| client.get(server.port(), "/metrics"));
}
