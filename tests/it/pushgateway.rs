//! Pushes to a real Pushgateway: what arrives, what is deleted, and what happens while it is unavailable.

use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::authority::{Authority, Pair};
use crate::fault::Fault;
use crate::fault_proxy::FaultyProxy;
use crate::support::{GATEWAY, Killed, RedisServer, Server, eventually, free_port, get, program, request};

/// A real Pushgateway.
pub(crate) struct Pushgateway {
    port: u16,
    process: Option<Killed>,
    /// The file of its TLS, if it has some.
    web_config: Option<String>,
}

impl Pushgateway {
    pub(crate) fn start() -> Self {
        Self::start_with(None)
    }

    /// With a certificate of localhost from this authority.
    fn start_tls(authority: &Authority) -> Self {
        let Pair { certificate, key } = authority.issue("gateway");
        let path = authority.path("web.yml");
        std::fs::write(&path, format!("tls_server_config:\n  cert_file: {certificate}\n  key_file: {key}\n")).unwrap();
        Self::start_with(Some(path))
    }

    fn start_with(web_config: Option<String>) -> Self {
        let mut gateway = Self { port: free_port(), process: None, web_config };
        gateway.restart();
        gateway
    }

    fn restart(&mut self) {
        let child = Command::new("prometheus-pushgateway")
            .arg(format!("--web.listen-address=127.0.0.1:{}", self.port))
            // Nothing of another run.
            .arg("--persistence.file=")
            .args(self.web_config.iter().map(|path| format!("--web.config.file={path}")))
            .stderr(Stdio::null())
            .spawn()
            .expect("prometheus-pushgateway is needed: ./test installs it");
        self.process = Some(Killed(child));
        let port = self.port;
        eventually("the Pushgateway", Duration::from_secs(10), || TcpStream::connect(("127.0.0.1", port)).is_ok());
    }

    fn stop(&mut self) {
        self.process = None;
    }

