//! Upstreams that hang, reset, redirect elsewhere, or send too much or nonsense: the server stays up and recovers.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::{PROXY, SOON};
use crate::support::{Server, at_once, eventually, free_port};

/// The response to every request; `None`: none, and the connection stays open.
type Response = Arc<Mutex<Option<Vec<u8>>>>;

/// An upstream with a scripted response.
struct Upstream {
    port: u16,
    response: Response,
    /// Heads of the requests so far.
    heads: Arc<Mutex<Vec<String>>>,
}

impl Upstream {
    fn start() -> Self {
        let port = free_port();
        let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
        let (response, heads) = (Response::default(), Arc::<Mutex<Vec<String>>>::default());
        let (own_response, own_heads) = (Arc::clone(&response), Arc::clone(&heads));
        std::thread::spawn(move || {
            let mut hanging = Vec::new();
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                own_heads.lock().unwrap().push(head(&mut stream));
                match own_response.lock().unwrap().as_deref() {
                    // The client may close before all is sent.
                    Some(answer) => drop(stream.write_all(answer)),
                    None => hanging.push(stream),
                }
            }
        });
        Self { port, response, heads }
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    fn respond(&self, answer: Vec<u8>) {
        *self.response.lock().unwrap() = Some(answer);
    }

    fn hang(&self) {
        *self.response.lock().unwrap() = None;
    }
}

fn head(stream: &mut TcpStream) -> String {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|read| read == 1) {
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}

fn answer(headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n{headers}\r\n", body.len());
    [head.as_bytes(), body].concat()
}

fn good() -> Vec<u8> {
    answer("", br#"{"queue_stats": {"total": 3}}"#)
}

fn redirect(to: &str) -> Vec<u8> {
    format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n").into_bytes()
}

fn bomb() -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    for _ in 0..1000 {
        encoder.write_all(&[b' '; 1_000_000]).unwrap();
    }
    answer("Content-Encoding: gzip\r\n", &encoder.finish().unwrap())
}

fn resident_megabytes(server: &Server) -> f64 {
    let text = server.get("/metrics").text();
    let line = text.lines().find_map(|line| line.strip_prefix("process_resident_memory_bytes ")).unwrap();
    line.parse::<f64>().unwrap() / 1e6
}

fn ask_one(upstream: &Upstream) -> Server {
    Server::start(&[
        PROXY,
        ("METRICS_PROC_BASE_URL", &upstream.url()),
        ("METRICS_AUTH_HEADER_NAME", "X-Key"),
        ("METRICS_AUTH_HEADER_VALUE", "hunter2"),
        ("METRICS_REQUEST_TIMEOUT_SEC", "0.5"),
        ("METRICS_STALE_AFTER_SEC", "1"),
    ])
}

#[test]
fn whatever_an_upstream_sends_the_server_stays_up_and_recovers() {
    let upstream = Upstream::start();
    upstream.respond(good());
    let server = ask_one(&upstream);
    let deep = [&b"{\"a\":"[..], &vec![b'['; 1_000_000], b"}"].concat();
    let hostile = [
        ("a reset", b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{".to_vec()),
        ("nothing", Vec::new()),
        ("no HTTP", b"\x16\x03\x01 hello".to_vec()),
        ("a login page", answer("Content-Type: text/html\r\n", b"<html>log in</html>")),
        ("a list", answer("", b"[]")),
        ("deep nesting", answer("", &deep)),
        (
            "millions of values",
            answer("", format!("{{\"instances\": [{}]}}", vec!["0"; 7_000_000].join(",")).as_bytes()),
        ),
        ("a large body", answer("", &vec![b' '; 20_000_000])),
        ("a bomb", bomb()),
        ("an unknown coding", answer("Content-Encoding: br\r\n", b"{}")),
        ("a redirect loop", redirect("/monitoring/system")),
        ("a giant head", [b"HTTP/1.1 200 OK\r\nX: ".as_slice(), &vec![b'x'; 1_000_000], b"\r\n\r\n{}"].concat()),
    ];
    for (what, bytes) in hostile {
        upstream.respond(good());
        eventually("recovery", Duration::from_secs(40), || server.get("/metrics/proc/system").status == 200);
        upstream.respond(bytes);
        eventually(what, SOON, || server.get("/metrics/proc/system").status == 502);
        let problem = server.get("/metrics/proc/system").text();
        assert!(problem.contains("proc") && !problem.contains("hunter2") && problem.len() < 1000, "{what}: {problem}");
        assert_eq!(server.get("/livez").status, 200, "{what}");
        assert!(!server.get("/metrics").text().contains("kdcube_proc_queue_total 0"), "{what}");
    }
    assert!(resident_megabytes(&server) < 120.0, "{} MB", resident_megabytes(&server));
}

#[test]
fn a_redirect_to_another_server_is_not_followed() {
    let (upstream, other) = (Upstream::start(), Upstream::start());
    other.respond(good());
    upstream.respond(redirect(&format!("{}/monitoring/system", other.url())));
    let server = ask_one(&upstream);
    eventually("a refusal", SOON, || server.get("/metrics/proc/system").status == 502);
    let problem = server.get("/metrics/proc/system").text();
    assert!(problem.contains("redirects to another server"), "{problem}");
    assert_eq!(other.heads.lock().unwrap().len(), 0);
    assert!(upstream.heads.lock().unwrap()[0].contains("x-key: hunter2"));
}

#[test]
fn a_hanging_upstream_times_out_and_opens_its_circuit() {
    let upstream = Upstream::start();
    upstream.hang();
    let server = ask_one(&upstream);
    eventually("the timeout", SOON, || server.get("/metrics/proc/system").text().contains("no answer in time"));
    assert_eq!(at_once(|| (server.get("/health").status, server.get("/livez").status)), (200, 200));
    eventually("the open circuit", SOON, || server.get("/metrics/proc/system").text().contains("next request in"));
    upstream.respond(good());
    eventually("recovery", Duration::from_secs(40), || server.get("/readyz").status == 200);
    assert!(server.get("/metrics").text().contains("kdcube_proc_queue_total 3\n"));
}
