//! `external.metrics.k8s.io`, asked by kubectl through a front proxy that stands in for the API server's.

mod cluster;

use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use self::cluster::Cluster;
use crate::authority::{Authority, Pair};
use crate::support::{Killed, RedisServer, Server, eventually, free_port, get};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const LIMIT: Duration = Duration::from_secs(30);
const VERSION: &str = "/apis/external.metrics.k8s.io/v1beta1";

/// A front proxy with this certificate, or with none.
struct Proxy {
    port: u16,
    _process: Killed,
}

impl Proxy {
    fn start(extension: u16, authority: &Authority, pair: Option<&Pair>) -> Self {
        let port = free_port();
        let child = Command::new(format!("{ROOT}/target/venv/bin/python"))
            .arg(format!("{ROOT}/tests/it/kubernetes/front_proxy.py"))
            .args([port.to_string(), extension.to_string(), authority.certificate()])
            .args(pair.into_iter().flat_map(|pair| [&pair.certificate, &pair.key]))
            .spawn()
            .expect("./test installs Python");
        let proxy = Self { port, _process: Killed(child) };
        eventually("the front proxy", LIMIT, || TcpStream::connect(("127.0.0.1", port)).is_ok());
        proxy
    }

    /// What `kubectl get --raw` prints: the answer, or the error.
    fn kubectl(&self, path: &str) -> Result<Value, String> {
        self.kubectl_as(path, &[])
    }

