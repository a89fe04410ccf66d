//! The front door: who gets in, how many at once, and what a crowd may cause.

use std::ffi::OsString;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::ffi::OsStringExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::support::{Answer, GATEWAY, RedisServer, Server, eventually, free_port, program, request};

const EMBEDDED: (&str, &str) = ("METRICS_MODE", "embedded");

#[test]
fn only_a_token_opens_the_routes() {
    let server = Server::start(&[EMBEDDED, ("METRICS_AUTH_TOKEN", "hunter2,hunter3")]);
    let ask = |path: &str, headers: &[(&str, &str)]| request(server.port(), "GET", path, headers);
    for path in
        ["/", "/metrics", "/metrics/combined", "/metrics/proc/system", "/metrics/export", "/api/v1/exports", "/nowhere"]
    {
        let answer = ask(path, &[]);
        assert_eq!(
            (answer.status, answer.headers["www-authenticate"].as_str()),
            (401, "Bearer realm=\"kdcube-metrics\"")
        );
        for wrong in ["", "Bearer", "Bearer hunter", "Bearer hunter22", "Basic hunter2", "hunter2"] {
            let answer = ask(path, &[("Authorization", wrong)]);
            assert_eq!(answer.status, 401, "{path}");
            assert!(answer.headers["www-authenticate"].contains("invalid_token"), "{path}");
        }
    }
    let twice = [("Authorization", "Bearer hunter2"), ("Authorization", "Bearer hunter2")];
    assert_eq!(ask("/metrics", &twice).status, 401);
    for token in ["Bearer hunter2", "bearer hunter3"] {
        assert_eq!(ask("/metrics", &[("Authorization", token)]).status, 200, "{token}");
    }
    for path in ["/health", "/livez", "/healthz", "/-/healthy"] {
        assert_eq!(server.get(path).status, 200, "{path}");
    }
}

#[test]
fn tokens_that_are_no_tokens_stop_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let (empty, binary) = (folder.path().join("empty"), folder.path().join("binary"));
    std::fs::write(&empty, "\n").unwrap();
    std::fs::write(&binary, b"hunter\xff").unwrap();
    let bytes = |bytes: &[u8]| OsString::from_vec(bytes.to_vec());
    for (variable, value) in [
        ("METRICS_AUTH_TOKEN", bytes(b" , ")),
        ("METRICS_AUTH_TOKEN", bytes(b"hunter 2")),
        ("METRICS_AUTH_TOKEN", bytes(b"hunter\xff")),
        ("METRICS_AUTH_TOKEN_FILE", empty.into()),
        ("METRICS_AUTH_TOKEN_FILE", binary.into()),
        ("METRICS_AUTH_TOKEN_FILE", bytes(b"/nowhere/token")),
    ] {
        let output = program(&[GATEWAY, EMBEDDED], &["serve"]).env(variable, &value).output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(78), "{value:?}: {errors}");
        assert!(errors.contains("METRICS_AUTH_TOKEN") && !errors.contains("hunter"), "{errors}");
    }
}

#[test]
fn a_file_of_tokens_is_read_again_when_it_changes() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tokens");
    std::fs::write(&file, "hunter2\n").unwrap();
    let server = Server::start(&[EMBEDDED, ("METRICS_AUTH_TOKEN_FILE", file.to_str().unwrap())]);
    let ask = |token: &str| request(server.port(), "GET", "/metrics", &[("Authorization", &format!("Bearer {token}"))]);
    let seen = Duration::from_secs(15);
    assert_eq!(ask("hunter2").status, 200);
    std::fs::write(&file, "hunter2\nhunter3\n").unwrap();
    eventually("the second token", seen, || ask("hunter3").status == 200);
    assert_eq!(ask("hunter2").status, 200);
    std::fs::write(&file, "hunter3\n").unwrap();
    eventually("the end of the first", seen, || ask("hunter2").status == 401);
    // Neither nothing nor no file opens the door.
    let failed = || ask("hunter3").text().contains(r#"kdcube_metrics_reloads_total{files="tokens",result="failed"} 1"#);
    std::fs::write(&file, "").unwrap();
    eventually("the judgement", seen, failed);
    assert_eq!((server.get("/metrics").status, ask("hunter3").status), (401, 200));
    std::fs::remove_file(&file).unwrap();
    std::fs::write(&file, "hunter4").unwrap();
    eventually("the next token", seen, || ask("hunter4").status == 200);
    let log = server.log();
    assert!(log.contains("METRICS_AUTH_TOKEN_FILE") && log.contains("holds no token"), "{log}");
    assert!(!log.contains("hunter"), "{log}");
}

