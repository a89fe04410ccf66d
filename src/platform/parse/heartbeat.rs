//! A process's heartbeat, with the pools that it reports.

use serde_json::Value;

use super::{
    MAX_HEARTBEAT_BYTES, ParseError, amount, condensed_length, integer, is_possible, object, required_text,
    whole_amount,
};
use crate::platform::facts::{HealthWord, Heartbeat, PoolUse, Pools, ProcessorReport};

/// A process's heartbeat, which may have arrived condensed: no field that is read is in an array.
///
/// # Errors
/// Not a JSON object, a required field (`instance_id`, `service_type`, `service_name`,
/// `last_heartbeat`) missing, or a known field of the wrong type.
pub fn heartbeat(bytes: &[u8]) -> Result<Heartbeat, ParseError> {
    let json = match condensed_length(bytes) {
        Some(_) => bytes.splitn(2, |byte| *byte == b'\n').nth(1).unwrap_or_default(),
        None => bytes,
    };
    let object = object(json).map_err(|error| match error {
        ParseError::TooLong(_) => ParseError::TooLong(MAX_HEARTBEAT_BYTES),
        error => error,
    })?;
    let processor = object.get("metadata").and_then(|metadata| metadata.get("processor"));
    Ok(Heartbeat {
        instance_id: required_text(&object, "instance_id")?,
        service_type: required_text(&object, "service_type")?,
        service_name: required_text(&object, "service_name")?,
        process_id: integer(&object, "process_id")?,
        port: integer(&object, "port")?,
        load: whole_amount(&object, "current_load")?.unwrap_or(0),
        capacity: whole_amount(&object, "max_capacity")?.unwrap_or(0),
        last_heartbeat: amount(&object, "last_heartbeat")?.ok_or(ParseError::MissingField("last_heartbeat"))?,
        health: health(object.get("health_status")),
        draining: processor.is_some_and(is_draining),
        processor: processor.and_then(report),
        pools: object.get("metadata").and_then(|metadata| metadata.get("pools")).map(pools).unwrap_or_default(),
    })
}

/// Whether a processor says that it takes no new tasks, in any of the platform's three ways.
fn is_draining(processor: &Value) -> bool {
    let flag = |name: &str| processor.get(name).and_then(Value::as_bool);
    flag("draining") == Some(true) || flag("host_draining") == Some(true) || flag("accepting_new_tasks") == Some(false)
}

/// What a processor says of its oldest work; `None` for a platform that says none of it. A number that cannot be is left out.
fn report(processor: &Value) -> Option<ProcessorReport> {
    let said = |name: &str| processor.get(name).and_then(Value::as_f64);
    let ages = ["oldest_active_task_wall_age_sec", "max_active_task_idle_age_sec", "queue_loop_lag_sec"].map(said);
    ages.iter().find(|age| age.is_some())?;
    let [oldest_active_seconds, max_idle_seconds, queue_loop_lag_seconds] =
        ages.map(|age| age.filter(|age| is_possible(*age)));
    let is_implausible = ages.into_iter().flatten().any(|age| !is_possible(age));
    Some(ProcessorReport { oldest_active_seconds, max_idle_seconds, queue_loop_lag_seconds, is_implausible })
}

/// `ServiceHealth.HEALTHY` or the bare word in any case. Compares the whole word: UNHEALTHY contains HEALTHY.
fn health(value: Option<&Value>) -> HealthWord {
    let word = match value {
        Some(Value::String(text)) => text.rsplit('.').next().unwrap_or_default(),
        Some(Value::Null) => return HealthWord::Null,
        _ => return HealthWord::Unknown,
    };
    match word.trim().to_ascii_lowercase().as_str() {
        "healthy" => HealthWord::Healthy,
        "degraded" => HealthWord::Degraded,
        "unhealthy" => HealthWord::Unhealthy,
        _ => HealthWord::Unknown,
    }
}

/// Pools come from the libraries in use, which differ by version: a part that is absent or of another type is missing.
fn pools(value: &Value) -> Pools {
    let redis = |name| {
        value.get("redis").and_then(|redis| redis.get(name)).and_then(|pool| pool_use(pool, "max_connections", "total"))
    };
    Pools {
        postgres: value.get("postgres").and_then(|pool| pool_use(pool, "max_size", "size")),
        redis_async: redis("async"),
        redis_async_decode: redis("async_decode"),
        redis_sync: redis("sync"),
    }
}

