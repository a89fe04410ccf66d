//! The recorded cases: Redis contents in, the platform's answer out, through the real binary and a
//! real redis-server. A case is `{name, description, now, env, redis, expected}`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use crate::cases::{self, Input, TOLERANCE};
use crate::support::RedisServer;

#[derive(Deserialize)]
struct Case {
    #[serde(flatten)]
    input: Input,
    expected: Expected,
}

#[derive(Deserialize)]
struct Expected {
    system: Value,
    scalars: BTreeMap<String, f64>,
    series_after: BTreeMap<String, Vec<(String, f64)>>,
}

fn snapshot(case: &Case, server: &RedisServer, arguments: &[&str]) -> Value {
    serde_json::from_slice(&case.input.snapshot(server, arguments).stdout).unwrap()
}

fn series(connection: &mut redis::Connection) -> BTreeMap<String, Vec<(String, f64)>> {
    let mut keys: Vec<String> = redis::cmd("KEYS").arg("*:kdcube:metrics:*").query(connection).unwrap();
    keys.retain(|key| {
        !["ingress_rest_ms", "task_queue_wait_ms", "task_exec_ms", "lease"].iter().any(|name| key.contains(name))
    });
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
        // The platform shows the load that it could read; where a heartbeat cannot be read, the total is unknown.
        let is_partial = key == "proc.active_tasks" && !newer.contains_key(key);
        if !is_partial && newer.get(key).copied() != expected {
            found.push(format!("{key}: expected {expected:?}, got {:?}", newer.get(key)));
        }
    }
}

fn check(path: &Path, server: &RedisServer, recorded: &BTreeSet<String>) -> Vec<String> {
    let case = read(path);
    let mut connection = server.connection();
    case.input.load(&mut connection);
    let mut found = Vec::new();
    let system = snapshot(&case, server, &["--record", "--format", "system"]);
    differences("system", &case.expected.system, &system, &mut found);
    let scalars = snapshot(&case, server, &["--format", "scalars"]);
    scalar_differences(&case, &scalars, recorded, &mut found);
    let after = series(&mut connection);
    let expected: BTreeMap<_, _> = case.expected.series_after.iter().filter(|(_, points)| !points.is_empty()).collect();
    if after.iter().collect::<BTreeMap<_, _>>() != expected {
        found.push(format!("series: expected {:?}, got {after:?}", case.expected.series_after));
    }
    found
}

#[test]
fn every_recorded_case_gives_the_recorded_answer() {
    let server = RedisServer::start();
    let cases = cases::files("tests/conformance/cases");
    assert_eq!(cases.len(), 26);
    let recorded = cases.iter().flat_map(|path| read(path).expected.scalars.into_keys()).collect();
    cases::assert_each(cases, |path| check(path, &server, &recorded));
}