#[test]
fn an_open_door_on_the_network_is_warned_of_once() {
    let anywhere = ("METRICS_BIND", "0.0.0.0");
    let warnings = |variables: &[(&str, &str)]| Server::ready(variables).log().matches("Internal only means").count();
    assert_eq!(warnings(&[EMBEDDED, anywhere]), 1);
    assert_eq!(warnings(&[EMBEDDED]), 0, "on this machine only");
    let closed = Server::start(&[EMBEDDED, anywhere, ("METRICS_AUTH_TOKEN", "hunter2")]);
    assert!(!closed.log().contains("Internal only means"));
}

#[test]
fn pages_may_not_be_framed_cached_or_scripted() {
    let server = Server::ready(&[EMBEDDED]);
    for path in ["/", "/metrics", "/nowhere", "/health"] {
        let headers = server.get(path).headers;
        assert_eq!(
            (headers["cache-control"].as_str(), headers["x-content-type-options"].as_str()),
            ("no-store", "nosniff")
        );
        assert_eq!((headers["x-frame-options"].as_str(), headers["referrer-policy"].as_str()), ("DENY", "no-referrer"));
        assert_eq!(headers["cross-origin-resource-policy"], "same-origin");
        for part in ["default-src 'none'", "frame-ancestors 'none'", "form-action 'none'", "base-uri 'none'"] {
            assert!(headers["content-security-policy"].contains(part), "{path}: {part}");
        }
    }
    let page = server.get("/").text();
    assert!(!page.contains("<script") && !page.contains(" onclick"));
}

/// Sends a request and does not wait for the answer.
fn send(port: u16, path: &str) -> TcpStream {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    write!(stream, "GET {path} HTTP/1.0\r\nHost: x\r\n\r\n").unwrap();
    stream
}

#[test]
fn health_is_answered_while_everybody_else_waits() {
    let redis = RedisServer::start();
    let server = Server::ready(&[
        ("REDIS_URL", &redis.url()),
        ("METRICS_PROM_SCRAPE_TTL_SEC", "0.001"),
        ("METRICS_SAMPLE_INTERVAL_SEC", "5"),
    ]);
    redis.hang(true);
    let waiting: Vec<TcpStream> = (0..300).map(|_| send(server.port(), "/api/v1/signals")).collect();
    let began = Instant::now();
    for path in ["/health", "/livez", "/readyz"] {
        assert_eq!(server.get(path).status, 200, "{path}");
    }
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    let answers: Vec<Answer> = waiting
        .into_iter()
        .map(|mut stream| {
            let mut bytes = Vec::new();
            stream.read_to_end(&mut bytes).unwrap();
            Answer::parse(&bytes).unwrap()
        })
        .collect();
    let crowded = answers.iter().filter(|answer| answer.headers.contains_key("retry-after")).count();
    assert!((1..=300 - 128).contains(&crowded), "{crowded}");
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
fn no_crowd_of_askers_hammers_a_sink() {
    let (url, pushes) = slow_gateway();
    let push = ("METRICS_EXPORT_PROMETHEUS_PUSH", "1");
    let server = Server::ready(&[EMBEDDED, push, ("METRICS_PROM_PUSHGATEWAY_URL", &url)]);
    let began = Instant::now();
    let mut patient = Vec::new();
    for round in 0..60 {
        // Some ask and hang up, some wait.
        let asker = send(server.port(), "/metrics/export");
        if round % 3 == 0 {
            patient.push(asker);
        }
        let next = began + Duration::from_millis(50 * round);
        eventually("the next asker", Duration::from_secs(1), || Instant::now() >= next);
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
