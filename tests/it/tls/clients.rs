//! Clients with a certificate, without, with an invalid one, and without TLS.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use super::{serve, value};
use crate::authority::{Authority, Https};
use crate::support::{at_once, eventually, raw};

fn health_in_time(client: &Https, port: u16) {
    assert_eq!(at_once(|| client.get(port, "/health").status), 200);
}

#[test]
fn every_route_but_health_needs_a_client_certificate() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let pair = authority.issue("server");
    let server =
        serve(&pair, &[("METRICS_TLS_CLIENT_CA_FILE", &authority.certificate()), ("METRICS_AUTH_TOKEN", "hunter2")]);
    let port = server.port();
    let (nobody, friend) = (authority.client(None), authority.client(Some(&authority.issue("friend"))));
    for path in ["/health", "/livez", "/healthz", "/-/healthy"] {
        assert_eq!(nobody.get(port, path).status, 200, "{path}");
    }
    for path in ["/", "/metrics", "/metrics/export", "/api/v1/signals", "/nowhere"] {
        let answer = nobody.ask(port, path, "Authorization: Bearer hunter2\r\n").unwrap();
        assert_eq!((answer.status, answer.headers["content-type"].as_str()), (403, "application/problem+json"));
        assert!(answer.text().contains("METRICS_TLS_CLIENT_CA_FILE"), "{path}");
    }
    assert_eq!(friend.get(port, "/metrics").status, 401, "a certificate is no token");
    assert_eq!(friend.ask(port, "/metrics", "Authorization: Bearer hunter2\r\n").unwrap().status, 200);

    // With another authority's certificate, or an expired one, the handshake fails.
    let impostor = authority.client(Some(&stranger.issue("friend")));
    assert!(impostor.ask(port, "/health", "").is_err());
    let late = authority.client(Some(&authority.issue_for("late", 0)));
    eventually("its expiry", Duration::from_secs(5), || late.ask(port, "/health", "").is_err());
    health_in_time(&nobody, port);
    let metrics = friend.ask(port, "/metrics", "Authorization: Bearer hunter2\r\n").unwrap();
    assert!(value(&metrics, "kdcube_metrics_refused_connections_total{reason=\"handshake\"}").unwrap() >= 2.0);
}

#[test]
fn clients_without_tls_get_a_400_or_time_out() {
    let authority = Authority::new();
    let (server, client) = (serve(&authority.issue("server"), &[]), authority.client(None));
    let port = server.port();
    let mut silent = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let mut halfway = TcpStream::connect(("127.0.0.1", port)).unwrap();
    halfway.write_all(b"\x16\x03\x01\x02\x00\x01\x00").unwrap();
    let began = Instant::now();

    let plain = raw(port, b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").expect("an answer");
    assert_eq!((plain.status, plain.headers["content-type"].as_str()), (400, "application/problem+json"));
    assert!(plain.json()["detail"].as_str().unwrap().contains("https://"));
    for garbage in [&b"\x16\x03\x01\xff\xff"[..], &[0x16; 100_000], &[0xff; 100], b"\0", b"\r\n\r\n"] {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        let _ = stream.write_all(garbage);
        let _ = stream.shutdown(Shutdown::Write);
        let _ = stream.read_to_end(&mut Vec::new());
    }
    health_in_time(&client, port);

    // A client that sends nothing, or not enough, has ten seconds.
    for stream in [&mut silent, &mut halfway] {
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let _ = stream.read_to_end(&mut Vec::new());
        assert!(began.elapsed() < Duration::from_secs(25), "{:?}", began.elapsed());
    }
    let refused =
        value(&client.get(port, "/metrics"), "kdcube_metrics_refused_connections_total{reason=\"handshake\"}");
    assert!(refused >= Some(7.0), "{refused:?}");
    assert!(server.memory() < 100, "{} MiB", server.memory());
}

#[test]
fn a_handshake_that_hangs_does_not_delay_the_shutdown() {
    let server = serve(&Authority::new().issue("server"), &[]);
    let mut halfway = TcpStream::connect(("127.0.0.1", server.port())).unwrap();
    halfway.write_all(b"\x16\x03\x01\x02\x00\x01\x00").unwrap();
    let (code, took, log) = server.terminate();
    assert_eq!(code, Some(0), "{log}");
    assert!(took < Duration::from_secs(9), "{took:?}");
}
