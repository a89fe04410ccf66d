//! The Kubernetes documents against the real thing: a Prometheus that scrapes the binary and loads
//! the alert rules, asked what the Prometheus Adapter would ask.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::{Killed, RedisServer, Server, eventually, free_port, raw};

/// How long anything here may take to come about.
const SOON: Duration = Duration::from_secs(30);

/// The adapter's configuration, as far as queries go.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Adapter {
    external_rules: Vec<Rule>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Rule {
    series_query: String,
    name: Name,
    metrics_query: String,
}

#[derive(Deserialize)]
struct Name {
    r#as: String,
}

impl Rule {
    /// The query that the adapter makes for an HPA: external rules group by nothing.
    fn query(&self, matchers: &str) -> String {
        let query = self.metrics_query.replace("<<.Series>>", &self.series_query);
        let query = query.replace("<<.LabelMatchers>>", matchers).replace("<<.GroupBy>>", "");
        assert!(!query.contains("<<"), "{query}");
        query
    }
}

fn deployment(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deployment/kubernetes").join(path)
}

fn rules() -> Vec<Rule> {
    let text = std::fs::read_to_string(deployment("prometheus-adapter/rules.yaml")).unwrap();
    serde_saphyr::from_str::<Adapter>(&text).unwrap().external_rules
}

/// The rule for what an HPA asks for.
fn rule(metric: &str) -> Rule {
    rules().into_iter().find(|rule| rule.name.r#as == metric).unwrap()
}

/// A Prometheus that scrapes one server under two names every second, as two replicas.
struct Prometheus {
    _process: Killed,
    _folder: TempDir,
    port: u16,
}

impl Prometheus {
    fn start(server: &Server) -> Self {
        let target = server.port();
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("prometheus.yaml");
        let alerts = deployment("alerts/rules.yaml");
        let text = format!(
            "global: {{scrape_interval: 1s, evaluation_interval: 1s}}\n\
             rule_files: [{alerts:?}]\n\
             scrape_configs:\n\
             - job_name: kdcube-metrics\n  \
               static_configs: [{{targets: ['127.0.0.1:{target}', 'localhost:{target}']}}]\n",
        );
        std::fs::write(&config, text).unwrap();
        let port = free_port();
        let child = Command::new("prometheus")
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .stderr(Stdio::null())
            .spawn()
            .expect("prometheus is needed: ./test installs it");
        let prometheus = Self { _process: Killed(child), _folder: folder, port };
        eventually("scrapes of both targets", SOON, || prometheus.one("count(kdcube_metrics_up)") == Some(2.0));
        prometheus
    }

    /// What an API route answers; nothing while it does not.
    fn get(&self, path: &str) -> Option<Value> {
        // 1.0: a long answer is not sent in chunks.
        let answer = raw(self.port, format!("GET /api/v1/{path} HTTP/1.0\r\nHost: localhost\r\n\r\n").as_bytes())?;
        (answer.status == 200).then(|| answer.json()["data"].clone())
    }

    fn ask(&self, route: &str, parameter: &str, value: &str) -> Option<Value> {
        let value: String = url::form_urlencoded::byte_serialize(value.as_bytes()).collect();
        self.get(&format!("{route}?{parameter}={value}"))
    }

    /// Every item of an instant query: labels and value.
    fn query(&self, query: &str) -> Vec<(Value, f64)> {
        let Some(data) = self.ask("query", "query", query) else { return Vec::new() };
        let item = |item: &Value| (item["metric"].clone(), item["value"][1].as_str().unwrap().parse().unwrap());
        data["result"].as_array().unwrap().iter().map(item).collect()
    }

    /// The value of a query that gives one item without labels, as an HPA needs it.
    fn one(&self, query: &str) -> Option<f64> {
        let items = self.query(query);
        assert!(items.len() <= 1, "{query}: an HPA would add up {items:?}");
        let (labels, value) = items.first()?;
        assert_eq!(labels, &serde_json::json!({}), "{query}");
        Some(*value)
    }

    /// Alerts by name with their state; none is there while its expression gives nothing.
    fn alerts(&self) -> Vec<(String, String)> {
        let data = self.get("alerts").unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let alert = |alert: &Value| (text(&alert["labels"]["alertname"]), text(&alert["state"]));
        data["alerts"].as_array().unwrap().iter().map(alert).collect()
    }
}

/// The value of a series without labels on `/metrics`.
fn served(server: &Server, series: &str) -> Option<f64> {
    let text = server.get("/metrics").text();
    let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.map(|value| value.parse().unwrap())
}

/// A deployment whose first tick stays the newest, so that its numbers can be compared exactly.
const FROZEN: [(&str, &str); 4] = [
    ("METRICS_MODE", "embedded"),
    ("METRICS_SAMPLE_INTERVAL_SEC", "600"),
    ("METRICS_STALE_AFTER_SEC", "3600"),
    ("METRICS_PROM_SCRAPE_TTL_SEC", "3600"),
];

#[test]
fn the_adapters_queries_give_the_numbers_that_are_served() {
    let server = Server::ready(&FROZEN);
    let prometheus = Prometheus::start(&server);
    let signals = server.get("/api/v1/signals").json();
    for rule in rules() {
        let found = prometheus.ask("series", "match[]", &rule.series_query).unwrap();
        assert_eq!(found.as_array().unwrap().len(), 2, "the adapter finds {}", rule.series_query);
        let name = &rule.name.r#as;
        let expected = served(&server, name).unwrap_or_else(|| panic!("{name} is not served"));
        for matchers in ["", "job=\"kdcube-metrics\"", "instance=~\"localhost:.*\""] {
            assert_eq!(prometheus.one(&rule.query(matchers)), Some(expected), "{name} with {{{matchers}}}");
        }
        assert_eq!(prometheus.one(&rule.query("job=\"another\"")), None, "{name} of somebody else");
    }
    let asked = |metric| prometheus.one(&rule(metric).query("")).unwrap();
    // What KEDA reads is the same.
    assert_eq!(signals["ingress"]["sse"]["saturation_ratio"], asked("kdcube_ingress_sse_saturation_ratio"));
    assert_eq!(signals["proc"]["queue"]["pressure_ratio"], asked("kdcube_proc_queue_pressure_ratio"));
    assert_eq!(signals["proc"]["queue"]["wait"]["p95_ms"], asked("kdcube_proc_queue_wait_p95"));
}

/// Each panel's query, as Grafana sends it.
fn dashboard_queries() -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("deployment/grafana/kdcube-metrics.json");
    let dashboard: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let targets = panels.iter().filter_map(|panel| panel["targets"].as_array()).flatten();
    let query = |target: &Value| target["expr"].as_str().unwrap().replace("$job", "kdcube-metrics");
    targets.map(|target| query(target).replace("$__rate_interval", "1m")).collect()
}

