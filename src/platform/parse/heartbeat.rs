//! A process's heartbeat, with the pools that it reports.
//!
//! Most of what a tick reads: it is not built as a tree, and its texts are copied once.

use std::borrow::Cow;

use serde::de::MapAccess;

use super::fields::{Fields, Object, Scalar, skip};
use super::{MAX_HEARTBEAT_BYTES, ParseError, amount, condensed_length, fields, integer, is_possible, whole_amount};
use crate::platform::facts::{HealthWord, Heartbeat, PoolUse, Pools, ProcessorReport, shared_name};

/// The fields that are read.
#[derive(Default)]
struct Beat<'a> {
    instance_id: Option<Scalar<'a>>,
    service_type: Option<Scalar<'a>>,
    service_name: Option<Scalar<'a>>,
    process_id: Option<Scalar<'a>>,
    port: Option<Scalar<'a>>,
    current_load: Option<Scalar<'a>>,
    max_capacity: Option<Scalar<'a>>,
    last_heartbeat: Option<Scalar<'a>>,
    health_status: Option<Scalar<'a>>,
    metadata: Option<Object<Metadata<'a>>>,
}

impl<'a> Fields<'a> for Beat<'a> {
    fn take<A: MapAccess<'a>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
        let field = match name {
            "instance_id" => &mut self.instance_id,
            "service_type" => &mut self.service_type,
            "service_name" => &mut self.service_name,
            "process_id" => &mut self.process_id,
            "port" => &mut self.port,
            "current_load" => &mut self.current_load,
            "max_capacity" => &mut self.max_capacity,
            "last_heartbeat" => &mut self.last_heartbeat,
            "health_status" => &mut self.health_status,
            "metadata" => {
                self.metadata = Some(map.next_value()?);
                return Ok(());
            }
            _ => return skip(map),
        };
        *field = Some(map.next_value()?);
        Ok(())
    }
}

#[derive(Default)]
struct Metadata<'a> {
    processor: Option<Object<Processor<'a>>>,
    pools: Option<Object<PoolsOfMetadata>>,
}

impl<'a> Fields<'a> for Metadata<'a> {
    fn take<A: MapAccess<'a>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
        match name {
            "processor" => self.processor = Some(map.next_value()?),
            "pools" => self.pools = Some(map.next_value()?),
            _ => skip(map)?,
        }
        Ok(())
    }
}

#[derive(Default)]
struct Processor<'a> {
    draining: Option<Scalar<'a>>,
    host_draining: Option<Scalar<'a>>,
    accepting_new_tasks: Option<Scalar<'a>>,
    oldest_active: Option<Scalar<'a>>,
    max_idle: Option<Scalar<'a>>,
    queue_loop_lag: Option<Scalar<'a>>,
}

impl<'a> Fields<'a> for Processor<'a> {
    fn take<A: MapAccess<'a>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
        let field = match name {
            "draining" => &mut self.draining,
            "host_draining" => &mut self.host_draining,
            "accepting_new_tasks" => &mut self.accepting_new_tasks,
            "oldest_active_task_wall_age_sec" => &mut self.oldest_active,
            "max_active_task_idle_age_sec" => &mut self.max_idle,
            "queue_loop_lag_sec" => &mut self.queue_loop_lag,
            _ => return skip(map),
        };
        *field = Some(map.next_value()?);
        Ok(())
    }
}

/// Pools come from the libraries in use, which differ by version: a part that is absent or of another type is missing.
#[derive(Default)]
struct PoolsOfMetadata {
    postgres: Option<PoolUse>,
    redis: RedisPools,
}

impl<'a> Fields<'a> for PoolsOfMetadata {
    fn take<A: MapAccess<'a>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
        match name {
            "postgres" => self.postgres = map.next_value::<Object<PoolNumbers<'a>>>()?.0.map(PoolNumbers::of_postgres),
            "redis" => self.redis = map.next_value::<Object<RedisPools>>()?.0.unwrap_or_default(),
            _ => skip(map)?,
        }
        Ok(())
    }
}

#[derive(Default)]
struct RedisPools {
    r#async: Option<PoolUse>,
    async_decode: Option<PoolUse>,
    sync: Option<PoolUse>,
}

impl<'a> Fields<'a> for RedisPools {
    fn take<A: MapAccess<'a>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
        let pool = match name {
            "async" => &mut self.r#async,
            "async_decode" => &mut self.async_decode,
            "sync" => &mut self.sync,
            _ => return skip(map),
        };
        *pool = map.next_value::<Object<PoolNumbers<'a>>>()?.0.map(PoolNumbers::of_redis);
        Ok(())
    }
}

#[derive(Default)]
struct PoolNumbers<'a> {
    max_size: Option<Scalar<'a>>,
    size: Option<Scalar<'a>>,
    max_connections: Option<Scalar<'a>>,
    total: Option<Scalar<'a>>,
    available: Option<Scalar<'a>>,
    in_use: Option<Scalar<'a>>,
}

