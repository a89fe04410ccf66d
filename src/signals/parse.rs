//! How each fact is read from the bytes that the platform's workers write (Python `json.dumps`).
//!
//! Every function takes bytes and gives the fact or what is wrong with them, never the bytes
//! themselves: a value may hold what must not be logged. Which keys are read is `sources`' matter.

use serde_json::{Map, Value};

use super::{
    HealthWord, Heartbeat, Point, PoolUse, Pools, QueueAnalytics, SseSample, ThrottlingDetail, ThrottlingEvent,
    UnixSeconds, WorkerId,
};

/// Largest value that is read at all: the platform's own are a few kilobytes. Longer ones come cut.
pub const MAX_VALUE_BYTES: usize = 64 * 1024;

/// Longest member of a series, time and value, and longest name in a throttling event.
const LONGEST_NAME: usize = 256;

/// What is wrong with a value, in words, without the value.
pub type Problem = String;

/// A process's heartbeat.
///
/// # Errors
/// Not a JSON object, a required field (`instance_id`, `service_type`, `service_name`,
/// `last_heartbeat`) missing, or a known field of the wrong type.
pub fn heartbeat(bytes: &[u8]) -> Result<Heartbeat, Problem> {
    let object = object(bytes)?;
    Ok(Heartbeat {
        instance_id: required_text(&object, "instance_id")?,
        service_type: required_text(&object, "service_type")?,
        service_name: required_text(&object, "service_name")?,
        process_id: integer(&object, "process_id")?,
        port: integer(&object, "port")?,
        load: integer(&object, "current_load")?.unwrap_or(0),
        capacity: integer(&object, "max_capacity")?.unwrap_or(0),
        last_heartbeat: number(&object, "last_heartbeat")?
            .ok_or("field last_heartbeat is missing; expected Unix seconds")?,
        health: health(object.get("health_status")),
        pools: object.get("metadata").and_then(|metadata| metadata.get("pools")).map(pools).unwrap_or_default(),
    })
}

/// `ServiceHealth.HEALTHY` or the bare word in any case; the whole word, for UNHEALTHY contains HEALTHY.
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

/// Pools are reported by the libraries in use, so a part that is absent or odd is simply not reported.
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

/// What an ingress worker published of its SSE connections; null counts are 0, as their writer means them.
///
/// # Errors
/// Not a JSON object, or a count that is not a whole number.
pub fn sse_sample(bytes: &[u8], worker: &WorkerId) -> Result<SseSample, Problem> {
    let object = object(bytes)?;
    let count = |name| integer(&object, name).map(|value| value.unwrap_or(0).max(0));
    Ok(SseSample {
        worker: worker.clone(),
        count: count("count")?,
        sessions: count("sessions")?,
        max: count("max")?,
        at: number(&object, "ts")?,
    })
}

/// A role's queue bookkeeping.
///
/// # Errors
/// Not a JSON object, or a known field of the wrong type.
pub fn queue_analytics(bytes: &[u8]) -> Result<QueueAnalytics, Problem> {
    let object = object(bytes)?;
    Ok(QueueAnalytics {
        avg_wait_seconds: number(&object, "avg_wait_time")?.unwrap_or(0.0),
        throughput_last_hour: integer(&object, "throughput_last_hour")?.unwrap_or(0),
    })
}

/// A member of a latency or rolling series, `"{time}:{value}"`; the score is the time that counts.
///
/// # Errors
/// Too long, no `:`, or a value that is not a finite number.
pub fn series_member(member: &[u8], score: UnixSeconds) -> Result<Point, Problem> {
    if member.len() > LONGEST_NAME {
        return Err(format!("is longer than {LONGEST_NAME} bytes; expected \"time:value\""));
    }
    let text = std::str::from_utf8(member).map_err(|_| "is not UTF-8")?;
    let (_, value) = text.rsplit_once(':').ok_or("has no ':'; expected \"time:value\"")?;
    let value: f64 = value.trim().parse().map_err(|_| "value is not a number; expected \"time:value\"")?;
    if !value.is_finite() || !score.is_finite() {
        return Err("is not finite".to_owned());
    }
    Ok(Point { at: score, value })
}

/// A throttled request. A member that is no JSON object still counts as an event, without detail.
#[must_use]
pub fn throttling_event(member: &[u8], score: UnixSeconds) -> ThrottlingEvent {
    let detail = object(member).ok().map(|object| ThrottlingDetail {
        reason: text(&object, "reason"),
        http_status: object.get("http_status").and_then(Value::as_i64),
        session_id: text(&object, "session_id"),
        raw: Value::Object(object),
    });
    ThrottlingEvent { at: score, detail }
}

