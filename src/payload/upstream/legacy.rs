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