impl<'a> Fields<'a> for PoolNumbers<'a> {
    fn take<A: MapAccess<'a>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
        let number = match name {
            "max_size" => &mut self.max_size,
            "size" => &mut self.size,
            "max_connections" => &mut self.max_connections,
            "total" => &mut self.total,
            "available" => &mut self.available,
            "in_use" => &mut self.in_use,
            _ => return skip(map),
        };
        *number = Some(map.next_value()?);
        Ok(())
    }
}

impl PoolNumbers<'_> {
    fn of_postgres(self) -> PoolUse {
        let (max, size) = (float(self.max_size.as_ref()), float(self.size.as_ref()));
        PoolUse { max, size, ..self.used() }
    }

    fn of_redis(self) -> PoolUse {
        let (max, size) = (float(self.max_connections.as_ref()), float(self.total.as_ref()));
        PoolUse { max, size, ..self.used() }
    }

    fn used(&self) -> PoolUse {
        let (available, in_use) = (float(self.available.as_ref()), float(self.in_use.as_ref()));
        PoolUse { available, in_use, ..PoolUse::default() }
    }
}

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
    let beat: Beat<'_> = fields(json).map_err(|error| match error {
        ParseError::TooLong(_) => ParseError::TooLong(MAX_HEARTBEAT_BYTES),
        error => error,
    })?;
    let metadata = beat.metadata.and_then(|metadata| metadata.0).unwrap_or_default();
    let processor = metadata.processor.and_then(|processor| processor.0);
    Ok(Heartbeat {
        instance_id: required_text(beat.instance_id, "instance_id")?.into(),
        service_type: shared_name(&required_text(beat.service_type, "service_type")?),
        service_name: shared_name(&required_text(beat.service_name, "service_name")?),
        process_id: integer(beat.process_id.as_ref(), "process_id")?,
        port: integer(beat.port.as_ref(), "port")?,
        load: whole_amount(beat.current_load.as_ref(), "current_load")?.unwrap_or(0),
        capacity: whole_amount(beat.max_capacity.as_ref(), "max_capacity")?.unwrap_or(0),
        last_heartbeat: amount(beat.last_heartbeat.as_ref(), "last_heartbeat")?
            .ok_or(ParseError::MissingField("last_heartbeat"))?,
        health: health(beat.health_status.as_ref()),
        draining: processor.as_ref().is_some_and(is_draining),
        processor: processor.as_ref().and_then(report),
        pools: metadata.pools.and_then(|pools| pools.0).map(pools).unwrap_or_default().into(),
    })
}

fn required_text<'a>(value: Option<Scalar<'a>>, field: &'static str) -> Result<Cow<'a, str>, ParseError> {
    match value {
        Some(Scalar::Text(text)) if !text.is_empty() => Ok(text),
        Some(_) => Err(ParseError::BadField { field, expected: "a non-empty text" }),
        None => Err(ParseError::MissingField(field)),
    }
}

/// Whether a processor says that it takes no new tasks, in any of the platform's three ways.
fn is_draining(processor: &Processor<'_>) -> bool {
    let flag = |value: &Option<Scalar<'_>>| value.as_ref().and_then(Scalar::bool);
    let Processor { draining, host_draining, accepting_new_tasks, .. } = processor;
    flag(draining) == Some(true) || flag(host_draining) == Some(true) || flag(accepting_new_tasks) == Some(false)
}

/// What a processor says of its oldest work; `None` for a platform that says none of it. A number that cannot be is left out.
fn report(processor: &Processor<'_>) -> Option<ProcessorReport> {
    let said = [&processor.oldest_active, &processor.max_idle, &processor.queue_loop_lag];
    let ages = said.map(|age| age.as_ref().and_then(Scalar::float));
    ages.iter().find(|age| age.is_some())?;
    let [oldest_active_seconds, max_idle_seconds, queue_loop_lag_seconds] =
        ages.map(|age| age.filter(|age| is_possible(*age)));
    let is_implausible = ages.into_iter().flatten().any(|age| !is_possible(age));
    Some(ProcessorReport { oldest_active_seconds, max_idle_seconds, queue_loop_lag_seconds, is_implausible })
}

/// `ServiceHealth.HEALTHY` or the bare word in any case. Compares the whole word: UNHEALTHY contains HEALTHY.
fn health(value: Option<&Scalar<'_>>) -> HealthWord {
    let word = match value {
        Some(Scalar::Text(text)) => text.rsplit('.').next().unwrap_or_default().trim(),
        Some(Scalar::Null) => return HealthWord::Null,
        _ => return HealthWord::Unknown,
    };
    let words =
        [("healthy", HealthWord::Healthy), ("degraded", HealthWord::Degraded), ("unhealthy", HealthWord::Unhealthy)];
    let known = words.into_iter().find(|(known, _)| word.eq_ignore_ascii_case(known));
    known.map_or(HealthWord::Unknown, |(_, word)| word)
}

fn pools(pools: PoolsOfMetadata) -> Pools {
    let RedisPools { r#async, async_decode, sync } = pools.redis;
    Pools { postgres: pools.postgres, redis_async: r#async, redis_async_decode: async_decode, redis_sync: sync }
}

fn float(value: Option<&Scalar<'_>>) -> Option<f64> {
    value.and_then(Scalar::float).filter(|number| number.is_finite())
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
