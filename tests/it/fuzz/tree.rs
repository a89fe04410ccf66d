//! Heartbeats by way of a whole JSON tree: slower than the parser, and simple enough to be its measure.

use std::sync::Arc;

use kdcube_metrics::platform::facts::{HealthWord, Heartbeat, PoolUse, Pools, ProcessorReport};
use kdcube_metrics::platform::parse::{CONDENSED, MAX_VALUE_BYTES};
use serde_json::Value;

/// The largest count.
const LARGEST: f64 = 9_007_199_254_740_992.0;

/// The heartbeat, where every field is what it should be.
pub(super) fn heartbeat(bytes: &[u8]) -> Option<Heartbeat> {
    let text = std::str::from_utf8(uncondensed(bytes)).ok().filter(|text| text.len() <= MAX_VALUE_BYTES)?;
    let tree: Value = serde_json::from_str(text).ok()?;
    let object = tree.as_object()?;
    let field = |name: &str| object.get(name).unwrap_or(&Value::Null);
    let processor = &field("metadata")["processor"];
    Some(Heartbeat {
        instance_id: name(field("instance_id"))?,
        service_type: name(field("service_type"))?,
        service_name: name(field("service_name"))?,
        process_id: whole(field("process_id"))?,
        port: whole(field("port"))?,
        load: amount(field("current_load"))?.unwrap_or(0),
        capacity: amount(field("max_capacity"))?.unwrap_or(0),
        last_heartbeat: field("last_heartbeat").as_f64().filter(is_possible)?,
        health: health(object.get("health_status")),
        draining: processor["draining"] == true
            || processor["host_draining"] == true
            || processor["accepting_new_tasks"] == false,
        processor: report(processor),
        pools: pools(&field("metadata")["pools"]).into(),
    })
}

/// A mark may stand before the text; of more than one the text is none.
fn uncondensed(bytes: &[u8]) -> &[u8] {
    let Some(rest) = bytes.strip_prefix(CONDENSED.as_bytes()) else { return bytes };
    let mut parts = rest.splitn(2, |byte| *byte == b'\n');
    let length = parts.next().and_then(|length| std::str::from_utf8(length).ok()?.parse::<usize>().ok());
    length.map_or(bytes, |_| parts.next().unwrap_or_default())
}

fn name(value: &Value) -> Option<Arc<str>> {
    value.as_str().filter(|text| !text.is_empty()).map(Into::into)
}

/// `None` for a value that is no whole number.
fn whole(value: &Value) -> Option<Option<i64>> {
    match value {
        Value::Null => Some(None),
        value => match (value.as_i64(), value.as_f64()?) {
            (Some(whole), _) => Some(Some(whole)),
            #[expect(clippy::cast_possible_truncation, reason = "whole and within the exact range")]
            (None, float) => (float.fract() == 0.0 && float.abs() <= LARGEST).then_some(Some(float as i64)),
        },
    }
}

fn amount(value: &Value) -> Option<Option<i64>> {
    whole(value).filter(|_| value.as_f64().is_none_or(|amount| is_possible(&amount)))
}

fn is_possible(amount: &f64) -> bool {
    (0.0..=LARGEST).contains(amount)
}

fn health(value: Option<&Value>) -> HealthWord {
    let Some(text) = value.and_then(Value::as_str) else {
        return if value == Some(&Value::Null) { HealthWord::Null } else { HealthWord::Unknown };
    };
    match text.rsplit('.').next().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
        "healthy" => HealthWord::Healthy,
        "degraded" => HealthWord::Degraded,
        "unhealthy" => HealthWord::Unhealthy,
        _ => HealthWord::Unknown,
    }
}

fn report(processor: &Value) -> Option<ProcessorReport> {
    let ages = ["oldest_active_task_wall_age_sec", "max_active_task_idle_age_sec", "queue_loop_lag_sec"]
        .map(|name| processor[name].as_f64());
    let is_implausible = ages.iter().flatten().any(|age| !is_possible(age));
    let [oldest_active_seconds, max_idle_seconds, queue_loop_lag_seconds] = ages.map(|age| age.filter(is_possible));
    let report = ProcessorReport { oldest_active_seconds, max_idle_seconds, queue_loop_lag_seconds, is_implausible };
    ages.iter().any(Option::is_some).then_some(report)
}

fn pools(value: &Value) -> Pools {
    let redis = |name| pool(&value["redis"][name], "max_connections", "total");
    Pools {
        postgres: pool(&value["postgres"], "max_size", "size"),
        redis_async: redis("async"),
        redis_async_decode: redis("async_decode"),
        redis_sync: redis("sync"),
    }
}

fn pool(value: &Value, max: &str, size: &str) -> Option<PoolUse> {
    let [max, size, available, in_use] = [max, size, "available", "in_use"].map(|name| value[name].as_f64());
    value.is_object().then_some(PoolUse { max, size, available, in_use })
}
