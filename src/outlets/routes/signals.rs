//! `/api/v1/signals`: every number as nested JSON, for KEDA's `metrics-api` scaler and people.
//!
//! A dotted key is a path. Where a key is also a prefix of another one, the rest of the longer one is
//! joined to it by `_`: `proc.queue.pressure_ratio` and `proc.queue.pressure_ratio_1m`. Families
//! are under `families`, nested by label values in the order of their labels.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::{Map, Value, json};

use super::RouteState;
use super::route::{Route, RouteClass};
use crate::base::number;
use crate::catalog::{self, Sample};
use crate::engine::snapshot::Snapshot;
use crate::outlets::http::layers::compression;
use crate::outlets::http::problem::HttpProblem;

pub(super) const SIGNALS: Route = Route {
    path: "/api/v1/signals",
    aliases: &[],
    class: RouteClass::Normal,
    summary: "every number as nested JSON, null where absent",
    methods: || get(nested).layer(compression()),
};

async fn nested(State(state): State<RouteState>) -> Result<Response, HttpProblem> {
    let snapshot = state.fresh().await?;
    Ok(Json(signals(&snapshot)).into_response())
}

fn signals(snapshot: &Snapshot) -> Value {
    let mut root = Map::new();
    let age = (snapshot.age().as_secs_f64() * 1000.0).round() / 1000.0;
    root.insert(
        "snapshot".to_owned(),
        json!({"id": snapshot.id.to_string(), "time": snapshot.taken_at, "age_seconds": age}),
    );
    for (metric, reading) in catalog::scalars(&snapshot.state) {
        put(&mut root, &path(metric.key), reading.value().map_or(Value::Null, number::json));
    }
    root.insert("families".to_owned(), families(&catalog::samples(&snapshot.state)));
    Value::Object(root)
}

/// Every family by name, null where none of its series has a value.
fn families(samples: &[Sample]) -> Value {
    let mut families = Map::new();
    for metric in catalog::all().filter(|metric| !metric.is_scalar()) {
        families.insert(metric.key.to_owned(), Value::Null);
    }
    for sample in samples.iter().filter(|sample| !sample.metric.is_scalar()) {
        let labels = sample.labels.iter().map(|(_, value)| value.as_str());
        let path: Vec<&str> = std::iter::once(sample.metric.key).chain(labels).collect();
        put(&mut families, &path, number::json(sample.value));
    }
    Value::Object(families)
}

/// The parts of a key: split at dots, except after a prefix that is itself a key.
fn path(key: &'static str) -> Vec<String> {
    let is_key = |head: &str| catalog::all().any(|metric| metric.key == head);
    let mut parts: Vec<String> = Vec::new();
    let mut head = String::new();
    for part in key.split('.') {
        match parts.last_mut() {
            Some(last) if is_key(&head) => {
                last.push('_');
                last.push_str(part);
            }
            _ => parts.push(part.to_owned()),
        }
        head = if head.is_empty() { part.to_owned() } else { format!("{head}.{part}") };
    }
    parts
}

/// Inserts a value at a path. A value that is in the way would be replaced; no two keys of the catalog collide.
fn put<S: AsRef<str>>(object: &mut Map<String, Value>, path: &[S], value: Value) {
    let Some((first, rest)) = path.split_first() else { return };
    if rest.is_empty() {
        object.insert(first.as_ref().to_owned(), value);
        return;
    }
    let entry = object.entry(first.as_ref()).or_insert(Value::Null);
    if !entry.is_object() {
        *entry = Value::Object(Map::new());
    }
    if let Value::Object(inner) = entry {
        put(inner, rest, value);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_key_with_another_key_as_prefix_is_joined() {
        assert_eq!(path("proc.queue.pressure_ratio.1m"), ["proc", "queue", "pressure_ratio_1m"]);
        assert_eq!(path("proc.queue.depth.1m"), ["proc", "queue", "depth", "1m"]);
        assert_eq!(path("ingress.rest.latency.p95"), ["ingress", "rest", "latency", "p95"]);
    }

    #[test]
    fn no_two_keys_collide() {
        let paths: BTreeSet<Vec<String>> =
            catalog::all().filter(|metric| metric.is_scalar()).map(|metric| path(metric.key)).collect();
        for path in &paths {
            for length in 1..path.len() {
                assert!(!paths.contains(&path[..length]), "{path:?}");
            }
        }
        assert_eq!(paths.len(), catalog::all().filter(|metric| metric.is_scalar()).count());
    }

    #[test]
    fn families_nest_by_label_and_are_null_without_a_value() {
        let sample = |labels: Vec<(&'static str, String)>| Sample {
            metric: catalog::find("proc_queue_wait_seconds").unwrap(),
            labels,
            part: catalog::Part::Whole,
            value: 1.5,
            scope: None,
        };
        let json = families(&[sample(vec![("percentile", "p95".to_owned()), ("window", "1m".to_owned())])]);
        assert_eq!(json["proc_queue_wait_seconds"]["p95"]["1m"], 1.5);
        assert_eq!(json["proc_exec_seconds"], Value::Null);
    }
}
