//! The front door with TLS: certificates that are shown, replaced, asked for and refused.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::authority::{Authority, Pair, openssl};
use crate::support::{Answer, GATEWAY, Server, eventually, free_port, program, raw};

const EMBEDDED: (&str, &str) = ("METRICS_MODE", "embedded");

/// How long a change of files may take to be seen: two looks, and a loaded machine.
const SEEN: Duration = Duration::from_secs(15);

fn serve(pair: &Pair, more: &[(&str, &str)]) -> Server {
    let files = [("METRICS_TLS_CERT_FILE", pair.certificate.as_str()), ("METRICS_TLS_KEY_FILE", &pair.key)];
    Server::start(&[&[EMBEDDED], &files[..], more].concat())
}

fn health_in_time(client: &crate::authority::Https, port: u16) {
    let began = Instant::now();
    assert_eq!(client.get(port, "/health").status, 200);
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
}

fn value(metrics: &Answer, series: &str) -> Option<f64> {
    metrics.text().lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok())
}

fn told(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn everything_is_served_over_tls_and_says_so() {
    let authority = Authority::new();
    let pair = authority.issue("server");
    let (server, client) = (serve(&pair, &[]), authority.client(None));
    let port = server.port();
    eventually("readiness", Duration::from_secs(10), || client.get(port, "/readyz").status == 200);
    assert!(client.get(port, "/").text().contains("· https ·"));
    assert!(server.log().contains(&format!("url=\"https://127.0.0.1:{port}\"")), "{}", server.log());
    let metrics = client.get(port, "/metrics");
    let ends = value(&metrics, "kdcube_metrics_tls_certificate_expiry_timestamp_seconds").unwrap();
    assert!(ends > value(&metrics, "process_start_time_seconds").unwrap() + 29.0 * 86_400.0);

    let handshake = |version: &str| {
        let mut client = Command::new("openssl");
        client.args(["s_client", "-alpn", "h2,http/1.1", "-CAfile", &authority.certificate(), version]);
        let output = client.args(["-connect", &format!("127.0.0.1:{port}")]).stdin(Stdio::null()).output().unwrap();
        (output.status.success(), told(&output))
    };
    for version in ["-tls1_2", "-tls1_3"] {
        let (good, text) = handshake(version);
        assert!(good && text.contains("Verify return code: 0") && text.contains("ALPN protocol: http/1.1"), "{text}");
    }
    assert!(!handshake("-tls1_1").0);

    let port = port.to_string();
    let variables = [
        GATEWAY,
        EMBEDDED,
        ("METRICS_PORT", port.as_str()),
        ("METRICS_TLS_CERT_FILE", &pair.certificate),
        ("METRICS_TLS_KEY_FILE", &pair.key),
    ];
    assert_eq!(program(&variables, &["healthcheck"]).output().unwrap().status.code(), Some(0));
    assert_eq!(program(&variables[..3], &["healthcheck"]).output().unwrap().status.code(), Some(1), "not over http");
    let demo = program(&variables, &["demo", "--for", "1s", "--port", "0"]).output().unwrap();
    assert!(told(&demo).contains("https://127.0.0.1:"), "{}", told(&demo));
}

#[test]
fn files_that_cannot_be_used_stop_the_start_with_a_line_each() {
    let authority = Authority::new();
    let (pair, other) = (authority.issue("server"), authority.issue("other"));
    let (garbage, broken) = (authority.path("garbage"), authority.path("broken"));
    std::fs::write(&garbage, "hunter2\n").unwrap();
    std::fs::write(&broken, "-----BEGIN CERTIFICATE-----\nhunter2\n-----END CERTIFICATE-----\n").unwrap();
    let encrypted = authority.path("encrypted");
    let folder = std::path::Path::new(&encrypted).parent().unwrap();
    openssl(folder, "pkcs8 -topk8 -in server.key -passout pass:hunter2 -out encrypted");
    for (certificate, key, authorities, lines) in [
        (&pair.certificate, &other.key, None, &["METRICS_TLS_KEY_FILE .*is not the key of"][..]),
        (
            &garbage,
            &garbage,
            None,
            &["METRICS_TLS_CERT_FILE .*no certificate", "METRICS_TLS_KEY_FILE .*no private key"],
        ),
        (&broken, &pair.key, None, &["METRICS_TLS_CERT_FILE .*cannot be used"]),
        (&pair.certificate, &encrypted, None, &["METRICS_TLS_KEY_FILE .*no private key; accepted: .*not encrypted"]),
        (&pair.certificate, &pair.key, Some(&pair.key), &["METRICS_TLS_CLIENT_CA_FILE .*no certificate"]),
        (&pair.certificate, &pair.key, Some(&broken), &["METRICS_TLS_CLIENT_CA_FILE .*accepted"]),
    ] {
        let mut command = program(&[GATEWAY, EMBEDDED], &["serve"]);
        command.env("METRICS_TLS_CERT_FILE", certificate).env("METRICS_TLS_KEY_FILE", key);
        command.envs(authorities.map(|path| ("METRICS_TLS_CLIENT_CA_FILE", path)));
        let output = command.output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!((output.status.code(), errors.lines().count()), (Some(78), lines.len() + 1), "{errors}");
        for line in lines {
            let (variable, what) = line.split_once(" .*").unwrap();
            let found = errors.lines().find(|told| told.contains(variable)).unwrap_or_else(|| panic!("{errors}"));
            assert!(what.split(".*").all(|part| found.contains(part)), "{line} in {found}");
        }
        assert!(!errors.contains("hunter2"), "{errors}");
    }
}

/// Puts other files in a pair's place, each at once, as orchestrators do.
fn replace(pair: &Pair, with: &Pair) {
    for (from, to) in [(&with.certificate, &pair.certificate), (&with.key, &pair.key)] {
        let beside = format!("{to}.new");
        std::fs::copy(from, &beside).unwrap();
        std::fs::rename(&beside, to).unwrap();
    }
}

#[test]
fn a_new_pair_is_shown_without_a_restart_and_a_broken_one_is_not() {
    let authority = Authority::new();
    let (pair, next) = (authority.issue("server"), authority.issue_for("next", 60));
    let original = Pair { certificate: authority.path("original.pem"), key: authority.path("original.key") };
    replace(&original, &pair);
    let (server, client) = (serve(&pair, &[]), authority.client(None));
    let read = |series: &str| value(&client.get(server.port(), "/metrics"), series);
    let ends = || read("kdcube_metrics_tls_certificate_expiry_timestamp_seconds").unwrap();
    let reloads =
        |result: &str| read(&format!("kdcube_metrics_reloads_total{{files=\"tls\",result=\"{result}\"}}")).unwrap();
    let first = ends();
    assert_eq!((reloads("ok"), reloads("failed")), (0.0, 0.0));

    replace(&pair, &next);
    eventually("the new certificate", SEEN, || ends() > first);
    assert_eq!(reloads("ok"), 1.0);

    // A key of another certificate: the pair before it stays in use.
    std::fs::copy(&original.key, &pair.key).unwrap();
    eventually("the judgement", SEEN, || reloads("failed") > 0.0);
    let judged = Instant::now();
    eventually("two more looks", SEEN, || judged.elapsed() > Duration::from_secs(5));
    assert_eq!((reloads("ok"), reloads("failed"), ends() > first), (1.0, 1.0, true));
    let log = server.log();
    assert_eq!(log.matches("is not the key of").count(), 1, "once, not at every look: {log}");

    std::fs::copy(&original.certificate, &pair.certificate).unwrap();
    eventually("the pair before", SEEN, || ends() == first);
    assert_eq!(client.get(server.port(), "/health").status, 200);
}

#[test]
fn only_a_client_certificate_opens_the_routes() {
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

    // Certificates that are not the authority's, or hold no more, get nothing at all.
    let impostor = authority.client(Some(&stranger.issue("friend")));
    assert!(impostor.ask(port, "/health", "").is_err());
    let late = authority.client(Some(&authority.issue_for("late", 0)));
    eventually("its end", Duration::from_secs(5), || late.ask(port, "/health", "").is_err());
    health_in_time(&nobody, port);
    let metrics = friend.ask(port, "/metrics", "Authorization: Bearer hunter2\r\n").unwrap();
    assert!(value(&metrics, "kdcube_metrics_refused_connections_total{reason=\"handshake\"}").unwrap() >= 2.0);
}

#[test]
fn an_authority_that_is_replaced_ends_open_connections() {
    let (authority, next) = (Authority::new(), Authority::new());
    let (pair, trusted) = (authority.issue("server"), authority.path("trusted.pem"));
    std::fs::copy(authority.certificate(), &trusted).unwrap();
    let server = serve(&pair, &[("METRICS_TLS_CLIENT_CA_FILE", &trusted)]);
    let friend = authority.client(Some(&authority.issue("friend")));
    let mut kept = friend.connect(server.port());
    let mut ask = || {
        kept.write_all(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n").ok()?;
        let mut answer = [0; 4096];
        let read = kept.read(&mut answer).ok()?;
        Answer::parse(&answer[..read]).map(|answer| answer.headers.contains_key("connection"))
    };
    assert_eq!(ask(), Some(false));
    std::fs::copy(next.certificate(), &trusted).unwrap();
    eventually("the last answer", SEEN, || ask() == Some(true));
    assert_eq!(ask(), None);
    assert!(friend.ask(server.port(), "/health", "").is_err(), "it is trusted no more");
}

#[test]
fn a_check_tells_how_long_the_certificate_holds() {
    let authority = Authority::new();
    let port = free_port().to_string();
    let check = |pair: &Pair| {
        let variables = [EMBEDDED, ("METRICS_PORT", port.as_str()), ("METRICS_AUTH_TOKEN", "hunter2,hunter3")];
        let output = program(&variables, &["check"])
            .env("METRICS_TLS_CERT_FILE", &pair.certificate)
            .env("METRICS_TLS_KEY_FILE", &pair.key)
            .output()
            .unwrap();
        (output.status.code(), told(&output))
    };
    let (code, text) = check(&authority.issue("server"));
    assert_eq!(code, Some(0), "{text}");
    for part in ["needs one of 2 tokens", "the certificate of localhost holds until 20"] {
        assert!(text.contains(part), "{part} in\n{text}");
    }
    assert!(!text.contains("hunter"), "{text}");
    let (code, text) = check(&authority.issue_for("short", 7));
    assert!(code == Some(0) && text.contains("warning"), "{text}");
    let ended = authority.issue_for("ended", 0);
    eventually("its end", Duration::from_secs(5), || check(&ended).0 == Some(1));
}

#[test]
fn clients_that_do_not_speak_tls_are_told_or_cut() {
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
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let _ = stream.read_to_end(&mut Vec::new());
    }
    health_in_time(&client, port);

    // Who says nothing, or not enough, has ten seconds.
    for stream in [&mut silent, &mut halfway] {
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let _ = stream.read_to_end(&mut Vec::new());
        assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
    }
    let refused =
        value(&client.get(port, "/metrics"), "kdcube_metrics_refused_connections_total{reason=\"handshake\"}");
    assert!(refused >= Some(7.0), "{refused:?}");
    assert!(server.memory() < 150, "{} MiB", server.memory());
}

#[test]
fn a_handshake_that_hangs_does_not_hold_the_stop_up() {
    let server = serve(&Authority::new().issue("server"), &[]);
    let mut halfway = TcpStream::connect(("127.0.0.1", server.port())).unwrap();
    halfway.write_all(b"\x16\x03\x01\x02\x00\x01\x00").unwrap();
    let (code, took, log) = server.terminate();
    assert_eq!(code, Some(0), "{log}");
    assert!(took < Duration::from_secs(3), "{took:?}");
}