/// A circuit breaker's statistics.
///
/// # Errors
/// Not a JSON object.
pub fn circuit_stats(bytes: &[u8]) -> Result<Map<String, Value>, Problem> {
    object(bytes)
}

/// A counter kept as text.
///
/// # Errors
/// Not a whole number.
pub fn counter(bytes: &[u8]) -> Result<i64, Problem> {
    let text = std::str::from_utf8(bytes).map_err(|_| "is not UTF-8")?;
    text.trim().parse().map_err(|_| "is not a whole number".to_owned())
}

/// The text of a value that must be UTF-8.
///
/// # Errors
/// Too long, or not UTF-8.
pub fn utf8(bytes: &[u8]) -> Result<&str, Problem> {
    if bytes.len() > MAX_VALUE_BYTES {
        return Err(format!("is longer than {MAX_VALUE_BYTES} bytes, the most that is read"));
    }
    std::str::from_utf8(bytes).map_err(|_| "is not UTF-8".to_owned())
}

fn object(bytes: &[u8]) -> Result<Map<String, Value>, Problem> {
    match serde_json::from_str(utf8(bytes)?) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err("is not a JSON object".to_owned()),
        // The message is kept to the position: serde's own text may quote the value.
        Err(error) => Err(format!("is not JSON (line {}, column {})", error.line(), error.column())),
    }
}

/// A text that is kept for a day, so not a long one.
fn text(object: &Map<String, Value>, field: &str) -> Option<String> {
    object.get(field).and_then(Value::as_str).filter(|text| text.len() <= LONGEST_NAME).map(str::to_owned)
}

fn required_text(object: &Map<String, Value>, field: &str) -> Result<String, Problem> {
    match object.get(field) {
        Some(Value::String(text)) if !text.is_empty() => Ok(text.clone()),
        _ => Err(format!("field {field} is missing or not a text")),
    }
}

/// A finite number; null and missing are `None`.
fn number(object: &Map<String, Value>, field: &str) -> Result<Option<f64>, Problem> {
    match object.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => match value.as_f64() {
            Some(number) if number.is_finite() => Ok(Some(number)),
            _ => Err(format!("field {field} is not a number")),
        },
    }
}

/// A whole number, also when written as `3.0`; null and missing are `None`.
fn integer(object: &Map<String, Value>, field: &str) -> Result<Option<i64>, Problem> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    match object.get(field).and_then(Value::as_i64) {
        Some(whole) => Ok(Some(whole)),
        None => match number(object, field)? {
            None => Ok(None),
            #[expect(clippy::cast_possible_truncation, reason = "whole and within the exact range")]
            Some(float) if float.fract() == 0.0 && float.abs() <= EXACT => Ok(Some(float as i64)),
            Some(_) => Err(format!("field {field} is not a whole number")),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

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
    fn a_heartbeat_of_the_wrong_type_says_which_field() {
        let json = br#"{"instance_id":"a","service_type":"chat","service_name":"proc","last_heartbeat":"yesterday"}"#;
        assert_eq!(heartbeat(json).unwrap_err(), "field last_heartbeat is not a number");
        assert!(heartbeat(b"not json").unwrap_err().starts_with("is not JSON"));
        assert_eq!(heartbeat(b"[]").unwrap_err(), "is not a JSON object");
        assert!(heartbeat(br#"{"instance_id":"a"}"#).unwrap_err().contains("service_type"));
    }

    #[test]
    fn null_counts_of_an_sse_sample_are_zero() {
        let worker = WorkerId { instance_id: "i".into(), process_id: 1 };
        let sample = sse_sample(br#"{"count": null, "max": null, "ts": 5}"#, &worker).unwrap();
        assert_eq!((sample.count, sample.sessions, sample.max, sample.at), (0, 0, 0, Some(5.0)));
    }

    #[test]
    fn series_members_are_time_and_value() {
        assert_eq!(series_member(b"1.5:1e3", 1.5).unwrap(), Point { at: 1.5, value: 1000.0 });
        let long = format!("1.5:1{}", "0".repeat(LONGEST_NAME));
        for bad in [&b"garbage"[..], b"1.5:", b"1.5:abc", b"1.5:nan", b"1.5:inf", b"\xff:1", long.as_bytes()] {
            assert!(series_member(bad, 1.5).is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_a_parser_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), score in any::<f64>()) {
            let worker = WorkerId { instance_id: "i".into(), process_id: 1 };
            let _ = heartbeat(&bytes);
            let _ = sse_sample(&bytes, &worker);
            let _ = queue_analytics(&bytes);
            let _ = series_member(&bytes, score);
            let _ = throttling_event(&bytes, score);
            let _ = circuit_stats(&bytes);
            let _ = counter(&bytes);
        }
    }
}
