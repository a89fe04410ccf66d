//! KEDA's external scaler, asked by a client in another language that is made from KEDA's interface.

mod client;
mod hostile;

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use self::client::{Client, NEW, OLD};
use crate::authority::{Authority, Pair};
use crate::server::simulate;
use crate::support::{RedisServer, Server, at_once, eventually, free_port, value};

const LIMIT: Duration = Duration::from_secs(20);

/// A server with the scaler on a port of its own.
struct Scaler {
    server: Server,
    port: u16,
}

impl Scaler {
    fn start(variables: &[(&str, &str)]) -> Self {
        let port = free_port();
        let text = port.to_string();
        let server = Server::start(&[&[("METRICS_KEDA_PORT", text.as_str())], variables].concat());
        Self { server, port }
    }

    fn ready(variables: &[(&str, &str)]) -> Self {
        let scaler = Self::start(variables);
        eventually("readiness", LIMIT, || scaler.server.get("/readyz").status == 200);
        scaler
    }

    fn client(&self) -> Client {
        Client::connect(NEW, self.port, &[])
    }
}

fn depth() -> Value {
    json!({"metric": "proc.queue.total", "target": "2.5", "scalerAddress": "kdcube-metrics:9666"})
}

/// A Redis whose queue of registered users holds this many tasks.
fn queue(tasks: usize) -> RedisServer {
    let redis = RedisServer::start().with_deployment();
    fill(&redis, tasks);
    redis
}

fn fill(redis: &RedisServer, tasks: usize) {
    let key = "acme:chat:kdcube:chat:prompt:queue:registered";
    let mut connection = redis.connection();
    redis::cmd("DEL").arg(key).query::<()>(&mut connection).unwrap();
    for _ in 0..tasks {
        redis::cmd("LPUSH").arg(key).arg("{}").query::<()>(&mut connection).unwrap();
    }
}

#[test]
fn a_poll_of_keda_gets_spec_value_and_activity_with_the_old_interface_and_the_new() {
    let redis = queue(7);
    let scaler = Scaler::ready(&[("REDIS_URL", &redis.url())]);
    let name = "proc-queue-total";
    let mut new = scaler.client();
    let expected = json!({
        "spec": {"metricName": name, "targetSize": 3, "targetSizeFloat": 2.5},
        "value": {"metricName": name, "metricValue": 7, "metricValueFloat": 7.0},
        "active": true,
    });
    assert_eq!(new.ok(json!(["cycle", depth()])), expected);
    let expected = json!({
        "spec": {"metricName": name, "targetSize": 3},
        "value": {"metricName": name, "metricValue": 7},
        "active": true,
    });
    assert_eq!(Client::connect(OLD, scaler.port, &[]).ok(json!(["cycle", depth()])), expected);

    // Health looks at the readiness every half second.
    eventually("health", Duration::from_secs(5), || new.ok(json!(["serving", ""])) == "SERVING");
    assert_eq!(new.ok(json!(["serving", "externalscaler.ExternalScaler"])), "SERVING");
    let services = new.ok(json!(["services"]));
    assert!(services.as_array().unwrap().contains(&json!("externalscaler.ExternalScaler")), "{services}");
    assert_eq!(new.ok(json!(["specs", depth()])), json!([2.5, "DEADLINE_EXCEEDED"]), "sent once, and it stays open");
    let metrics = scaler.server.get("/metrics").text();
    assert!(metrics.contains("kdcube_metrics_grpc_requests_total{method=\"GetMetrics\",code=\"OK\"} 2"), "{metrics}");
    scaler.server.log_with("external scaler");
}

#[test]
fn an_empty_queue_is_inactive_and_a_task_activates_it_at_once() {
    let redis = queue(0);
    let scaler = Scaler::ready(&[("REDIS_URL", &redis.url())]);
    let (mut poll, mut push) = (scaler.client(), scaler.client());
    assert_eq!(poll.ok(json!(["active", depth()])), false);
    push.send(json!(["push", depth(), 2]));
    eventually("the stream", LIMIT, || {
        scaler.server.get("/metrics").text().contains("method=\"StreamIsActive\",code=\"OK\"} 1")
    });
    fill(&redis, 1);
    let messages = at_once(|| push.receive().unwrap());
    assert_eq!((&messages[0][0], &messages[1][0]), (&json!(false), &json!(true)), "{messages}");
    assert_eq!(poll.ok(json!(["active", depth()])), true);
}

#[test]
fn nothing_is_made_up_where_nothing_is_known() {
    let mut redis = RedisServer::start();
    let scaler = Scaler::start(&[("REDIS_URL", &redis.url()), ("METRICS_STALE_AFTER_SEC", "1")]);
    let mut client = scaler.client();
    let unavailable = |client: &mut Client, part: &str| {
        for step in [json!(["value", depth()]), json!(["active", depth()]), json!(["push", depth(), 1])] {
            let (code, details) = client.failed(step);
            assert!(code == "UNAVAILABLE" && details.contains(part), "{code} {details}");
        }
        assert_eq!(client.ok(json!(["only_spec", depth()])), "proc-queue-total", "the spec needs no numbers");
    };
    eventually("readiness", LIMIT, || scaler.server.get("/readyz").status == 200);
    unavailable(&mut client, "nothing of the tenant and project is in Redis");

    fill(&redis, 3);
    eventually("the task", LIMIT, || client.step(json!(["value", depth()])) == Ok(json!(3)));
    let mut held = scaler.client();
    assert_eq!(held.ok(json!(["hold", depth(), 3])), 3);
    redis.stop();
    eventually("staleness", LIMIT, || client.step(json!(["value", depth()])).is_err());
    unavailable(&mut client, "no fresh snapshot");
    eventually("health", LIMIT, || client.ok(json!(["serving", ""])) == "NOT_SERVING");

    redis.restart();
    fill(&redis, 4);
    eventually("recovery", LIMIT, || client.step(json!(["value", depth()])) == Ok(json!(4)));
}

