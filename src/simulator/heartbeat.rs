//! The JSON of a heartbeat, as a platform worker writes it.

use std::iter::once;

use serde_json::{Map, Value, json};

use crate::base::number;
use crate::platform::facts::{HealthWord, Heartbeat, PoolUse, Pools, ProcessorReport};

/// The heartbeat with its pools.
pub(super) fn heartbeat_json(beat: &Heartbeat) -> Value {
    json!({
        "instance_id": &*beat.instance_id,
        "service_type": &*beat.service_type,
        "service_name": &*beat.service_name,
        "process_id": beat.process_id,
        "port": beat.port,
        "current_load": beat.load,
        "max_capacity": beat.capacity,
        "last_heartbeat": beat.last_heartbeat,
        "health_status": health(beat.health),
        "metadata": metadata(beat),
    })
}

fn metadata(beat: &Heartbeat) -> Value {
    let pools = pools(&beat.pools);
    match (&beat.processor, beat.draining) {
        (Some(report), _) => json!({"pools": pools, "processor": processor(beat, report)}),
        (None, true) => json!({"pools": pools, "processor": {"draining": true, "accepting_new_tasks": false}}),
        (None, false) => json!({"pools": pools}),
    }
}

/// What today's processors say; without their list of tasks.
fn processor(beat: &Heartbeat, report: &ProcessorReport) -> Value {
    json!({
        "current_load": beat.load,
        "active_tasks": beat.load,
        "draining": beat.draining,
        "accepting_new_tasks": !beat.draining,
        "host_draining": false,
        "oldest_active_task_wall_age_sec": report.oldest_active_seconds,
        "max_active_task_idle_age_sec": report.max_idle_seconds,
        "queue_loop_lag_sec": report.queue_loop_lag_seconds,
    })
}

const fn health(word: HealthWord) -> Option<&'static str> {
    match word {
        HealthWord::Healthy => Some("ServiceHealth.HEALTHY"),
        HealthWord::Degraded => Some("ServiceHealth.DEGRADED"),
        HealthWord::Unhealthy => Some("ServiceHealth.UNHEALTHY"),
        HealthWord::Unknown => Some("ServiceHealth.UNKNOWN"),
        HealthWord::Null => None,
    }
}

fn pools(pools: &Pools) -> Value {
    let redis = |pool: Option<PoolUse>| {
        pool.map(|pool| {
            object([
                ("max_connections", pool.max),
                ("in_use", pool.in_use),
                ("available", pool.available),
                ("total", pool.size),
            ])
        })
    };
    let postgres = |pool: PoolUse| {
        let fields =
            [("max_size", pool.max), ("size", pool.size), ("available", pool.available), ("in_use", pool.in_use)];
        object(once(("min_size", Some(0.0))).chain(fields))
    };
    json!({
        "postgres": pools.postgres.map(postgres),
        "redis": {
            "async": redis(pools.redis_async),
            "async_decode": redis(pools.redis_async_decode),
            "sync": redis(pools.redis_sync),
        },
    })
}

/// Counts are whole in Python, and so in its JSON.
fn object(fields: impl IntoIterator<Item = (&'static str, Option<f64>)>) -> Map<String, Value> {
    fields.into_iter().map(|(name, value)| (name.to_owned(), value.map_or(Value::Null, number::json))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn beat(health: HealthWord, draining: bool) -> Heartbeat {
        let pool = PoolUse { max: Some(8.0), size: Some(4.0), available: Some(2.5), in_use: None };
        Heartbeat {
            instance_id: "i".into(),
            service_type: "chat".into(),
            service_name: "proc".into(),
            process_id: Some(7),
            port: None,
            load: 1,
            capacity: 5,
            last_heartbeat: 99_999.5,
            health,
            draining,
            processor: None,
            pools: Pools { postgres: Some(pool), redis_async_decode: Some(pool), ..Pools::default() }.into(),
        }
    }

    #[test]
    fn health_is_the_name_of_the_platforms_enumeration_or_null() {
        for (health, word) in [
            (HealthWord::Healthy, json!("ServiceHealth.HEALTHY")),
            (HealthWord::Degraded, json!("ServiceHealth.DEGRADED")),
            (HealthWord::Unhealthy, json!("ServiceHealth.UNHEALTHY")),
            (HealthWord::Unknown, json!("ServiceHealth.UNKNOWN")),
            (HealthWord::Null, Value::Null),
        ] {
            assert_eq!(heartbeat_json(&beat(health, false))["health_status"], word);
        }
    }

    #[test]
    fn a_process_without_a_report_says_only_that_it_drains() {
        let processor =
            |draining| heartbeat_json(&beat(HealthWord::Healthy, draining))["metadata"]["processor"].clone();
        assert_eq!(processor(false), Value::Null);
        assert_eq!(processor(true), json!({"draining": true, "accepting_new_tasks": false}));
    }

    #[test]
    fn a_processor_reports_its_work_under_the_platforms_names() {
        let report = ProcessorReport { oldest_active_seconds: Some(12.5), ..ProcessorReport::default() };
        let shown = heartbeat_json(&Heartbeat { processor: Some(report), ..beat(HealthWord::Healthy, true) });
        let expected = json!({
            "current_load": 1, "active_tasks": 1, "draining": true, "accepting_new_tasks": false, "host_draining": false,
            "oldest_active_task_wall_age_sec": 12.5, "max_active_task_idle_age_sec": null, "queue_loop_lag_sec": null,
        });
        assert_eq!(shown["metadata"]["processor"], expected);
    }

    #[test]
    fn pools_have_the_field_names_of_their_kind_and_whole_numbers_where_they_are_whole() {
        let expected = json!({
            "postgres": {"min_size": 0, "max_size": 8, "size": 4, "available": 2.5, "in_use": null},
            "redis": {
                "async": null,
                "async_decode": {"max_connections": 8, "in_use": null, "available": 2.5, "total": 4},
                "sync": null,
            },
        });
        assert_eq!(heartbeat_json(&beat(HealthWord::Healthy, false))["metadata"]["pools"], expected);
    }
}
