//! OTLP pushes to a receiver in another language, which decodes them with the standard's own messages.
//!
//! Not to Prometheus: it receives OTLP from 2.47 on, and the newest that a stable Debian has is 2.42.

mod receiver;

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use self::receiver::{Arrived, Receiver};
use crate::authority::Authority;
use crate::pushgateway::WITH_RETRIES;
use crate::support::{Server, eventually, free_port};

const LIMIT: Duration = Duration::from_secs(30);
const PROTOCOLS: [&str; 2] = ["grpc", "http/protobuf"];

/// A server that pushes every half second.
fn server(protocol: &str, endpoint: &str, more: &[(&str, &str)]) -> Server {
    let variables = [
        ("METRICS_MODE", "embedded"),
        ("INSTANCE_ID", "replica-1"),
        ("METRICS_SCHEDULER_ENABLED", "1"),
        ("METRICS_EXPORT_INTERVAL_SEC", "0.5"),
        ("METRICS_EXPORT_ON_START", "1"),
        ("METRICS_EXPORT_OTLP", "1"),
        ("METRICS_OTLP_PROTOCOL", protocol),
        ("METRICS_OTLP_ENDPOINT", endpoint),
    ];
    Server::ready(&[&variables[..], more].concat())
}

/// What the server says of its sink.
fn stats(server: &Server) -> Value {
    server.get("/api/v1/exports").json()["sinks"][0].clone()
}

