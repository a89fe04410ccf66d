//! Where older platforms, and ingress for its console, put what stands elsewhere today: tables, applied before a body is
//! read.

use serde_json::{Map, Value};

/// Place today, place in older payloads; the older one counts where today's is missing.
const MOVED: &[(&str, &str)] = &[
    ("queue_stats.total", "enhanced_queue_stats.total_queue"),
    ("queue_stats.anonymous", "enhanced_queue_stats.anonymous_queue"),
    ("queue_stats.registered", "enhanced_queue_stats.registered_queue"),
    ("queue_stats.paid", "enhanced_queue_stats.paid_queue"),
    ("queue_stats.privileged", "enhanced_queue_stats.privileged_queue"),
    ("queue_stats.capacity_context.pressure_ratio", "capacity_info.pressure_ratio"),
    ("queue_stats.capacity_context.weighted_max_capacity", "capacity_info.weighted_max_capacity"),
    ("queue_stats.analytics.avg_wait_times", "queue_analytics.wait_times"),
    ("throttling_windows.1h.total_throttled", "throttling_stats.total_throttled"),
    ("throttling_windows.1h.rate_limit_429", "throttling_stats.rate_limit_429"),
    ("throttling_windows.1h.backpressure_503", "throttling_stats.backpressure_503"),
];

/// Sums over the fleet that stood beside those of one worker: these count, if they are there.
const GLOBAL: &[(&str, &str)] = &[
    ("sse_connections.total_connections", "sse_connections.global_total_connections"),
    ("sse_connections.max_connections", "sse_connections.global_max_connections"),
    ("sse_connections.sessions", "sse_connections.global_sessions"),
];

/// Where ingress puts the circuits, beside their summary.
const CIRCUITS: &str = "circuit_breakers.circuits";

/// Series whose percentiles stood without a window; they were those of the last minute.
const SERIES: &[&str] =
    &["components.ingress.latency.rest_ms", "components.proc.latency.queue_wait_ms", "components.proc.latency.exec_ms"];
const PERCENTILES: &[&str] = &["count", "p50", "p95", "p99", "max"];

/// Puts every older fact where it stands today.
pub(super) fn migrate_legacy_fields(document: &mut Map<String, Value>) {
    for (today, older) in GLOBAL {
        if let Some(value) = at(document, older).filter(|value| value.is_number()).cloned() {
            put(document, today, value);
        }
    }
    if let Some(circuits) = at(document, CIRCUITS).filter(|circuits| circuits.is_object()).cloned() {
        put(document, "circuit_breakers", circuits);
    }
    for (today, older) in MOVED {
        fill(document, today, older);
    }
    for series in SERIES {
        for percentile in PERCENTILES {
            fill(document, &format!("{series}.1m.{percentile}"), &format!("{series}.{percentile}"));
        }
    }
}

fn fill(document: &mut Map<String, Value>, today: &str, older: &str) {
    if at(document, today).is_none_or(Value::is_null)
        && let Some(value) = at(document, older).filter(|value| !value.is_null()).cloned()
    {
        put(document, today, value);
    }
}

fn at<'a>(document: &'a Map<String, Value>, path: &str) -> Option<&'a Value> {
    let (first, rest) = path.split_once('.').map_or((path, None), |(first, rest)| (first, Some(rest)));
    let value = document.get(first)?;
    rest.map_or(Some(value), |rest| at(value.as_object()?, rest))
}

