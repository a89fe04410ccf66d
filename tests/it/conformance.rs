//! The recorded cases: Redis contents in, the platform's answer out, through the real binary and a
//! real redis-server. A case is `{name, description, now, env, redis, expected}`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use serde::Deserialize;
use serde_json::Value;

use crate::support::RedisServer;

/// Numbers agree within this.
const TOLERANCE: f64 = 1e-9;

#[derive(Deserialize)]
struct Case {
    now: f64,
    env: BTreeMap<String, String>,
    redis: Vec<Vec<String>>,
    expected: Expected,
}

#[derive(Deserialize)]
struct Expected {
    system: Value,
    scalars: BTreeMap<String, f64>,
    series_after: BTreeMap<String, Vec<(String, f64)>>,
}

/// Settings that a developer's own environment must not bring in.
fn snapshot(case: &Case, server: &RedisServer, arguments: &[&str]) -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_kdcube-metrics"))
        .env_clear()
        .envs(&case.env)
        .env("REDIS_URL", server.url())
        .args(["snapshot", "--at", &case.now.to_string()])
        .args(arguments)
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{:?}: {errors}", output.status);
    serde_json::from_slice(&output.stdout).unwrap()
}

fn load(case: &Case, connection: &mut redis::Connection) {
    let mut pipeline = redis::pipe();
    pipeline.cmd("FLUSHALL").ignore();
    for command in &case.redis {
        let (name, arguments) = command.split_first().unwrap();
        pipeline.cmd(name).arg(arguments).ignore();
    }
    pipeline.query::<()>(connection).unwrap();
}

fn series(connection: &mut redis::Connection) -> BTreeMap<String, Vec<(String, f64)>> {
    let mut keys: Vec<String> = redis::cmd("KEYS").arg("*:kdcube:metrics:*").query(connection).unwrap();
    keys.retain(|key| !["ingress_rest_ms", "task_queue_wait_ms", "task_exec_ms"].iter().any(|name| key.contains(name)));
    let read = |connection: &mut redis::Connection, key: &str| {
        redis::cmd("ZRANGE").arg(key).arg(0).arg(-1).arg("WITHSCORES").query(connection).unwrap()
    };
    keys.into_iter().map(|key| (key.clone(), read(connection, &key))).collect()
}

/// Where two values differ, by path; `only_expected` allows nothing else on our side either.
fn differences(path: &str, expected: &Value, actual: &Value, found: &mut Vec<String>) {
    match (expected, actual) {
        (Value::Object(expected), Value::Object(actual)) => {
            for (key, value) in expected {
                match actual.get(key) {
                    Some(own) => differences(&format!("{path}.{key}"), value, own, found),
                    None => found.push(format!("{path}.{key}: missing, expected {value}")),
                }
            }
            found.extend(
                actual.keys().filter(|key| !expected.contains_key(*key)).map(|key| format!("{path}.{key}: unexpected")),
            );
        }
        (Value::Array(expected), Value::Array(actual)) if expected.len() == actual.len() => {
            for (index, (value, own)) in expected.iter().zip(actual).enumerate() {
                differences(&format!("{path}[{index}]"), value, own, found);
            }
        }
        (Value::Number(expected), Value::Number(actual)) => {
            let (value, own) = (expected.as_f64().unwrap(), actual.as_f64().unwrap());
            if (value - own).abs() > TOLERANCE {
                found.push(format!("{path}: expected {value}, got {own}"));
            }
        }
        (expected, actual) if expected == actual => {}
        (expected, actual) => found.push(format!("{path}: expected {expected}, got {actual}")),
    }
}

/// Scalars that are newer than the recording, and where its payload holds them.
const NEWER: [(&str, &str); 4] = [
    ("ingress.rest.latency.p50", "/components/ingress/latency/rest_ms/1m/p50"),
    ("ingress.rest.latency.p95", "/components/ingress/latency/rest_ms/1m/p95"),
    ("ingress.rest.latency.p99", "/components/ingress/latency/rest_ms/1m/p99"),
    ("proc.active_tasks", "/components/proc/load"),
];

fn read(path: &Path) -> Case {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// Compares the scalars that the recording knows, and the newer ones with the recorded payload.
fn scalar_differences(case: &Case, actual: &Value, recorded: &BTreeSet<String>, found: &mut Vec<String>) {
    let actual: BTreeMap<String, f64> = serde_json::from_value(actual.clone()).unwrap();
    let (known, newer): (BTreeMap<_, _>, BTreeMap<_, _>) =
        actual.into_iter().partition(|(key, _)| recorded.contains(key));
    let (expected, known) = (serde_json::to_value(&case.expected.scalars), serde_json::to_value(known));
    differences("scalars", &expected.unwrap(), &known.unwrap(), found);
    for (key, pointer) in NEWER {
        let expected = case.expected.system.pointer(pointer).and_then(Value::as_f64);
        if newer.get(key).copied() != expected {
            found.push(format!("{key}: expected {expected:?}, got {:?}", newer.get(key)));
        }
    }
}

fn check(path: &Path, server: &RedisServer, recorded: &BTreeSet<String>) -> Vec<String> {
    let case = read(path);
    let mut connection = server.connection();
    load(&case, &mut connection);
    let mut found = Vec::new();
    let system = snapshot(&case, server, &["--record", "--format", "system"]);
    differences("system", &case.expected.system, &system, &mut found);
    let scalars = snapshot(&case, server, &["--format", "scalars"]);
    scalar_differences(&case, &scalars, recorded, &mut found);
    let after = series(&mut connection);
    if after != case.expected.series_after {
        found.push(format!("series: expected {:?}, got {after:?}", case.expected.series_after));
    }
    found
}

#[test]
fn every_recorded_case_gives_the_recorded_answer() {
    let server = RedisServer::start();
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/conformance/cases");
    let mut cases: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    assert_eq!(cases.len(), 26);
    let recorded = cases.iter().flat_map(|path| read(path).expected.scalars.into_keys()).collect();
    let mut report = String::new();
    for path in cases {
        let found = check(&path, &server, &recorded);
        if !found.is_empty() {
            report += &format!("{}:\n  {}\n", path.file_stem().unwrap().to_string_lossy(), found.join("\n  "));
        }
    }
    assert!(report.is_empty(), "{report}");
}