    /// Stops it answering without closing its connections, or lets it go on.
    pub(crate) fn hang(&self, hang: bool) {
        self.process.as_ref().unwrap().signal(if hang { libc::SIGSTOP } else { libc::SIGCONT });
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// What it shows to Prometheus.
    fn text(&self) -> String {
        get(self.port, "/metrics").text()
    }

    /// Lines of one metric.
    pub(crate) fn lines(&self, name: &str) -> Vec<String> {
        self.text().lines().filter(|line| line.starts_with(&format!("{name}{{"))).map(str::to_owned).collect()
    }
}

pub(crate) const PUSH: (&str, &str) = ("METRICS_EXPORT_PROMETHEUS_PUSH", "1");
pub(crate) const SCHEDULED: (&str, &str) = ("METRICS_SCHEDULER_ENABLED", "1");
pub(crate) const OFTEN: (&str, &str) = ("METRICS_EXPORT_INTERVAL_SEC", "0.5");
/// Long enough for a retry, which needs a second.
pub(crate) const WITH_RETRIES: (&str, &str) = ("METRICS_EXPORT_INTERVAL_SEC", "2");
pub(crate) const EMBEDDED: (&str, &str) = ("METRICS_MODE", "embedded");

#[test]
fn a_group_is_pushed_replaced_and_deleted() {
    let gateway = Pushgateway::start();
    let mut redis = RedisServer::start().with_deployment();
    let server = Server::ready(&[
        ("REDIS_URL", &redis.url()),
        PUSH,
        SCHEDULED,
        OFTEN,
        ("METRICS_PROM_PUSHGATEWAY_URL", &gateway.url()),
        ("METRICS_PROM_GROUPING_LABELS_JSON", r#"{"instance": "a/b", "zone": "", "place": "Zürich 1"}"#),
        ("METRICS_PROM_PUSH_DELETE_ON_SHUTDOWN", "1"),
        ("METRICS_STALE_AFTER_SEC", "1"),
    ]);
    eventually("the push", Duration::from_secs(10), || !gateway.lines("kdcube_proc_queue_total").is_empty());
    let line = gateway.lines("kdcube_proc_queue_total").remove(0);
    for label in [r#"job="kdcube_metrics""#, r#"instance="a/b""#, r#"place="Zürich 1""#] {
        assert!(line.contains(label), "{label} in {line}");
    }
    assert!(gateway.lines("kdcube_metrics_up")[0].ends_with(" 1"));

    // Stale series are removed, and the gateway shows the server as down.
    redis.stop();
    eventually("the stale push", Duration::from_secs(10), || gateway.lines("kdcube_proc_queue_total").is_empty());
    assert!(gateway.lines("kdcube_metrics_up")[0].ends_with(" 0"));
    assert_eq!(gateway.lines("kdcube_metrics_snapshot_age_seconds").len(), 1);
    redis.restart();
    eventually("recovery", Duration::from_secs(20), || !gateway.lines("kdcube_proc_queue_total").is_empty());

    let (code, _, log) = server.terminate();
    assert_eq!(code, Some(0), "{log}");
    assert!(gateway.lines("kdcube_metrics_up").is_empty(), "deleted at the end");
}

/// One push; the exit code and what it reports.
fn push_once(variables: &[(&str, &str)]) -> (Option<i32>, String) {
    let output = program(&[&[EMBEDDED, PUSH], variables].concat(), &["once"]).output().unwrap();
    (output.status.code(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
}

#[test]
fn a_machine_without_certificates_pushes_by_http_and_reports_what_it_lacks_for_https() {
    let gateway = Pushgateway::start();
    let none = ("SSL_CERT_FILE", "/nonexistent.pem");
    let (code, text) = push_once(&[none, ("METRICS_PROM_PUSHGATEWAY_URL", &gateway.url())]);
    assert_eq!(code, Some(0), "{text}");
    let authority = Authority::new();
    let secured = Pushgateway::start_tls(&authority);
    let url = format!("https://localhost:{}", secured.port);
    let (code, text) = push_once(&[none, ("METRICS_PROM_PUSHGATEWAY_URL", &url)]);
    assert_eq!(code, Some(3), "{text}");
    assert!(text.contains("this machine has no CA certificates") && text.contains("SSL_CERT_FILE"), "{text}");
}

#[test]
fn a_gateway_of_an_own_authority_needs_its_ca_file_and_the_error_names_the_setting() {
    let authority = Authority::new();
    let gateway = Pushgateway::start_tls(&authority);
    let (url, ca) = (format!("https://localhost:{}", gateway.port), authority.certificate());
    let address = ("METRICS_PROM_PUSHGATEWAY_URL", url.as_str());
    let (code, text) = push_once(&[address]);
    assert_eq!(code, Some(3), "{text}");
    assert!(text.contains("UnknownIssuer") && text.contains("set METRICS_PROM_PUSHGATEWAY_CA_FILE"), "{text}");
    let (code, text) = push_once(&[address, ("METRICS_PROM_PUSHGATEWAY_CA_FILE", &ca)]);
    assert_eq!(code, Some(0), "{text}");
}

#[test]
fn unusual_label_values_arrive_unchanged() {
    let gateway = Pushgateway::start();
    let mut odd = vec![("job".to_owned(), "a/b c".to_owned())];
    for (n, value) in [
        "", ".", "..", "%2e%2e", "/", "\\", "a?b#c", "100%", "%2F", "+ +", "a\nb\tc", "\"q\"", "x@base64", "=", "é",
        "日本", ":8090", "a;b=c",
    ]
    .into_iter()
    .enumerate()
    {
        odd.push((format!("l{n}"), value.to_owned()));
    }
    let labels: serde_json::Map<_, _> = odd[1..].iter().map(|(n, v)| (n.clone(), Value::from(v.as_str()))).collect();
    let variables = [
        EMBEDDED,
        PUSH,
        ("METRICS_PROM_PUSHGATEWAY_URL", &gateway.url()),
        ("METRICS_PROM_JOB_NAME", "a/b c"),
        ("METRICS_PROM_GROUPING_LABELS_JSON", &Value::Object(labels).to_string()),
    ];
    let output = program(&[&[GATEWAY][..], &variables].concat(), &["once"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stdout));
    let groups = get(gateway.port, "/api/v1/metrics").json();
    let found = groups["data"][0]["labels"].as_object().unwrap().clone();
    let expected = odd.iter().map(|(n, v)| (n.clone(), Value::from(v.as_str()))).collect();
    assert_eq!(found, expected);
}

#[test]
fn a_gateway_accepts_both_names_of_a_metric() {
    let gateway = Pushgateway::start();
    let variables = [
        GATEWAY,
        EMBEDDED,
        PUSH,
        ("METRICS_PROM_PUSHGATEWAY_URL", &gateway.url()),
        ("METRICS_PROM_NAMES", "both"),
        ("METRICS_MAPPING_JSON", r#"{"proc.queue.total": "chat/queue"}"#),
    ];
    let output = program(&variables, &["once"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stdout));
    let value = |name: &str| gateway.lines(name)[0].rsplit(' ').next().unwrap().to_owned();
    for [default, platform] in [["chat_queue", "kdcube_chat_queue"], ["kdcube_metrics_up", "kdcube_metrics_up"]] {
        assert_eq!(value(default), value(platform), "{default}");
        assert_eq!(gateway.lines(platform).len(), 1);
    }
    // Where a name is the same in both, it is pushed once.
    assert_eq!(gateway.lines("kdcube_proc_queue_pressure_ratio").len(), 1);
}

#[test]
fn a_gateway_that_recovers_is_pushed_to_again() {
    let mut gateway = Pushgateway::start();
    gateway.stop();
    let server = Server::ready(&[EMBEDDED, PUSH, SCHEDULED, OFTEN, ("METRICS_PROM_PUSHGATEWAY_URL", &gateway.url())]);
    let stats = || server.get("/api/v1/exports").json()["sinks"][0].clone();
    eventually("a failure", Duration::from_secs(10), || stats()["failed"].as_u64() > Some(1));
    assert!(stats()["last_error"].as_str().unwrap().contains("cannot be reached"), "{}", stats());
    assert_eq!(stats()["last_success"], Value::Null);
    gateway.restart();
    eventually("the push", Duration::from_secs(10), || !gateway.lines("kdcube_proc_queue_total").is_empty());
    eventually("the statistics", Duration::from_secs(5), || stats()["ok"].as_u64() > Some(0));
    let metrics = server.get("/metrics").text();
    assert!(metrics.contains(r#"kdcube_metrics_exports_total{sink="pushgateway",result="failed"}"#), "{metrics}");
    assert!(metrics.contains("kdcube_metrics_export_last_success_timestamp_seconds{sink=\"pushgateway\"}"));
    let log = server.log_with("problem ended code=\"sink_failing\"");
    assert_eq!(
        log.matches("problem code=\"sink_failing\" subject=\"pushgateway\"").count(),
        1,
        "once, not once a batch: {log}"
    );
    assert!(log.contains("problem ended code=\"sink_failing\""), "{log}");
}

#[test]
fn an_export_on_demand_returns_its_report() {
    let mut gateway = Pushgateway::start();
    let server = Server::ready(&[EMBEDDED, PUSH, ("METRICS_PROM_PUSHGATEWAY_URL", &gateway.url())]);
    for method in ["GET", "POST"] {
        let answer = request(server.port(), method, "/metrics/export", &[]);
        assert_eq!((answer.status, answer.json()["status"].as_str()), (200, Some("ok")), "{}", answer.text());
        let sink = &answer.json()["sinks"][0];
        assert_eq!((sink["name"].as_str(), sink["error"].is_null()), (Some("pushgateway"), true));
        assert!(sink["samples"].as_u64() > Some(20));
    }
    gateway.stop();
    eventually("the next export", Duration::from_secs(15), || {
        let answer = server.get("/metrics/export");
        answer.status == 502 && answer.json()["status"] == "failed"
    });
    let without = Server::ready(&[EMBEDDED, SCHEDULED]);
    assert!(without.log().contains("no sink is enabled: nothing will be pushed"), "{}", without.log());
    let answer = without.get("/metrics/export");
    assert_eq!(answer.status, 200);
    assert!(answer.json()["detail"].as_str().unwrap().contains("METRICS_EXPORT_PROMETHEUS_PUSH"));
}

#[test]
fn a_gateway_that_hangs_delays_neither_the_server_nor_its_shutdown() {
    let gateway = Pushgateway::start();
    gateway.hang(true);
    let server = Server::ready(&[
        EMBEDDED,
        PUSH,
        SCHEDULED,
        OFTEN,
        ("METRICS_REQUEST_TIMEOUT_SEC", "1"),
        ("METRICS_PROM_PUSHGATEWAY_URL", &gateway.url()),
    ]);
    let failed = || server.get("/api/v1/exports").json()["sinks"][0]["failed"].as_u64();
    eventually("timeouts", Duration::from_secs(10), || failed() > Some(1));
    assert_eq!(server.get("/readyz").status, 200);
    // Shutdown during a push.
    let (code, took, log) = server.terminate();
    assert_eq!(code, Some(0), "{log}");
    assert!(took < Duration::from_secs(9), "{took:?}");
}

#[test]
fn a_password_is_sent_to_the_gateway_and_shown_nowhere() {
    let port = free_port();
    // A proxy that demands a password: only the request's header matters.
    let listener = std::net::TcpListener::bind(("127.0.0.1", port)).unwrap();
    let proxy = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut head = vec![0; 2000];
        let read = std::io::Read::read(&mut stream, &mut head).unwrap();
        std::io::Write::write_all(&mut stream, b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n").unwrap();
        String::from_utf8_lossy(&head[..read]).into_owned()
    });
    let url = format!("http://me:hunter2@127.0.0.1:{port}");
    let output =
        program(&[GATEWAY, EMBEDDED, PUSH, ("METRICS_PROM_PUSHGATEWAY_URL", &url)], &["once"]).output().unwrap();
    assert_eq!(output.status.code(), Some(3), "a denial is not retried");
    let head = proxy.join().unwrap().to_ascii_lowercase();
    assert!(
        head.starts_with("put /metrics/job/kdcube_metrics ") && head.contains("authorization: basic bwu6ahvudgvymg=="),
        "{head}"
    );
    assert!(head.contains("content-encoding: gzip"));
    let output = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.contains("401") && !output.contains("hunter2"), "{output}");
}

#[tokio::test(flavor = "multi_thread")]
async fn pushes_recover_from_every_answer_of_a_proxy() {
    let gateway = Pushgateway::start();
    let proxy = FaultyProxy::before(gateway.port).await;
    proxy.mishaps.extend([
        Fault::Answer(500, "out of order"),
        Fault::Answer(429, ""),
        Fault::Reset,
        Fault::Hang,
        Fault::Answer(503, ""),
    ]);
    let url = proxy.url();
    let server = Server::ready(&[EMBEDDED, PUSH, SCHEDULED, WITH_RETRIES, ("METRICS_PROM_PUSHGATEWAY_URL", &url)]);
    let stats = || server.get("/api/v1/exports").json()["sinks"][0].clone();
    eventually("a push", Duration::from_secs(15), || stats()["ok"].as_u64() > Some(0));
    assert!(!gateway.lines("kdcube_proc_queue_total").is_empty());
    let (before, failed) = (stats(), stats()["failed"].as_u64().unwrap());
    assert!(
        before["retries"].as_u64() >= Some(1) && before["delivered"].as_u64() >= before["last_samples"].as_u64(),
        "{before}"
    );

    // A rejection is not retried within its batch.
    proxy.mishaps.extend([Fault::Answer(400, "inconsistent metrics"), Fault::Answer(403, "")]);
    eventually("two rejections", Duration::from_secs(10), || stats()["failed"].as_u64() == Some(failed + 2));
    assert_eq!(stats()["retries"], before["retries"]);
    assert!(stats()["last_error"].as_str().unwrap().contains("403"), "{}", stats());
    eventually("pushes again", Duration::from_secs(10), || stats()["ok"].as_u64() > before["ok"].as_u64());
    // Each of the seven faults costs one request and no more.
    eventually("as many requests as pushes", Duration::from_secs(10), || {
        proxy.requests() as u64 == 7 + stats()["ok"].as_u64().unwrap()
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn shutdown_deletes_the_group_after_a_push_in_progress() {
    let gateway = Pushgateway::start();
    let proxy = FaultyProxy::before(gateway.port).await;
    proxy.mishaps.extend([Fault::Late(Duration::from_millis(700))]);
    let server = Server::ready(&[
        EMBEDDED,
        PUSH,
        SCHEDULED,
        ("METRICS_EXPORT_INTERVAL_SEC", "86400"),
        ("METRICS_PROM_PUSHGATEWAY_URL", &proxy.url()),
        ("METRICS_PROM_PUSH_DELETE_ON_SHUTDOWN", "1"),
    ]);
    eventually("the push", Duration::from_secs(10), || !gateway.lines("kdcube_metrics_up").is_empty());
    let (code, took, log) = server.terminate();
    assert_eq!((code, proxy.requests()), (Some(0), 2), "{log}");
    assert!(took < Duration::from_secs(9) && !log.contains("WARN"), "{took:?} {log}");
    assert!(gateway.lines("kdcube_metrics_up").is_empty());
}
