//! `record` and `replay`: what a server would have shown, from a file.

use std::process::Output;

use serde_json::Value;

use crate::server::{simulate, simulate_with};
use crate::support::{GATEWAY, RedisServer, program};

const EMBEDDED: (&str, &str) = ("METRICS_MODE", "embedded");
const INTERVAL: (&str, &str) = ("METRICS_SAMPLE_INTERVAL_SEC", "0.2");

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn record(variables: &[(&str, &str)]) -> Output {
    program(variables, &["record", "--for", "1s"]).output().unwrap()
}

/// A file with the recording, and the answer of `replay` with these arguments.
fn replay(recording: &str, arguments: &[&str]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ticks.jsonl");
    std::fs::write(&file, recording).unwrap();
    program(&[], &[&["replay", file.to_str().unwrap()], arguments].concat()).output().unwrap()
}

fn lines(output: &Output) -> Vec<Value> {
    text(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn each_recorded_tick_is_shown_as_every_outlet_would_have() {
    let recorded = record(&[EMBEDDED, INTERVAL]);
    assert_eq!(recorded.status.code(), Some(0), "{}", text(&recorded.stderr));
    let recording = text(&recorded.stdout);
    let ticks: Vec<Value> = recording.lines().skip(1).map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(ticks.len() >= 2, "{} ticks", ticks.len());

    let shown = replay(&recording, &[]);
    assert_eq!(shown.status.code(), Some(0), "{}", text(&shown.stderr));
    let shown = lines(&shown);
    let at = |values: &[Value]| values.iter().map(|value| value["at"].clone()).collect::<Vec<_>>();
    assert_eq!(at(&shown), at(&ticks));
    for (tick, shown) in ticks.iter().zip(&shown) {
        let queues = tick["facts"]["queues"].as_object().unwrap().values();
        let ready: f64 = queues.map(|depth| depth["ready"].as_f64().unwrap()).sum();
        assert_eq!(shown["shown"]["proc.queue.waiting"].as_f64(), Some(ready));
        assert!(shown["shown"]["proc.replicas.desired"].as_f64().is_some());
    }
    let metrics = text(&replay(&recording, &["--format", "prometheus"]).stdout);
    assert_eq!(metrics.matches("# tick at ").count(), ticks.len());
    assert!(metrics.contains("kdcube_proc_replicas_desired "));
    // Another policy on the same load.
    let most = replay(&recording, &["--scale-proc-min", "17"]);
    assert_eq!(lines(&most)[0]["shown"]["proc.replicas.desired"].as_f64(), Some(17.0));
}

#[test]
fn a_recording_is_a_load_for_whatif() {
    let redis = RedisServer::start();
    let _simulator = simulate_with(&redis, &["--history", "500"]);
    let recorded = record(&[GATEWAY, INTERVAL, ("REDIS_URL", &redis.url())]);
    let recording = text(&recorded.stdout);
    let ticks = recording.lines().skip(1).map(|line| serde_json::from_str::<Value>(line).unwrap());
    let ended: usize = ticks.filter_map(|tick| Some(tick["facts"]["latency"]["task_exec"].as_array()?.len())).sum();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ticks.jsonl");
    std::fs::write(&file, &recording).unwrap();
    let policy = concat!(env!("CARGO_MANIFEST_DIR"), "/deployment/policies/hpa-replicas-desired.yaml");
    let arguments = ["whatif", "--load", file.to_str().unwrap(), "--policy", policy, "--format", "json"];
    let compared = program(&[], &arguments).output().unwrap();
    assert_eq!(compared.status.code(), Some(0), "{}", text(&compared.stderr));
    let outcome: Value = serde_json::from_slice(&compared.stdout).unwrap();
    assert!(ended >= 500 && outcome[0]["users"].as_u64() == u64::try_from(ended).ok(), "{ended} {outcome}");
}

#[test]
fn a_recording_of_redis_replays_its_numbers_and_holds_no_secret() {
    let redis = RedisServer::start();
    let _simulator = simulate(&redis);
    let url = redis.url();
    let recorded = record(&[GATEWAY, INTERVAL, ("REDIS_URL", &url)]);
    assert_eq!(recorded.status.code(), Some(0), "{}", text(&recorded.stderr));
    let recording = text(&recorded.stdout);
    for secret in ["session_id\":\"", "fingerprint", "task_id", "redis://"] {
        assert!(!recording.contains(secret), "{secret}");
    }
    let shown = lines(&replay(&recording, &[]));
    let last = &shown.last().unwrap()["shown"];
    assert_eq!((last["proc.slots"].as_f64(), last["proc.replicas.current"].as_f64()), (Some(15.0), Some(3.0)));
    // It only reads.
    let written: Vec<String> =
        redis::cmd("KEYS").arg("*:kdcube:metrics:queue*").query(&mut redis.connection()).unwrap();
    assert!(written.is_empty(), "{written:?}");
}

#[test]
fn a_damaged_recording_is_shown_up_to_the_damage_and_named_in_one_line() {
    let recording = text(&record(&[EMBEDDED, INTERVAL]).stdout);
    let kept: Vec<&str> = recording.lines().take(3).collect();
    let damaged = format!("{}\n{{\"at\": \"hunter2\"}}\n", kept.join("\n"));
    let shown = replay(&damaged, &[]);
    assert_eq!((shown.status.code(), lines(&shown).len()), (Some(1), 2));
    let errors = text(&shown.stderr);
    assert!(errors.trim_end().ends_with("ticks.jsonl: line 4: at: is not f64"), "{errors}");
    let none = text(&replay("at,arrivals\n", &[]).stderr);
    assert!(none.contains("line 1 is not the header of a recording: is not JSON (column 1)"), "{none}");
    let absent = program(&[], &["replay", "/nonexistent"]).output().unwrap();
    assert_eq!((absent.status.code(), text(&absent.stderr).lines().count()), (Some(1), 1));
}

#[test]
fn a_mode_without_facts_says_so() {
    let variables = [("METRICS_MODE", "proxy"), ("METRICS_PROC_BASE_URL", "http://127.0.0.1:9")];
    let output = record(&variables);
    assert_ne!(output.status.code(), Some(0));
    assert!(text(&output.stderr).contains("accepted: redis, embedded"), "{}", text(&output.stderr));
}
