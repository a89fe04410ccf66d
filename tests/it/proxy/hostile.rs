//! Upstreams that hang, break off, lead away, swell or babble: the server stays up and recovers.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;

use super::{PROXY, SOON};
use crate::support::{Server, eventually, free_port};

/// What an upstream sends to everybody who asks; `None`: nothing, and it does not hang up.
type Says = Arc<Mutex<Option<Vec<u8>>>>;

/// An upstream that says what it is told to say.
struct Upstream {
    port: u16,
    says: Says,
    /// Heads of requests, as they came.
    heard: Arc<Mutex<Vec<String>>>,
}

impl Upstream {
    fn start() -> Self {
        let port = free_port();
        let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
        let (says, heard) = (Says::default(), Arc::<Mutex<Vec<String>>>::default());
        let (said, hears) = (Arc::clone(&says), Arc::clone(&heard));
        std::thread::spawn(move || {
            let mut hanging = Vec::new();
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                hears.lock().unwrap().push(head(&mut stream));
                match said.lock().unwrap().as_deref() {
                    // Whoever asked may have gone before all is sent.
                    Some(answer) => drop(stream.write_all(answer)),
                    None => hanging.push(stream),
                }
            }
        });
        Self { port, says, heard }
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    fn say(&self, answer: Vec<u8>) {
        *self.says.lock().unwrap() = Some(answer);
    }

    fn hang(&self) {
        *self.says.lock().unwrap() = None;
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
fn whatever_an_upstream_sends_the_server_stays_and_recovers() {
    let upstream = Upstream::start();
    upstream.say(good());
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
        ("an unknown packing", answer("Content-Encoding: br\r\n", b"{}")),
        ("a redirect in a circle", redirect("/monitoring/system")),
        ("a giant head", [b"HTTP/1.1 200 OK\r\nX: ".as_slice(), &vec![b'x'; 1_000_000], b"\r\n\r\n{}"].concat()),
    ];
    for (what, bytes) in hostile {
        upstream.say(good());
        eventually("recovery", Duration::from_secs(40), || server.get("/metrics/proc/system").status == 200);
        upstream.say(bytes);
        eventually(what, SOON, || server.get("/metrics/proc/system").status == 502);
        let problem = server.get("/metrics/proc/system").text();
        assert!(problem.contains("proc") && !problem.contains("hunter2") && problem.len() < 1000, "{what}: {problem}");
        assert_eq!(server.get("/livez").status, 200, "{what}");
        assert!(!server.get("/metrics").text().contains("kdcube_proc_queue_total 0"), "{what}");
    }
    assert!(resident_megabytes(&server) < 120.0, "{} MB", resident_megabytes(&server));
}

#[test]
fn a_token_is_not_taken_to_another_server() {
    let (upstream, other) = (Upstream::start(), Upstream::start());
    other.say(good());
    upstream.say(redirect(&format!("{}/monitoring/system", other.url())));
    let server = ask_one(&upstream);
    eventually("a refusal", SOON, || server.get("/metrics/proc/system").status == 502);
    let problem = server.get("/metrics/proc/system").text();
    assert!(problem.contains("redirects to another server"), "{problem}");
    assert_eq!(other.heard.lock().unwrap().len(), 0);
    assert!(upstream.heard.lock().unwrap()[0].contains("x-key: hunter2"));
}

#[test]
fn an_upstream_that_hangs_is_given_up_and_then_left_alone() {
    let upstream = Upstream::start();
    upstream.hang();
    let server = ask_one(&upstream);
    eventually("given up", SOON, || server.get("/metrics/proc/system").text().contains("no answer in time"));
    let began = Instant::now();
    assert_eq!((server.get("/health").status, server.get("/livez").status), (200, 200));
    assert!(began.elapsed() < Duration::from_millis(500), "{:?}", began.elapsed());
    eventually("left alone", SOON, || server.get("/metrics/proc/system").text().contains("left alone"));
    upstream.say(good());
    eventually("recovery", Duration::from_secs(40), || server.get("/readyz").status == 200);
    assert!(server.get("/metrics").text().contains("kdcube_proc_queue_total 3\n"));
}