/// Puts a value at a path, unless a value that is not an object is in the way.
fn put(document: &mut Map<String, Value>, path: &str, value: Value) {
    let Some((first, rest)) = path.split_once('.') else {
        document.insert(path.to_owned(), value);
        return;
    };
    let inner = document.entry(first).or_insert(Value::Null);
    if inner.is_null() {
        *inner = Value::Object(Map::new());
    }
    if let Value::Object(inner) = inner {
        put(inner, rest, value);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn migrated(document: Value) -> Value {
        let Value::Object(mut fields) = document else { panic!("an object") };
        migrate_legacy_fields(&mut fields);
        Value::Object(fields)
    }

    /// A document that has these values at these places.
    fn with(places: &[(&str, Value)]) -> Value {
        let mut fields = Map::new();
        for (place, value) in places {
            put(&mut fields, place, value.clone());
        }
        Value::Object(fields)
    }

    fn found(document: &Value, path: &str) -> Option<Value> {
        at(document.as_object().expect("an object"), path).cloned()
    }

    #[test]
    fn an_older_place_counts_where_todays_says_nothing() {
        for (today, older) in MOVED {
            for (document, expected) in [
                (with(&[(older, json!(7))]), Some(json!(7))),
                (with(&[(older, json!(7)), (today, Value::Null)]), Some(json!(7))),
                (with(&[(older, json!(7)), (today, json!(0))]), Some(json!(0))),
                (with(&[(older, Value::Null)]), None),
                (with(&[(older, Value::Null), (today, json!(0))]), Some(json!(0))),
            ] {
                assert_eq!(found(&migrated(document.clone()), today), expected, "{today} of {document}");
            }
        }
    }

    #[test]
    fn each_older_value_stands_where_it_stands_today() {
        let after = migrated(json!({
            "enhanced_queue_stats": {"total_queue": 1, "anonymous_queue": 2, "registered_queue": 3, "paid_queue": 4,
                "privileged_queue": 5},
            "capacity_info": {"pressure_ratio": 0.6, "weighted_max_capacity": 7},
            "queue_analytics": {"wait_times": {"paid": 8.5}},
            "throttling_stats": {"total_throttled": 9, "rate_limit_429": 10, "backpressure_503": 11},
        }));
        let queue = json!({"total": 1, "anonymous": 2, "registered": 3, "paid": 4, "privileged": 5,
            "capacity_context": {"pressure_ratio": 0.6, "weighted_max_capacity": 7},
            "analytics": {"avg_wait_times": {"paid": 8.5}}});
        assert_eq!(after["queue_stats"], queue);
        let hour = json!({"total_throttled": 9, "rate_limit_429": 10, "backpressure_503": 11});
        assert_eq!(after["throttling_windows"], json!({"1h": hour}));
    }

    #[test]
    fn a_sum_over_the_fleet_counts_before_that_of_one_worker() {
        for (today, global) in GLOBAL {
            let sum = |value: Value| found(&migrated(with(&[(today, json!(3)), (global, value)])), today);
            assert_eq!((sum(json!(30)), sum(json!(0))), (Some(json!(30)), Some(json!(0))), "{today}");
            assert_eq!((sum(Value::Null), sum(json!("30"))), (Some(json!(3)), Some(json!(3))), "{today}");
        }
    }

    #[test]
    fn percentiles_without_a_window_were_those_of_a_minute() {
        for series in SERIES {
            let path = |rest: &str| format!("{series}.{rest}");
            let document = with(&[(&path("p95"), json!(9)), (&path("p50"), json!(1)), (&path("1m.p50"), json!(2))]);
            let after = migrated(document);
            let [p50, p95, p99, hour] = ["1m.p50", "1m.p95", "1m.p99", "1h.p95"].map(|rest| found(&after, &path(rest)));
            assert_eq!((p50, p95, p99, hour), (Some(json!(2)), Some(json!(9)), None, None), "{series}");
        }
    }

    #[test]
    fn what_stands_in_the_way_of_a_place_is_left_to_be_reported() {
        let document = json!({"queue_stats": "S", "enhanced_queue_stats": {"total_queue": 7}});
        assert_eq!(migrated(document.clone()), document);
        let document = json!({"sse_connections": [1], "circuit_breakers": {"circuits": "S"}});
        assert_eq!(migrated(document.clone()), document);
    }
}
