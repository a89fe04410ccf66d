//! StatsD pushes to a UDP socket.

use std::collections::BTreeMap;
use std::net::UdpSocket;
use std::time::Duration;

use crate::support::{Server, eventually};

const LIMIT: Duration = Duration::from_secs(20);

fn server(address: &str, dialect: &str) -> Server {
    Server::ready(&[
        ("METRICS_MODE", "embedded"),
        ("METRICS_SCHEDULER_ENABLED", "1"),
        ("METRICS_EXPORT_INTERVAL_SEC", "0.5"),
        ("METRICS_EXPORT_ON_START", "1"),
        ("METRICS_EXPORT_STATSD", "1"),
        ("METRICS_STATSD_ADDRESS", address),
        ("METRICS_STATSD_DIALECT", dialect),
    ])
}

/// Lines by name, of the datagrams that arrive within two pushes.
fn received(socket: &UdpSocket) -> BTreeMap<String, String> {
    socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let (mut lines, mut bytes) = (BTreeMap::new(), [0; 2000]);
    while !lines.keys().any(|name: &String| name.starts_with("kdcube.autoscaler_decision")) {
        let length = socket.recv(&mut bytes).expect("a datagram");
        assert!(length <= 1432, "{length}");
        let text = std::str::from_utf8(&bytes[..length]).unwrap();
        lines.extend(text.lines().map(|line| {
            let (name, rest) = line.split_once(':').unwrap();
            (name.to_owned(), rest.to_owned())
        }));
    }
    lines
}

#[test]
fn gauges_arrive_with_tags_or_with_labels_in_their_names() {
    for (dialect, name, end) in [
        ("dogstatsd", "kdcube.proc_queue_depth", "|g|#tenant:acme,project:"),
        ("statsd", "kdcube.proc_queue_depth.paid", "|g"),
    ] {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let server = server(&socket.local_addr().unwrap().to_string(), dialect);
        let lines = received(&socket);
        assert!(lines[name].contains(end), "{dialect}: {}", lines[name]);
        let value = lines["kdcube.proc.queue.total"].split('|').next().unwrap();
        assert!(value.parse::<f64>().unwrap() >= 0.0, "{value}");
        eventually("the count", LIMIT, || {
            let sink = server.get("/api/v1/exports").json()["sinks"][0].clone();
            sink["name"] == "statsd" && sink["delivered"].as_u64() > Some(50) && sink["failed"] == 0
        });
    }
}

#[test]
fn a_port_where_nothing_listens_is_a_failure_and_costs_nothing_else() {
    let port = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let server = server(&port.to_string(), "dogstatsd");
    eventually("a failure", LIMIT, || {
        let sink = server.get("/api/v1/exports").json()["sinks"][0].clone();
        sink["failed"].as_u64() > Some(0) && sink["last_error"].as_str().unwrap().contains("METRICS_STATSD_ADDRESS")
    });
    assert_eq!(server.get("/readyz").status, 200);
}