#[test]
fn every_query_of_the_dashboard_runs_and_those_of_what_is_there_have_values() {
    let server = Server::ready(&[("METRICS_MODE", "embedded"), ("METRICS_SAMPLE_INTERVAL_SEC", "1")]);
    let prometheus = Prometheus::start(&server);
    let queries = dashboard_queries();
    assert!(queries.len() > 35, "{}", queries.len());
    // Nothing is exported or wrong, and what arrives is known only after a minute.
    let may_be_empty = |query: &str| ["export", "metrics_problem", "arrivals"].iter().any(|part| query.contains(part));
    for query in queries {
        assert!(prometheus.ask("query", "query", &query).is_some(), "{query}");
        let what = format!("a value of {query}");
        eventually(&what, SOON, || may_be_empty(&query) || !prometheus.query(&query).is_empty());
    }
}

#[test]
fn numbers_that_move_are_followed() {
    let server = Server::ready(&[("METRICS_MODE", "embedded"), ("METRICS_SAMPLE_INTERVAL_SEC", "1")]);
    let prometheus = Prometheus::start(&server);
    let query = rule("kdcube_proc_queue_pressure_ratio").query("");
    let first = prometheus.one(&query).unwrap();
    eventually("another pressure", SOON, || prometheus.one(&query).is_some_and(|now| now != first));
}

#[test]
fn an_idle_fleet_waits_nothing_and_can_be_scaled_in() {
    let redis = RedisServer::start().with_deployment();
    let server = Server::ready(&[("REDIS_URL", &redis.url()), ("METRICS_SAMPLE_INTERVAL_SEC", "1")]);
    assert_eq!(served(&server, "kdcube_proc_queue_wait_p95"), None);
    assert_eq!(served(&server, "kdcube_proc_queue_total"), Some(0.0));
    let prometheus = Prometheus::start(&server);
    assert_eq!(prometheus.one(&rule("kdcube_proc_queue_wait_p95").query("")), Some(0.0));
    // Nothing says how many streams there are.
    assert_eq!(prometheus.one(&rule("kdcube_ingress_sse_saturation_ratio").query("")), None);
}

#[test]
fn alert_rules_load_and_notice_that_the_server_is_gone() {
    let server = Server::ready(&FROZEN);
    let prometheus = Prometheus::start(&server);
    let healthy = || {
        let groups = prometheus.get("rules").unwrap()["groups"].clone();
        let rules = groups[0]["rules"].as_array().unwrap().clone();
        assert!(rules.len() >= 6, "{rules:?}");
        rules.iter().all(|rule| rule["health"] == "ok")
    };
    eventually("an evaluation of every rule", SOON, healthy);
    let absent = ("KdcubeMetricsAbsent".to_owned(), "pending".to_owned());
    // It began before the first scrape.
    eventually("no alert", SOON, || !prometheus.alerts().contains(&absent));
    drop(server);
    eventually("the alert", SOON, || prometheus.alerts().contains(&absent));
    // No last value lingers: the HPA sees that it knows nothing.
    for rule in rules() {
        assert_eq!(prometheus.one(&rule.query("")), None, "{}", rule.name.r#as);
    }
}