/// The times at which a metric's points were taken, each as often as it arrived.
fn times(arrived: &[Arrived], name: &str) -> BTreeMap<String, usize> {
    let mut times = BTreeMap::new();
    for point in arrived.iter().flat_map(|arrived| arrived.points(name)) {
        *times.entry(point["timeUnixNano"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    times
}

#[test]
fn gauges_and_own_counters_arrive_with_their_resource_over_both_protocols() {
    for protocol in PROTOCOLS {
        for compression in ["gzip", "none"] {
            let receiver = Receiver::start(protocol, &json!(["ok"]));
            let more = [
                ("METRICS_OTLP_COMPRESSION", compression),
                ("METRICS_OTLP_HEADERS_JSON", r#"{"api-key": "hunter2"}"#),
                ("METRICS_OTLP_RESOURCE_ATTRIBUTES_JSON", r#"{"deployment.environment.name": "test"}"#),
            ];
            let server = server(protocol, &receiver.url(), &more);
            eventually("two pushes", LIMIT, || receiver.arrived().len() >= 4);
            let arrived = receiver.arrived();
            let first = arrived.iter().find(|arrived| !arrived.points("kdcube.proc.queue.pressure").is_empty());
            let first = first.unwrap_or_else(|| panic!("{protocol} {compression}"));
            assert_eq!(first.headers["api-key"], "hunter2");
            assert_eq!(first.metric("kdcube.proc.queue.pressure").unwrap()["unit"], "1");
            let resource = first.resource();
            for (key, value) in [
                ("service.name", "metrics"),
                ("service.namespace", "kdcube"),
                ("service.instance.id", "replica-1"),
                ("kdcube.tenant", "acme"),
                ("kdcube.metrics.mode", "embedded"),
                ("deployment.environment.name", "test"),
            ] {
                assert_eq!(resource.get(key).map(String::as_str), Some(value), "{key}");
            }
            let own = arrived.iter().find_map(|arrived| arrived.metric("kdcube.metrics.ticks")).unwrap();
            assert_eq!((&own["sum"]["isMonotonic"], &own["unit"]), (&json!(true), &json!("{count}")));
            assert!(own["sum"]["dataPoints"][0]["startTimeUnixNano"].as_str().unwrap().len() == 19);
            let repeated = times(&arrived, "kdcube.proc.queue.total");
            assert!(repeated.values().all(|times| *times == 1), "{repeated:?}");
            assert_eq!(stats(&server)["failed"], 0);
            assert!(!server.log().contains("hunter2"));
            drop(server);
        }
    }
}

#[test]
fn an_outage_loses_nothing_and_doubles_nothing() {
    for protocol in PROTOCOLS {
        let port = free_port();
        // An attempt has as long: one that is cut short may have arrived, and is made again.
        let server = server(protocol, &format!("http://127.0.0.1:{port}"), &[WITH_RETRIES]);
        eventually("failures", LIMIT, || stats(&server)["failed"].as_u64() >= Some(2));
        let waiting = stats(&server)["waiting"].as_u64().unwrap();
        assert!(waiting > 100, "{waiting}");
        let (error, _) = (stats(&server)["last_error"].as_str().unwrap().to_owned(), ());
        assert!(error.contains("cannot be reached") && error.contains("is it running?"), "{error}");
        let receiver = Receiver::on(port, protocol, &json!([["status", code(protocol), null], "ok"]), None);
        eventually("the backlog", LIMIT, || stats(&server)["waiting"] == 0 && !receiver.arrived().is_empty());
        let (_, _, log) = server.terminate();
        // The first request was refused; what is in it came again.
        let arrived = receiver.arrived();
        let kept = times(&arrived[1..], "kdcube.proc.queue.total");
        assert!(kept.len() >= 2 && kept.values().all(|times| *times == 1), "{kept:?} {log}");
    }
}

/// Of a receiver that may accept it later.
fn code(protocol: &str) -> Value {
    if protocol == "grpc" { json!("UNAVAILABLE") } else { json!(503) }
}

#[test]
fn what_a_receiver_rejects_is_counted_and_not_sent_again() {
    for protocol in PROTOCOLS {
        let receiver = Receiver::start(protocol, &json!([["partial", 3, "three are too old"], "ok"]));
        let server = server(protocol, &receiver.url(), &[]);
        eventually("a drop", LIMIT, || stats(&server)["dropped"] == 3);
        assert_eq!(stats(&server)["failed"], 0);
        drop((server, receiver));

        let never = if protocol == "grpc" { json!("INVALID_ARGUMENT") } else { json!(400) };
        let receiver = Receiver::start(protocol, &json!([["status", never, null], "ok"]));
        let server = self::server(protocol, &receiver.url(), &[]);
        eventually("drops", LIMIT, || stats(&server)["dropped"].as_u64() > Some(50));
        eventually("the next push", LIMIT, || stats(&server)["ok"].as_u64() > Some(0));
        let arrived = receiver.arrived();
        let repeated = times(&arrived, "kdcube.proc.queue.total");
        assert!(repeated.values().all(|times| *times == 1), "{repeated:?}");
    }
}

#[test]
fn a_receiver_that_wants_a_pause_gets_one() {
    for protocol in PROTOCOLS {
        let busy = if protocol == "grpc" { json!("RESOURCE_EXHAUSTED") } else { json!(429) };
        let receiver = Receiver::start(protocol, &json!([["status", busy, 4], "ok"]));
        let server = server(protocol, &receiver.url(), &[]);
        eventually("the first request", LIMIT, || receiver.arrived().len() == 1);
        let began = std::time::Instant::now();
        eventually("the next request", LIMIT, || receiver.arrived().len() > 1);
        assert!(began.elapsed() > Duration::from_millis(3500), "{protocol} {:?}", began.elapsed());
        eventually("the backlog", LIMIT, || stats(&server)["waiting"] == 0);
        assert_eq!(stats(&server)["dropped"], 0);
    }
}

#[test]
fn refusals_name_what_to_change() {
    for (protocol, status, hint) in [
        ("grpc", json!("UNAUTHENTICATED"), "METRICS_OTLP_HEADERS_JSON"),
        ("grpc", json!("UNIMPLEMENTED"), "METRICS_OTLP_ENDPOINT"),
        ("http/protobuf", json!(401), "METRICS_OTLP_HEADERS_JSON"),
        ("http/protobuf", json!(404), "METRICS_OTLP_ENDPOINT"),
    ] {
        let receiver = Receiver::start(protocol, &json!([["status", status, null]]));
        let server = server(protocol, &receiver.url(), &[]);
        eventually("a failure", LIMIT, || stats(&server)["failed"].as_u64() > Some(0));
        let error = stats(&server)["last_error"].as_str().unwrap().to_owned();
        assert!(error.contains(hint) && error.contains("scripted"), "{error}");
        assert!(stats(&server)["waiting"].as_u64() > Some(50), "they are kept");
    }
}

#[test]
fn tls_verifies_the_receiver() {
    let authority = Authority::new();
    let pair = authority.issue("receiver");
    for protocol in PROTOCOLS {
        let port = free_port();
        let receiver = Receiver::on(port, protocol, &json!(["ok"]), Some(&pair));
        let url = format!("https://localhost:{port}");
        let trusting = server(protocol, &url, &[("METRICS_OTLP_CA_FILE", &authority.certificate())]);
        eventually("a push", LIMIT, || stats(&trusting)["ok"].as_u64() > Some(0));
        drop(trusting);
        let before = receiver.arrived().len();
        let distrusting = server(protocol, &url, &[]);
        eventually("a failure", LIMIT, || stats(&distrusting)["failed"].as_u64() > Some(0));
        let error = stats(&distrusting)["last_error"].as_str().unwrap().to_owned();
        assert!(error.contains("METRICS_OTLP_CA_FILE"), "{error}");
        assert_eq!(receiver.arrived().len(), before);
    }
}

#[test]
fn a_receiver_that_hangs_delays_neither_the_server_nor_its_stop() {
    for protocol in PROTOCOLS {
        let receiver = Receiver::start(protocol, &json!(["hang"]));
        let server = server(protocol, &receiver.url(), &[("METRICS_OTLP_TIMEOUT_SEC", "0.5")]);
        eventually("a failure", LIMIT, || stats(&server)["failed"].as_u64() > Some(0));
        assert_eq!(server.get("/readyz").status, 200);
        let (code, took, log) = server.terminate();
        assert!(code == Some(0) && took < Duration::from_secs(9), "{took:?} {log}");
    }
}
