//! `/api/v1/signals`: every number as nested JSON, for KEDA's `metrics-api` scaler and people.
//!
//! A dotted key is a path. Where a key is also a prefix of another one, the rest of the longer one is
//! joined to it by `_`: `proc.queue.pressure_ratio` and `proc.queue.pressure_ratio_1m`. Families
//! are under `families`, nested by label values in the order of their labels. `?reasons=1` adds an object of the same shape
//! with the reason of every number that is absent.

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::RouteState;
use super::description::texts;
use super::route::{Route, RouteClass};
use crate::analysis::SystemState;
use crate::base::clock::UnixSeconds;
use crate::base::number;
use crate::catalog::{self, Absence, Sample};
use crate::engine::snapshot::Snapshot;
use crate::outlets::http::layers::compression;
use crate::outlets::http::problem::HttpProblem;
use crate::outlets::names::signals_path;

pub(super) const SIGNALS: Route = Route {
    path: "/api/v1/signals",
    aliases: &[],
    class: RouteClass::Normal,
    summary: "every number as nested JSON, null where absent",
    methods: || get(nested).layer(compression()),
    describe: |route| {
        route
            .query("reasons", texts(&["0", "1"]), "1 adds `reasons`: why each number that is null is absent")
            .json::<Signals>(StatusCode::OK, "every number by its path")
            .problem(StatusCode::BAD_REQUEST, "another value of `reasons`")
    },
};

/// Every number, nested by its key, null where absent.
#[derive(Serialize, ToSchema)]
struct Signals {
    snapshot: SignalsSnapshot,
    #[serde(flatten)]
    #[schema(value_type = HashMap<String, Value>)]
    scalars: Map<String, Value>,
    /// Every family by name, then nested by label values; null where none of its series has a value.
    #[schema(value_type = HashMap<String, Value>)]
    families: Value,
    /// Why each number that is null is absent, in the same nesting.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = HashMap<String, Value>)]
    reasons: Option<Value>,
}

/// The snapshot that the numbers are of.
#[derive(Serialize, ToSchema)]
struct SignalsSnapshot {
    id: String,
    /// Unix seconds.
    #[schema(value_type = f64)]
    time: UnixSeconds,
    age_seconds: f64,
}

async fn nested(State(state): State<RouteState>, uri: Uri) -> Result<Response, HttpProblem> {
    let with_reasons = wants_reasons(uri.query().unwrap_or_default())?;
    let snapshot = state.fresh().await?;
    let reasons = with_reasons.then(|| reasons(&snapshot.state));
    Ok(Json(Signals { reasons, ..signals(&snapshot) }).into_response())
}

/// Other parameters are left to proxies and caches on the way.
fn wants_reasons(query: &str) -> Result<bool, HttpProblem> {
    let given = query.split('&').filter_map(|pair| pair.strip_prefix("reasons=")).next_back();
    match given {
        None | Some("0") => Ok(false),
        Some("1") => Ok(true),
        Some(_) => Err(HttpProblem::new(StatusCode::BAD_REQUEST, "the parameter reasons accepts 0 and 1")),
    }
}

fn signals(snapshot: &Snapshot) -> Signals {
    let age_seconds = (snapshot.age().as_secs_f64() * 1000.0).round() / 1000.0;
    let mut scalars = Map::new();
    for (metric, reading) in catalog::scalars(&snapshot.state) {
        put(&mut scalars, &signals_path(metric.key), reading.value().map_or(Value::Null, number::json));
    }
    Signals {
        snapshot: SignalsSnapshot { id: snapshot.id.to_string(), time: snapshot.taken_at, age_seconds },
        scalars,
        families: families(&catalog::samples(&snapshot.state)),
        reasons: None,
    }
}

/// Why each number is absent, at the path where it would be; a text in place of an object concerns all of it.
fn reasons(state: &SystemState) -> Value {
    let mut root = Map::new();
    for (metric, reading) in catalog::scalars(state) {
        if let Some(reason) = reading.reason() {
            put(&mut root, &signals_path(metric.key), reason.to_string().into());
        }
    }
    let mut families = Map::new();
    for Absence { metric, labels, reason } in catalog::absences(state) {
        let path: Vec<&str> = std::iter::once(metric.key).chain(labels.iter().map(String::as_str)).collect();
        put(&mut families, &path, reason.into());
    }
    root.insert("families".to_owned(), Value::Object(families));
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
    use std::sync::Arc;

    use tokio::time::Instant;

    use super::*;
    use crate::analysis::recorded::Case;
    use crate::engine::snapshot::RunId;

    /// The leaves of an object by path, those that pass.
    fn leaves(value: &Value, passes: fn(&Value) -> bool, path: &str, out: &mut BTreeSet<String>) {
        match value {
            Value::Object(inner) => {
                inner.iter().for_each(|(name, value)| leaves(value, passes, &format!("{path}.{name}"), out))
            }
            value if passes(value) => drop(out.insert(path.to_owned())),
            _ => {}
        }
    }

    #[test]
    fn every_null_has_a_reason_and_no_number_has_one() {
        for case in Case::all().into_iter().map(|case| case.state()).chain([SystemState::default()]) {
            let snapshot = Snapshot {
                id: RunId::random().snapshot(1),
                taken_at: 7.0,
                taken: Instant::now(),
                state: Arc::new(case),
            };
            let (numbers, why) = (serde_json::to_value(signals(&snapshot)).unwrap(), reasons(&snapshot.state));
            let (mut nulls, mut known, mut reasoned) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
            leaves(&numbers, Value::is_null, "", &mut nulls);
            leaves(&numbers, Value::is_number, "", &mut known);
            leaves(&why, Value::is_string, "", &mut reasoned);
            let covered =
                |null: &String| reasoned.iter().any(|path| path == null || path.starts_with(&format!("{null}.")));
            assert_eq!(nulls.iter().filter(|null| !covered(null)).collect::<Vec<_>>(), [] as [&String; 0]);
            assert_eq!(known.intersection(&reasoned).collect::<Vec<_>>(), [] as [&String; 0]);
        }
    }

    #[test]
    fn reasons_are_asked_for_with_one() {
        assert!(
            wants_reasons("reasons=1").is_ok_and(|wanted| wanted)
                && wants_reasons("a=b&reasons=1").is_ok_and(|wanted| wanted)
        );
        assert!(
            wants_reasons("").is_ok_and(|wanted| !wanted) && wants_reasons("reasons=0").is_ok_and(|wanted| !wanted)
        );
        assert!(wants_reasons("reasons=yes").is_err());
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
