//! Ten thousand connections that send nothing: they evict each other, and no other client.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::authority::Authority;
use crate::support::{Answer, Killed, Server, at_once, eventually};

const CROWD: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/hostile/crowd.py");

/// Opens the crowd's connections, each with these first bytes, while `ask` requests health; they stay open until
/// dropped.
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
                // Its SYN may be dropped and retransmitted after one second and after three.
                assert_eq!(at_once(&ask).status, 200);
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

/// Memory and connections are bounded while the crowd is connected, and freed afterwards.
fn assert_bounded(crowd: Killed, server: &Server, metrics: &dyn Fn() -> Answer) {
    let open = || -> Option<f64> {
        metrics().text().lines().find_map(|line| line.strip_prefix("kdcube_metrics_open_connections ")?.parse().ok())
    };
    assert!(at_once(open).unwrap() <= 512.0);
    assert!(server.memory() < 100, "{} MiB", server.memory());
    drop(crowd);
    eventually("the other connections to close", Duration::from_secs(15), || open() == Some(1.0));
}

#[test]
fn ten_thousand_idle_connections_do_not_block_others() {
    let server = Server::ready(&[("METRICS_MODE", "embedded")]);
    let crowd = crowd(server.port(), "", || server.get("/livez"));
    assert_bounded(crowd, &server, &|| server.get("/metrics"));
}

#[test]
fn ten_thousand_unfinished_handshakes_do_not_block_others() {
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
