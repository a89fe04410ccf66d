//! Slow clients: they send a head or body slowly, or do not read the response.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::server;
use crate::support::{Answer, Server, at_once, eventually};

fn connect(server: &Server) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", server.port())).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
}

fn health_in_time(server: &Server) {
    assert_eq!(at_once(|| server.get("/health").status), 200);
}

fn open_connections(server: &Server) -> Option<f64> {
    let metrics = server.get("/metrics").text();
    metrics.lines().find_map(|line| line.strip_prefix("kdcube_metrics_open_connections ")?.parse().ok())
}

/// Whether the server has closed the connection, without waiting for it.
fn closed(stream: &TcpStream) -> bool {
    stream.set_nonblocking(true).unwrap();
    let read = (&mut &*stream).read(&mut [0; 1024]);
    stream.set_nonblocking(false).unwrap();
    match read {
        Ok(0) => true,
        Ok(_) => false,
        Err(error) => error.kind() != ErrorKind::WouldBlock,
    }
}

#[test]
fn a_head_that_arrives_byte_by_byte_times_out() {
    let server = server();
    let mut slow: Vec<TcpStream> = (0..200).map(|_| connect(&server)).collect();
    let began = Instant::now();
    let mut head = b"GET /metrics HTTP/1.1\r\nHost: x\r\nX: ".iter().chain(std::iter::repeat(&b'x'));
    eventually("all of them to be closed", Duration::from_secs(20), || {
        let byte = *head.next().unwrap();
        slow.retain_mut(|stream| !closed(stream) && stream.write_all(&[byte]).is_ok());
        health_in_time(&server);
        slow.is_empty()
    });
    assert!(began.elapsed() > Duration::from_secs(5), "slow is not hostile yet: {:?}", began.elapsed());
    assert!(server.memory() < 100, "{} MiB", server.memory());
}

#[test]
fn a_body_is_not_waited_for() {
    let server = server();
    let mut slow = connect(&server);
    slow.write_all(b"POST /metrics/export HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nx").unwrap();
    let mut answer = Vec::new();
    // Answered and closed.
    let _ = at_once(|| slow.read_to_end(&mut answer));
    assert_eq!(Answer::parse(&answer).unwrap().status, 200);
}

#[test]
fn a_body_without_end_is_not_read() {
    let server = server();
    let mut stream = connect(&server);
    stream.write_all(b"POST /metrics/export HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n").unwrap();
    let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
    // The two socket buffers fill up, and then the connection is closed.
    let taken = (0..2_000).take_while(|_| stream.write_all(chunk.as_bytes()).is_ok()).count();
    assert!(taken < 1_000, "{taken} chunks of 64 KiB");
    assert!(server.memory() < 100, "{} MiB", server.memory());
    health_in_time(&server);
}

#[test]
fn garbage_after_a_request_closes_the_connection() {
    let server = server();
    for garbage in [&b"\0\xff\xfe GARBAGE\r\n\r\n"[..], b"{\"not\": \"http\"}\r\n\r\n", &[b'x'; 100_000]] {
        let mut stream = connect(&server);
        let mut bytes = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n".repeat(3);
        bytes.extend_from_slice(garbage);
        let _ = stream.write_all(&bytes);
        let mut answers = Vec::new();
        let _ = stream.read_to_end(&mut answers);
        let answers = String::from_utf8_lossy(&answers).into_owned();
        // A reset may discard responses; nothing else may arrive.
        assert!(answers.matches("HTTP/1.1 200").count() <= 3, "{answers}");
        assert!(answers.is_empty() || answers.matches("HTTP/1.1 4").count() <= 1, "{answers}");
    }
    eventually("them to be closed", Duration::from_secs(15), || open_connections(&server) == Some(1.0));
    health_in_time(&server);
}

#[test]
fn responses_that_are_not_read_time_out() {
    let server = server();
    let requests = b"GET /metrics/combined HTTP/1.1\r\nHost: x\r\n\r\n".repeat(20_000);
    let deaf: Vec<TcpStream> = (0..20)
        .map(|_| {
            let mut stream = connect(&server);
            stream.set_write_timeout(Some(Duration::from_millis(200))).unwrap();
            let _ = stream.write_all(&requests);
            stream
        })
        .collect();
    assert!(open_connections(&server) > Some(20.0));
    health_in_time(&server);
    eventually("them to be closed", Duration::from_secs(25), || open_connections(&server) == Some(1.0));
    assert!(server.memory() < 100, "{} MiB", server.memory());
    drop(deaf);
}

#[test]
fn heads_that_never_end_are_not_buffered() {
    let server = server();
    let giant = vec![b'x'; 1_000_000];
    let held: Vec<TcpStream> = (0..300)
        .map(|_| {
            let mut stream = connect(&server);
            stream.set_write_timeout(Some(Duration::from_millis(50))).unwrap();
            let _ = stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nX: ").and_then(|()| stream.write_all(&giant));
            stream
        })
        .collect();
    assert!(server.memory() < 100, "{} MiB", server.memory());
    health_in_time(&server);
    drop(held);
}
