//! `/api/v1/recommendation`, and the tasks and streams that it rests on in a real Redis.

use kdcube_metrics::platform::facts::{QueueDepth, QueueFront, Scope};
use kdcube_metrics::sources::Source;
use kdcube_metrics::sources::redis::RedisSource;
use kdcube_metrics::sources::redis::config::RedisConfig;

use crate::support::{RedisServer, Server};

const NOW: f64 = 1_767_225_600.0;
const QUEUE: &str = "acme:chat:kdcube:chat:prompt:queue:paid";

#[test]
fn each_component_has_its_number_with_operands_and_steps() {
    // More than any storm of the simulated deployment needs.
    let server = Server::ready(&[("METRICS_MODE", "embedded"), ("METRICS_SCALE_PROC_MIN", "90")]);
    let found = server.get("/api/v1/recommendation").json();
    let (proc, ingress) = (&found["proc"], &found["ingress"]);
    assert_eq!(
        (proc["current"].as_i64(), proc["desired"].as_i64(), proc["missing"].as_i64()),
        (Some(3), Some(90), Some(87))
    );
    assert_eq!((proc["limited_by"].as_str(), proc["reason"].as_str()), (Some("minimum"), None));
    assert_eq!(proc["operands"]["slots_per_replica"].as_f64(), Some(5.0));
    let steps = |of: &serde_json::Value| -> Vec<String> { serde_json::from_value(of["steps"].clone()).unwrap() };
    assert!(steps(proc).iter().any(|step| step.starts_with("running: ")), "{proc}");
    assert!(steps(proc).contains(&"missing: 90 desired − 3 current = 87".to_owned()), "{proc}");
    assert_eq!(ingress["operands"]["limit_per_replica"].as_f64(), Some(200.0));
    assert!(steps(ingress)[0].contains("(200 of a replica × 0.7)"), "{ingress}");
    let signals = server.get("/api/v1/signals").json();
    assert_eq!(signals["proc"]["replicas"]["desired"].as_f64(), Some(90.0));
}

#[tokio::test]
async fn tasks_of_50_mb_cost_a_tick_now_and_then_and_nothing_else() {
    let server = RedisServer::start();
    let mut connection = server.connection();
    for (ago, length) in [(90.0, 50_000_000), (60.0, 1_000), (30.0, 1_000)] {
        let mut task =
            format!(r#"{{"meta": {{"task_id": "t", "created_at": {:?}}}, "history": [""#, NOW - ago).into_bytes();
        task.resize(length, b'x');
        task.extend_from_slice(b"\"]}");
        redis::cmd("LPUSH").arg(QUEUE).arg(task).query::<()>(&mut connection).unwrap();
    }
    let config = RedisConfig::new(&server.url(), "test".to_owned(), std::time::Duration::from_secs(5)).unwrap();
    let scope = Scope { tenant: "acme".to_owned(), project: "chat".to_owned() };
    let mut source = RedisSource::new(config, &scope, 1000);
    let mut read = 0;
    for _ in 0..10 {
        let facts = source.collect(NOW).await.unwrap();
        assert_eq!(facts.queues.paid, Some(QueueDepth { ready: 3, inflight: 0, continuations: 0 }));
        assert_eq!(facts.queue_fronts.registered, Some(QueueFront::Empty));
        read += u32::from(facts.queue_fronts.paid == Some(QueueFront::Created(NOW - 90.0)));
    }
    assert_eq!(read, 1);
}