#[test]
fn triggers_that_cannot_be_answered_say_why() {
    let redis = queue(1);
    let scaler = Scaler::ready(&[("REDIS_URL", &redis.url())]);
    let mut client = scaler.client();
    for (metadata, code, part) in [
        (json!({"target": "1"}), "INVALID_ARGUMENT", "`metric`"),
        (json!({"metric": "proc.queue.totl", "target": "1"}), "NOT_FOUND", "did you mean `proc.queue.total`?"),
        (json!({"metric": "proc.queue.total", "target": "0"}), "INVALID_ARGUMENT", "above 0"),
        (json!({"metric": "proc.queue.total", "target": "1", "tenant": "other"}), "NOT_FOUND", "acme/chat"),
    ] {
        for step in ["value", "active", "only_spec"] {
            if step == "only_spec" && part == "acme/chat" {
                continue;
            }
            let (given, details) = client.failed(json!([step, metadata]));
            assert!(given == code && details.contains(part), "{step} {metadata}: {given} {details}");
        }
    }
    let (code, details) = client.failed(json!(["value", depth(), "s0-other"]));
    assert!(code == "NOT_FOUND" && details.contains("proc-queue-total"), "{details}");
}

#[test]
fn with_client_authorities_only_health_is_open() {
    let (redis, authority) = (queue(2), Authority::new());
    let (own, friend) = (authority.issue("server"), authority.issue("keda"));
    let scaler = Scaler::start(&[
        ("REDIS_URL", &redis.url()),
        ("METRICS_TLS_CERT_FILE", &own.certificate),
        ("METRICS_TLS_KEY_FILE", &own.key),
        ("METRICS_TLS_CLIENT_CA_FILE", &authority.certificate()),
        ("METRICS_AUTH_TOKEN", "hunter2"),
    ]);
    let connect = |pair: Option<&Pair>| {
        let mut files = vec![authority.certificate()];
        files.extend(pair.into_iter().flat_map(|pair| [pair.certificate.clone(), pair.key.clone()]));
        Client::connect(NEW, scaler.port, &files)
    };
    let (mut nobody, mut keda) = (connect(None), connect(Some(&friend)));
    eventually("health", LIMIT, || nobody.step(json!(["serving", ""])) == Ok(json!("SERVING")));
    for step in [json!(["value", depth()]), json!(["only_spec", depth()]), json!(["services"])] {
        let (code, details) = nobody.failed(step);
        assert!(code == "UNAUTHENTICATED" && details.contains("METRICS_TLS_CLIENT_CA_FILE"), "{code} {details}");
    }
    assert_eq!(keda.ok(json!(["value", depth()])), 2, "KEDA sends no token");
    // A client that speaks without TLS gets nothing, and neither does one of another authority.
    assert!(Client::connect(NEW, scaler.port, &[]).step(json!(["serving", ""])).is_err());
    let strangers = Authority::new();
    assert!(connect(Some(&strangers.issue("keda"))).step(json!(["serving", ""])).is_err());
}

#[test]
fn answers_go_on_over_a_takeover_of_the_lease_and_streams_end_with_their_server() {
    let redis = RedisServer::start();
    let _simulator = simulate(&redis);
    let url = redis.url();
    let start = |name: &str| Scaler::ready(&[("REDIS_URL", &url), ("INSTANCE_ID", name)]);
    let first = start("first");
    let second = start("second");
    let (mut to_first, mut to_second) = (first.client(), second.client());
    assert_eq!(to_first.ok(json!(["hold", depth(), 5])), 5);
    to_second.ok(json!(["value", depth()]));
    to_first.send(json!(["held_end"]));
    let (code, took, log) = first.server.terminate();
    assert!(code == Some(0) && took < Duration::from_secs(9), "{took:?} {log}");
    assert_eq!(to_first.receive(), Ok(json!({"UNAVAILABLE": 5})), "KEDA connects to another replica");
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(2) {
        to_second.ok(json!(["value", depth()]));
    }
    eventually("the takeover", LIMIT, || {
        value(&second.server.get("/metrics").text(), "kdcube_metrics_leader") == Some(1.0)
    });
    to_second.ok(json!(["value", depth()]));
}

#[test]
fn a_thousand_idle_streams_cost_little_and_leave_room_for_polls() {
    let redis = queue(1);
    let scaler = Scaler::ready(&[("REDIS_URL", &redis.url())]);
    let before = scaler.server.memory();
    let (mut crowd, mut poll) = (scaler.client(), scaler.client());
    assert_eq!(crowd.ok(json!(["hold", depth(), 1000])), 1000);
    assert_eq!(at_once(|| poll.ok(json!(["value", depth()]))), 1);
    let grown = scaler.server.memory().saturating_sub(before);
    assert!(grown < 40, "{grown} MiB");
}