fn pool_use(value: &Value, max: &str, size: &str) -> Option<PoolUse> {
    let object = value.as_object()?;
    let field = |name: &str| object.get(name).and_then(Value::as_f64).filter(|number| number.is_finite());
    Some(PoolUse { max: field(max), size: field(size), available: field("available"), in_use: field("in_use") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_health_word_is_the_whole_word() {
        let cases = [
            (r#""ServiceHealth.UNHEALTHY""#, HealthWord::Unhealthy),
            (r#""ServiceHealth.HEALTHY""#, HealthWord::Healthy),
            (r#""degraded""#, HealthWord::Degraded),
            (r#""weird""#, HealthWord::Unknown),
            ("7", HealthWord::Unknown),
            ("null", HealthWord::Null),
        ];
        for (json, expected) in cases {
            assert_eq!(health(Some(&serde_json::from_str(json).unwrap())), expected, "{json}");
        }
        assert_eq!(health(None), HealthWord::Unknown);
    }

    #[test]
    fn a_condensed_heartbeat_is_read_by_this_parser_alone() {
        let json =
            r#"{"instance_id":"a","service_type":"chat","service_name":"proc","last_heartbeat":1,"current_load":160}"#;
        let condensed = format!("{}90000\n{json}", crate::platform::parse::CONDENSED);
        assert_eq!(heartbeat(condensed.as_bytes()).unwrap().load, 160);
        assert_eq!(crate::platform::parse::utf8(condensed.as_bytes()), Err(ParseError::TooLong(64 * 1024)));
        let long = vec![b' '; 64 * 1024 + 1];
        assert_eq!(heartbeat(&long), Err(ParseError::TooLong(1024 * 1024)));
    }

    #[test]
    fn a_heartbeat_of_the_wrong_type_says_which_field() {
        let json = br#"{"instance_id":"a","service_type":"chat","service_name":"proc","last_heartbeat":"yesterday"}"#;
        assert_eq!(heartbeat(json).unwrap_err().to_string(), "field last_heartbeat is not a number");
        assert!(matches!(heartbeat(b"not json"), Err(ParseError::NotJson { line: 1, .. })));
        assert_eq!(heartbeat(b"[]"), Err(ParseError::NotAnObject));
        assert_eq!(heartbeat(br#"{"instance_id":"a"}"#), Err(ParseError::MissingField("service_type")));
    }

    #[test]
    fn a_processor_says_how_old_its_work_is_and_what_cannot_be_is_left_out() {
        let said = |processor: &str| {
            let json = format!(
                r#"{{"instance_id":"a","service_type":"chat","service_name":"proc","last_heartbeat":1,"metadata":{{"processor":{processor}}}}}"#
            );
            heartbeat(json.as_bytes()).unwrap().processor.map(|report| {
                let ages = [report.oldest_active_seconds, report.max_idle_seconds, report.queue_loop_lag_seconds];
                (ages, report.is_implausible)
            })
        };
        let all = r#"{"oldest_active_task_wall_age_sec": 12.5, "max_active_task_idle_age_sec": 3, "queue_loop_lag_sec": 0.0}"#;
        assert_eq!(said(all), Some(([Some(12.5), Some(3.0), Some(0.0)], false)));
        assert_eq!(said(r#"{"queue_loop_lag_sec": 0.5}"#), Some(([None, None, Some(0.5)], false)));
        for implausible in ["-1", "1e300", "-0.001"] {
            let processor = format!(r#"{{"queue_loop_lag_sec": 0.5, "max_active_task_idle_age_sec": {implausible}}}"#);
            assert_eq!(said(&processor), Some(([None, None, Some(0.5)], true)), "{implausible}");
        }
        for nothing in ["{}", "7", r#"{"queue_loop_lag_sec": null}"#, r#"{"queue_loop_lag_sec": "1"}"#] {
            assert_eq!(said(nothing), None, "{nothing}");
        }
    }

    #[test]
    fn a_processor_drains_in_any_of_the_platforms_three_ways() {
        let draining = |processor: &str| {
            let json = format!(
                r#"{{"instance_id":"a","service_type":"chat","service_name":"proc","last_heartbeat":1,"metadata":{{"processor":{processor}}}}}"#
            );
            heartbeat(json.as_bytes()).unwrap().draining
        };
        for yes in
            [r#"{"draining":true}"#, r#"{"host_draining":true}"#, r#"{"draining":false,"accepting_new_tasks":false}"#]
        {
            assert!(draining(yes), "{yes}");
        }
        for no in ["null", "{}", "7", r#"{"draining":"yes"}"#, r#"{"draining":false,"accepting_new_tasks":true}"#] {
            assert!(!draining(no), "{no}");
        }
    }
}
