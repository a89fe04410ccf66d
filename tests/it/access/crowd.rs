//! Many requests at once: health is answered all the same, and no sink is overloaded.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::EMBEDDED;
use crate::support::{Answer, RedisServer, Server, eventually, free_port};

/// Sends a request and does not wait for the answer.
fn send(port: u16, path: &str) -> TcpStream {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    write!(stream, "GET {path} HTTP/1.0\r\nHost: x\r\n\r\n").unwrap();
    stream
}

/// Whether no response has arrived.
fn is_waiting(stream: &TcpStream) -> bool {
    stream.set_nonblocking(true).unwrap();
    let arrived = stream.peek(&mut [0]);
    stream.set_nonblocking(false).unwrap();
    arrived.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
}

#[test]
fn health_is_answered_while_all_other_requests_wait() {
    let redis = RedisServer::start();
    let server = Server::ready(&[
        ("REDIS_URL", &redis.url()),
        ("METRICS_PROM_SCRAPE_TTL_SEC", "0.001"),
        ("METRICS_SAMPLE_INTERVAL_SEC", "5"),
    ]);
    redis.hang(true);
    let waiting: Vec<TcpStream> = (0..300).map(|_| send(server.port(), "/api/v1/signals")).collect();
    for path in ["/health", "/livez", "/readyz"] {
        assert_eq!(server.get(path).status, 200, "{path}");
    }
    let still = waiting.iter().filter(|stream| is_waiting(stream)).count();
    assert!(still >= 128, "health was answered before them: {still}");
    let answers: Vec<Answer> = waiting
        .into_iter()
        .map(|mut stream| {
            let mut bytes = Vec::new();
            stream.read_to_end(&mut bytes).unwrap();
            Answer::parse(&bytes).unwrap()
        })
        .collect();
    let shed = answers.iter().filter(|answer| answer.headers.contains_key("retry-after")).count();
    assert!((1..=300 - 128).contains(&shed), "{shed}");
    assert!(answers.iter().all(|answer| [200, 503].contains(&answer.status)));
    redis.hang(false);
    eventually("recovery", Duration::from_secs(20), || server.get("/api/v1/signals").status == 200);
}

/// A Pushgateway that is slow and counts.
fn slow_gateway() -> (String, Arc<AtomicUsize>) {
    let (port, pushes) = (free_port(), Arc::new(AtomicUsize::new(0)));
    let (listener, counter) = (TcpListener::bind(("127.0.0.1", port)).unwrap(), Arc::clone(&pushes));
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            counter.fetch_add(1, Ordering::Relaxed);
            std::thread::spawn(move || answer_slowly(stream));
        }
    });
    (format!("http://127.0.0.1:{port}"), pushes)
}

#[expect(clippy::disallowed_methods, reason = "a thread of its own may sleep")]
fn answer_slowly(mut stream: TcpStream) {
    let _ = stream.read(&mut [0; 65_536]);
    std::thread::sleep(Duration::from_millis(300));
    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
}

#[test]
fn many_requests_for_an_export_do_not_overload_a_sink() {
    let (url, pushes) = slow_gateway();
    let push = ("METRICS_EXPORT_PROMETHEUS_PUSH", "1");
    let server = Server::ready(&[EMBEDDED, push, ("METRICS_PROM_PUSHGATEWAY_URL", &url)]);
    let began = Instant::now();
    let mut patient = Vec::new();
    for round in 0..60 {
        // Some disconnect without waiting for the response.
        let stream = send(server.port(), "/metrics/export");
        if round % 3 == 0 {
            patient.push(stream);
        }
        let next = began + Duration::from_millis(50 * round);
        eventually("the next request", Duration::from_secs(1), || Instant::now() >= next);
    }
    for mut stream in patient {
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        assert_eq!(Answer::parse(&bytes).unwrap().json()["status"], "ok");
    }
    // A push a second and the one it begins with.
    let most = usize::try_from(began.elapsed().as_secs()).unwrap() + 1;
    let pushes = pushes.load(Ordering::Relaxed);
    assert!((1..=most).contains(&pushes), "{pushes} pushes in {:?}", began.elapsed());
}