    fn kubectl_as(&self, path: &str, more: &[&str]) -> Result<Value, String> {
        let home = tempfile::tempdir().unwrap();
        let output = Command::new(format!("{ROOT}/target/tools/bin/kubectl"))
            .args(["--server", &format!("http://127.0.0.1:{}", self.port), "get", "--raw", path])
            .args(more)
            .env_clear()
            .env("HOME", home.path())
            .output()
            .expect("kubectl is needed: ./test installs it");
        if output.status.success() {
            return Ok(serde_json::from_slice(&output.stdout).unwrap());
        }
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

/// A server of an embedded or a real deployment with external metrics on, for clients of this authority.
fn serve(front: &Authority, own: &Pair, more: &[(&str, &str)]) -> (Server, u16) {
    let authority = front.certificate();
    serve_with(own, &[&[("METRICS_EXTERNAL_METRICS_CLIENT_CA_FILE", authority.as_str())], more].concat())
}

fn serve_with(own: &Pair, more: &[(&str, &str)]) -> (Server, u16) {
    let port = free_port();
    let text = port.to_string();
    let variables = [
        ("METRICS_EXTERNAL_METRICS", "1"),
        ("METRICS_EXTERNAL_METRICS_PORT", text.as_str()),
        ("METRICS_TLS_CERT_FILE", &own.certificate),
        ("METRICS_TLS_KEY_FILE", &own.key),
    ];
    (Server::start(&[&variables[..], more].concat()), port)
}

#[test]
fn kubectl_discovers_metrics_and_reads_one_value_with_its_labels() {
    let (authority, front) = (Authority::new(), Authority::new());
    let (_server, port) = serve(&front, &authority.issue("server"), &[("METRICS_MODE", "embedded")]);
    let proxy = Proxy::start(port, &authority, Some(&front.issue("front-proxy-client")));
    let path = format!("{VERSION}/namespaces/kdcube/kdcube_proc_queue_pressure_ratio");
    eventually("a value", LIMIT, || proxy.kubectl(&path).is_ok());
    let list = proxy.kubectl(&path).unwrap();
    assert_eq!((&list["kind"], &list["apiVersion"]), (&json!("ExternalMetricValueList"), &json!(&VERSION[6..])));
    let item = &list["items"][0];
    assert_eq!(item["metricLabels"]["tenant"], "acme");
    assert!(item["timestamp"].as_str().unwrap().ends_with('Z') && item["value"].is_string(), "{item}");

    let groups = proxy.kubectl("/apis").unwrap();
    assert_eq!(groups["groups"][0]["name"], "external.metrics.k8s.io");
    let resources = proxy.kubectl(VERSION).unwrap();
    let names: Vec<&str> =
        resources["resources"].as_array().unwrap().iter().filter_map(|resource| resource["name"].as_str()).collect();
    assert!(names.contains(&"kdcube_proc_queue_depth"), "{names:?}");
    assert_eq!(proxy.kubectl("/openapi/v2").unwrap()["swagger"], "2.0");

    let depth = format!("{VERSION}/namespaces/kdcube/kdcube_proc_queue_depth");
    assert!(proxy.kubectl(&format!("{depth}?labelSelector=role%3Dpaid")).is_ok());
    let several = proxy.kubectl(&depth).unwrap_err();
    assert!(several.contains("select one"), "{several}");
    let unknown = proxy.kubectl(&format!("{VERSION}/namespaces/kdcube/kdcube_proc_queue_dept")).unwrap_err();
    assert!(unknown.contains("did you mean kdcube_proc_queue_depth?"), "{unknown}");
}

#[test]
fn without_numbers_there_is_a_status_and_no_item() {
    let (mut redis, authority, front) = (RedisServer::start().with_deployment(), Authority::new(), Authority::new());
    let more = [("REDIS_URL", redis.url()), ("METRICS_STALE_AFTER_SEC", "1".to_owned())];
    let more = more.each_ref().map(|(name, value)| (*name, value.as_str()));
    let (_server, port) = serve(&front, &authority.issue("server"), &more);
    let proxy = Proxy::start(port, &authority, Some(&front.issue("front-proxy-client")));
    let path = |name: &str| format!("{VERSION}/namespaces/kdcube/{name}");
    eventually("a value", LIMIT, || proxy.kubectl(&path("kdcube_proc_queue_total")).is_ok());
    let absent = proxy.kubectl(&path("kdcube_ingress_sse_total_connections")).unwrap_err();
    assert!(absent.contains("has no value"), "{absent}");
    redis.stop();
    eventually("staleness", LIMIT, || proxy.kubectl(&path("kdcube_proc_queue_total")).is_err());
    let stale = proxy.kubectl(&path("kdcube_proc_queue_total")).unwrap_err();
    assert!(stale.contains("no fresh snapshot"), "{stale}");
}

#[test]
fn only_the_front_proxy_may_ask() {
    let (authority, front) = (Authority::new(), Authority::new());
    let own = authority.issue("server");
    let (_server, port) = serve(&front, &own, &[("METRICS_MODE", "embedded")]);
    let nobody = Proxy::start(port, &authority, None);
    eventually("health", LIMIT, || get(nobody.port, "/livez").status == 200);
    assert_eq!(get(nobody.port, VERSION).status, 403);
    let other = Proxy::start(port, &authority, Some(&own));
    assert!(other.kubectl(VERSION).is_err());
}

/// What Kubernetes' own client for Python reads.
fn python(proxy: &Proxy, arguments: &[&str]) -> Value {
    let output = Command::new(format!("{ROOT}/target/venv/bin/python"))
        .args([&format!("{ROOT}/tests/it/kubernetes/client.py"), &proxy.port.to_string()])
        .args(arguments)
        .output()
        .expect("./test installs Python");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn kubernetes_own_client_discovers_metrics_selects_a_series_and_reads_why_there_is_none() {
    let (authority, front) = (Authority::new(), Authority::new());
    let (_server, port) = serve(&front, &authority.issue("server"), &[("METRICS_MODE", "embedded")]);
    let proxy = Proxy::start(port, &authority, Some(&front.issue("front-proxy-client")));
    let depth = ["kdcube_proc_queue_depth", "role=paid"];
    eventually("a value", LIMIT, || python(&proxy, &depth).get("value").is_some());
    let item = python(&proxy, &depth);
    assert_eq!(item["labels"], json!({"tenant": "acme", "project": "chat", "role": "paid"}));
    let several = python(&proxy, &depth[..1]);
    assert_eq!(several["status"], 400);
    assert!(several["message"].as_str().unwrap().contains("select one"), "{several}");
}

#[test]
fn a_certificate_of_the_authority_needs_an_allowed_name() {
    let (authority, front) = (Authority::new(), Authority::new());
    let names =
        [("METRICS_MODE", "embedded"), ("METRICS_EXTERNAL_METRICS_ALLOWED_NAMES", "aggregator, front-proxy-client")];
    let (_server, port) = serve(&front, &authority.issue("server"), &names);
    for (name, status) in [("front-proxy-client", 200), ("aggregator", 200), ("kubelet", 403)] {
        let proxy = Proxy::start(port, &authority, Some(&front.issue(name)));
        eventually("health", LIMIT, || get(proxy.port, "/livez").status == 200);
        assert_eq!(get(proxy.port, VERSION).status, status, "{name}");
    }
}

/// The settings of a server in a cluster.
fn in_cluster<'a>(cluster: &'a [(&'static str, String); 2], more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let cluster = cluster.iter().map(|(name, value)| (*name, value.as_str()));
    cluster.chain([("METRICS_MODE", "embedded")]).chain(more.iter().copied()).collect()
}

#[test]
fn the_front_proxys_authority_and_names_come_from_the_cluster() {
    let (authority, front, other) = (Authority::new(), Authority::new(), Authority::new());
    let cluster = Cluster::start(&authority);
    let settings = cluster.settings();
    let (server, port) = serve_with(&authority.issue("server"), &in_cluster(&settings, &[]));
    let proxy = Proxy::start(port, &authority, Some(&front.issue("front-proxy-client")));
    eventually("health", LIMIT, || get(proxy.port, "/livez").status == 200);
    assert_eq!(get(proxy.port, VERSION).status, 403, "nobody is known");
    let secured = authority.client(None);
    let problems = || secured.get(server.port(), "/api/v1/problems").text();
    eventually("the problem", LIMIT, || problems().contains("front_proxy_unknown"));

    cluster.publish(&front, &["front-proxy-client"]);
    eventually("the front proxy", LIMIT, || get(proxy.port, VERSION).status == 200);
    eventually("the end of the problem", LIMIT, || !problems().contains("front_proxy_unknown"));
    let other_name = Proxy::start(port, &authority, Some(&front.issue("kubelet")));
    assert_eq!(get(other_name.port, VERSION).status, 403);
    let other_authority = Proxy::start(port, &authority, Some(&other.issue("front-proxy-client")));
    assert!(other_authority.kubectl(VERSION).is_err());
}

#[test]
fn the_cluster_is_asked_who_may_read() {
    let (authority, front) = (Authority::new(), Authority::new());
    let cluster = Cluster::start(&authority);
    cluster.publish(&front, &[]);
    cluster.allow(&["alice"]);
    let settings = cluster.settings();
    let authorize = [("METRICS_EXTERNAL_METRICS_AUTHORIZE", "1")];
    let (_server, port) = serve_with(&authority.issue("server"), &in_cluster(&settings, &authorize));
    let proxy = Proxy::start(port, &authority, Some(&front.issue("front-proxy-client")));
    let path = format!("{VERSION}/namespaces/kdcube/kdcube_proc_queue_total");
    eventually("a value", LIMIT, || proxy.kubectl_as(&path, &["--as", "alice"]).is_ok());
    let refused = proxy.kubectl_as(&path, &["--as", "bob"]).unwrap_err();
    assert!(refused.contains("bob may not read"), "{refused}");
    let review = cluster.reviews().into_iter().find(|review| review["user"] == "bob").unwrap();
    assert_eq!(review["groups"], json!(["system:authenticated"]));
    assert_eq!(review["resourceAttributes"]["resource"], "kdcube_proc_queue_total");

    drop(cluster);
    let unknown = proxy.kubectl_as(&path, &["--as", "alice"]).unwrap_err();
    assert!(unknown.contains("cannot be authorized"), "{unknown}");
}
