//! The JSON of a heartbeat, as a platform worker writes it.

use std::iter::once;

use serde_json::{Map, Value, json};

use crate::base::number;
use crate::platform::facts::{HealthWord, Heartbeat, PoolUse, Pools};

/// The heartbeat with its pools.
pub(super) fn heartbeat_json(beat: &Heartbeat) -> Value {
    json!({
        "instance_id": beat.instance_id,
        "service_type": beat.service_type,
        "service_name": beat.service_name,
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
    match beat.draining {
        true => json!({"pools": pools, "processor": {"draining": true, "accepting_new_tasks": false}}),
        false => json!({"pools": pools}),
    }
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
            instance_id: "i".to_owned(),
            service_type: "chat".to_owned(),
            service_name: "proc".to_owned(),
            process_id: Some(7),
            port: None,
            load: 1,
            capacity: 5,
            last_heartbeat: 99_999.5,
            health,
            draining,
            pools: Pools { postgres: Some(pool), redis_async_decode: Some(pool), ..Pools::default() },
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
    fn only_a_draining_process_says_what_it_does_about_tasks() {
        let processor =
            |draining| heartbeat_json(&beat(HealthWord::Healthy, draining))["metadata"]["processor"].clone();
        assert_eq!(processor(false), Value::Null);
        assert_eq!(processor(true), json!({"draining": true, "accepting_new_tasks": false}));
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
