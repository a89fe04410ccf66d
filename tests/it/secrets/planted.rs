//! The secrets, where they are given, and how they are searched for.

use std::io::{Read, Write};
use std::net::TcpListener;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::authority::Authority;
use crate::support::{GATEWAY, free_port};

/// A variable that holds a secret, and what must not be seen of it.
pub(super) struct Planted {
    pub(super) variable: &'static str,
    pub(super) value: String,
    pub(super) secret: &'static str,
}

/// Where the secrets are given, well formed or not.
pub(super) struct Places {
    redis: u16,
    echo: u16,
    pub(super) authority: Authority,
}

impl Places {
    pub(super) fn new(redis: u16) -> Self {
        Self { redis, echo: echo(), authority: Authority::new() }
    }
}

pub(super) fn planted(places: &Places) -> Vec<Planted> {
    let Places { redis, echo, .. } = places;
    let row = |variable, secret: &'static str, value: String| Planted { variable, value, secret };
    vec![
        row("REDIS_URL", "plantedRedis1", format!("redis://:plantedRedis1@127.0.0.1:{redis}/0")),
        row("METRICS_AUTH_TOKEN", "plantedToken2", "plantedToken2,plantedToken2b".to_owned()),
        row("METRICS_PROM_PUSHGATEWAY_URL", "plantedPush3", format!("http://me:plantedPush3@127.0.0.1:{echo}")),
        row("AWS_ACCESS_KEY_ID", "plantedAccess4", "plantedAccess4".to_owned()),
        row("AWS_SECRET_ACCESS_KEY", "plantedKey5", "plantedKey5".to_owned()),
        row("AWS_SESSION_TOKEN", "plantedSession6", "plantedSession6".to_owned()),
        row("METRICS_AUTH_HEADER_VALUE", "plantedHeader7", "Bearer plantedHeader7".to_owned()),
        row("METRICS_HEADERS_JSON", "plantedHeaders8", r#"{"X-Key": "plantedHeaders8"}"#.to_owned()),
        row("METRICS_PROC_BASE_URL", "plantedUpstream10", format!("http://me:plantedUpstream10@127.0.0.1:{echo}")),
        row("POSTGRES_PASSWORD", "plantedDatabase9", "plantedDatabase9".to_owned()),
    ]
}

/// What is set besides: everything that uses a secret is on.
pub(super) fn environment(places: &Places) -> Vec<(String, String)> {
    let pair = places.authority.issue("server");
    let echo = format!("http://127.0.0.1:{}", places.echo);
    let set = [
        GATEWAY,
        ("METRICS_TLS_CERT_FILE", &pair.certificate),
        ("METRICS_TLS_KEY_FILE", &pair.key),
        ("METRICS_EXPORT_PROMETHEUS_PUSH", "1"),
        ("METRICS_EXPORT_CLOUDWATCH", if cfg!(feature = "cloudwatch") { "1" } else { "0" }),
        ("METRICS_SCHEDULER_ENABLED", "1"),
        ("METRICS_EXPORT_INTERVAL_SEC", "0.5"),
        ("METRICS_SAMPLE_INTERVAL_SEC", "0.5"),
        ("METRICS_REQUEST_TIMEOUT_SEC", "1"),
        ("AWS_REGION", "eu-central-1"),
        ("AWS_ENDPOINT_URL_CLOUDWATCH", &echo),
        ("METRICS_INGRESS_BASE_URL", &echo),
        ("METRICS_ENABLE_PG_POOL", "1"),
        ("POSTGRES_HOST", "127.0.0.1"),
        ("POSTGRES_PORT", "9"),
        ("POSTGRES_DATABASE", "postgres"),
        ("POSTGRES_USER", "postgres"),
        ("RUST_LOG", "trace"),
    ];
    let rows = planted(places).into_iter().map(|row| (row.variable.to_owned(), row.value));
    set.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).chain(rows).collect()
}

pub(super) fn borrowed(variables: &[(String, String)]) -> Vec<(&str, &str)> {
    variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

/// Fails if any of the secrets stands in the text, as it is or as a header would carry it.
pub(super) fn assert_clean(places: &Places, what: &str, text: &str) {
    for row in planted(places) {
        let basic = STANDARD.encode(format!("me:{}", row.secret));
        for form in [row.secret, &basic] {
            let line = text.lines().find(|line| line.contains(form));
            assert!(line.is_none(), "{what} shows {} in: {}", row.variable, line.unwrap_or_default());
        }
    }
    let key = std::fs::read_to_string(places.authority.path("server.key")).unwrap_or_default();
    for line in key.lines().filter(|line| !line.starts_with("-----")) {
        assert!(!text.contains(line), "{what} shows the TLS key");
    }
}

/// A server that refuses everything and echoes the whole request, as some proxies do.
fn echo() -> u16 {
    let port = free_port();
    let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut head = vec![0; 8192];
            let read = stream.read(&mut head).unwrap_or(0);
            let request = String::from_utf8_lossy(&head[..read]).into_owned();
            let answer = format!(
                "HTTP/1.1 400 Bad Request\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{request}",
                request.len()
            );
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    port
}
