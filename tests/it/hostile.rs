//! Malicious and broken clients: they get JSON problems, and the server keeps serving.

mod crowd;
mod slow;

use std::net::TcpStream;

use crate::support::{Server, at_once, raw, request};

fn server() -> Server {
    Server::ready(&[("METRICS_MODE", "embedded")])
}

#[test]
fn invalid_requests_get_a_problem() {
    let server = server();
    for (method, path, status) in [
        ("GET", "/nowhere", 404),
        ("GET", "/metrics/other", 404),
        ("POST", "/metrics", 405),
        ("DELETE", "/health", 405),
    ] {
        let answer = request(server.port(), method, path, &[]);
        assert_eq!(answer.status, status, "{method} {path}");
        assert_eq!(answer.headers["content-type"], "application/problem+json");
        assert_eq!(answer.json()["status"], status);
    }
    let head = request(server.port(), "HEAD", "/metrics", &[]);
    assert_eq!((head.status, head.body.len()), (200, 0));
    let large = request(server.port(), "GET", "/metrics", &[("Content-Length", "99999999")]);
    assert_eq!(large.status, 413);
    let metrics = server.get("/metrics").text();
    assert!(metrics.contains(r#"kdcube_metrics_http_requests_total{route="other",status="404"} 2"#), "{metrics}");
}

#[test]
fn heads_have_a_limit() {
    let server = server();
    let giant = "x".repeat(100_000);
    let answer = raw(server.port(), format!("GET / HTTP/1.1\r\nHost: x\r\nBig: {giant}\r\n\r\n").as_bytes());
    // The server may close before the client has sent it all: then there is a reset, and no answer.
    assert!(answer.is_none_or(|answer| answer.status == 431));
    let many: String = (0..200).map(|number| format!("H{number}: x\r\n")).collect();
    let answer = raw(server.port(), format!("GET / HTTP/1.1\r\nHost: x\r\n{many}\r\n").as_bytes());
    assert!(answer.is_none_or(|answer| answer.status == 431));
    for garbage in
        [&b"\x16\x03\x01\x02\x00\x01\x00"[..], b"GET\r\n\r\n", b"\0\0\0\0\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n"]
    {
        let answer = raw(server.port(), garbage);
        assert!(answer.is_none_or(|answer| answer.status == 400), "{garbage:?}");
    }
    assert_eq!(server.get("/health").status, 200);
}

#[test]
fn idle_connections_do_not_block_others() {
    let server = server();
    // Twice as many as may be open.
    let idle: Vec<TcpStream> =
        (0..1024).filter_map(|_| TcpStream::connect(("127.0.0.1", server.port())).ok()).collect();
    assert!(idle.len() > 1000);
    assert_eq!(at_once(|| server.get("/livez").status), 200);
}
