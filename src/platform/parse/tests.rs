//! Near misses of every input: no parser panics, and none accepts what is wrong.

use proptest::prelude::*;

use super::*;
use crate::platform::facts::{InputKind, WorkerId};

fn worker() -> WorkerId {
    WorkerId { instance_id: "i".into(), process_id: 1 }
}

#[test]
fn counts_of_an_sse_sample_are_read_as_python_reads_them() {
    let table = [
        (r#"{"count": null, "max": null, "ts": 5}"#, (0, 0, Some(5.0))),
        (r#"{"count": "12", "max": 3.9, "ts": "noon"}"#, (12, 3, None)),
        (r#"{"count": 9007199254740992, "max": 0, "ts": null}"#, (1 << 53, 0, None)),
    ];
    for (json, expected) in table {
        let sample = sse_sample(json.as_bytes(), &worker()).unwrap();
        assert_eq!((sample.count, sample.max, sample.at), expected, "{json}");
    }
    for impossible in [r#"{"count": -4}"#, r#"{"max": 1e30}"#, r#"{"sessions": 9007199254740993}"#] {
        let error = sse_sample(impossible.as_bytes(), &worker()).unwrap_err();
        assert!(matches!(error, ParseError::Impossible(_)), "{impossible}");
    }
    for bad in [r#"{"count": "many"}"#, r#"{"max": []}"#, r#"{"sessions": true}"#, "[]", "oops"] {
        assert!(sse_sample(bad.as_bytes(), &worker()).is_err(), "{bad}");
    }
}

#[test]
fn series_members_are_time_and_value() {
    assert_eq!(series_member(b"1.5:1e3", 1.5).unwrap(), Point { at: 1.5, value: 1000.0 });
    assert_eq!(series_member(b"yesterday:7", 2.5).unwrap(), Point { at: 2.5, value: 7.0 });
    for bad in [&b"garbage"[..], b"1.5:", b"1.5:abc", b"1.5:nan", b"1.5:inf", b"1.5:2:3", b"\xff:1"] {
        assert!(series_member(bad, 1.5).is_err(), "{bad:?}");
    }
    assert!(series_member(b"1.5:1", f64::NAN).is_err());
    assert!(series_member(format!("1.5:1{}", "0".repeat(LONGEST_NAME)).as_bytes(), 1.5).is_err());
}

#[test]
fn numbers_that_nothing_can_be_are_told_from_text() {
    let beat = |field: &str| {
        format!(r#"{{"instance_id":"a","service_type":"chat","service_name":"proc","last_heartbeat":1,{field}}}"#)
    };
    for field in [
        r#""current_load":-1"#,
        r#""max_capacity":1e30"#,
        r#""max_capacity":9007199254740994"#,
        r#""last_heartbeat":-5"#,
        r#""last_heartbeat":1e17"#,
    ] {
        let error = heartbeat(beat(field).as_bytes()).unwrap_err();
        assert!(matches!(error, ParseError::Impossible(name) if field.contains(name)), "{field}: {error}");
    }
    for analytics in [r#"{"avg_wait_time": -0.5}"#, r#"{"throughput_last_hour": -1}"#, r#"{"avg_wait_time": 1e16}"#] {
        assert!(matches!(queue_analytics(analytics.as_bytes()), Err(ParseError::Impossible(_))), "{analytics}");
    }
    for member in ["1.5:-1", "1.5:1e16", "1.5:-1e-9"] {
        assert_eq!(series_member(member.as_bytes(), 1.5), Err(ParseError::Outside), "{member}");
    }
    assert_eq!((count(b"-1"), counter(b"-1"), count(b"7")), (Err(ParseError::Outside), Ok(-1), Ok(7)));
    assert_eq!(
        (counter(b"9007199254740993"), counter(b"99999999999999999999")),
        (Err(ParseError::Outside), Err(ParseError::Outside))
    );
    let problem = |error: ParseError| crate::platform::facts::Malformed {
        kind: InputKind::Heartbeat,
        key: "k".into(),
        problem: error.to_string(),
    };
    assert!(problem(ParseError::Outside).is_impossible() && problem(ParseError::Impossible("x")).is_impossible());
    assert!(!problem(ParseError::NotAnObject).is_impossible());
}

#[test]
fn counters_are_whole_numbers() {
    assert_eq!((counter(b"12"), counter(b" -3\n")), (Ok(12), Ok(-3)));
    for bad in [&b""[..], b"1.5", b"12x", b"99999999999999999999", b"\xff"] {
        assert!(counter(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn a_value_that_is_too_long_is_not_read() {
    let long = format!(r#"{{"avg_wait_time": 1, "x": "{}"}}"#, "x".repeat(MAX_VALUE_BYTES));
    assert!(matches!(queue_analytics(long.as_bytes()), Err(ParseError::TooLong(MAX_VALUE_BYTES))));
}

/// JSON of any kind, deeply nested now and then.
fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[a-zA-Z0-9.: -]{0,12}".prop_map(Value::from),
        proptest::sample::select(vec!["ServiceHealth.UNHEALTHY", "healthy", "open", "burst_rate_limit", "12"])
            .prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 30, 5, |inner| {
        let names = proptest::sample::select(vec!["pools", "redis", "postgres", "async", "in_use", "max_size"]);
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::vec((names, inner), 0..5)
                .prop_map(|fields| fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()),
        ]
    })
}

/// An object with some of these fields, each of any kind.
fn near_miss(fields: &'static [&'static str]) -> impl Strategy<Value = (Map<String, Value>, Vec<u8>)> {
    let fields = proptest::collection::vec((proptest::sample::select(fields), json()), 0..14);
    fields.prop_map(|fields| {
        let object: Map<String, Value> = fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let bytes = serde_json::to_vec(&object).unwrap();
        (object, bytes)
    })
}

const HEARTBEAT: &[&str] = &[
    "instance_id",
    "service_type",
    "service_name",
    "process_id",
    "port",
    "current_load",
    "max_capacity",
    "last_heartbeat",
    "health_status",
    "metadata",
];
const SSE: &[&str] = &["count", "sessions", "max", "ts"];
const ANALYTICS: &[&str] = &["avg_wait_time", "throughput_last_hour"];
const EVENT: &[&str] = &["reason", "http_status", "session_id", "timestamp"];
const CIRCUIT: &[&str] = &["name", "state", "failure_count", "opened_at"];

proptest! {
    #[test]
    fn no_bytes_make_a_parser_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), score in any::<f64>()) {
        let _ = heartbeat(&bytes);
        let _ = sse_sample(&bytes, &worker());
        let _ = queue_analytics(&bytes);
        let _ = series_member(&bytes, score);
        let _ = throttling_event(&bytes, score);
        let _ = circuit_state(&bytes);
        let _ = circuit_stats(&bytes);
        let _ = counter(&bytes);
    }

    #[test]
    fn an_accepted_heartbeat_is_what_its_fields_say((object, bytes) in near_miss(HEARTBEAT)) {
        let Ok(beat) = heartbeat(&bytes) else {
            let needed = ["instance_id", "service_type", "service_name"];
            let texts = needed.iter().all(|field| object.get(*field).and_then(Value::as_str).is_some_and(|t| !t.is_empty()));
            let time = object.get("last_heartbeat").and_then(Value::as_f64).is_some();
            let whole = ["process_id", "port", "current_load", "max_capacity"];
            let counts = whole.iter().all(|field| object.get(*field).is_none_or(|v| v.is_null() || v.is_i64()));
            prop_assert!(!(texts && time && counts), "rejected without a reason: {object:?}");
            return Ok(());
        };
        prop_assert_eq!(Some(&*beat.instance_id), object["instance_id"].as_str());
        prop_assert_eq!(Some(beat.last_heartbeat), object["last_heartbeat"].as_f64());
        prop_assert!(beat.last_heartbeat.is_finite());
        let given = |field: &str| object.get(field).and_then(Value::as_f64);
        if let Some(load) = given("current_load") {
            prop_assert!((load - beat.load as f64).abs() <= load.abs() * 1e-9);
        }
        let pools = [beat.pools.postgres, beat.pools.redis_async, beat.pools.redis_async_decode, beat.pools.redis_sync];
        for pool in pools.into_iter().flatten() {
            let numbers = [pool.max, pool.size, pool.available, pool.in_use];
            prop_assert!(numbers.into_iter().flatten().all(f64::is_finite));
        }
    }

    #[test]
    fn an_accepted_sse_sample_has_no_negative_count((object, bytes) in near_miss(SSE)) {
        let odd = |value: &Value| value.is_boolean() || value.is_array() || value.is_object();
        let wrong = ["count", "sessions", "max"].iter().any(|field| object.get(*field).is_some_and(odd));
        match sse_sample(&bytes, &worker()) {
            Err(_) => {}
            Ok(sample) => {
                prop_assert!(!wrong, "{object:?}");
                prop_assert!(sample.count >= 0 && sample.sessions >= 0 && sample.max >= 0);
                prop_assert!(sample.at.is_none_or(f64::is_finite));
            }
        }
    }

    #[test]
    fn accepted_analytics_are_numbers((object, bytes) in near_miss(ANALYTICS)) {
        let text = object.values().any(|value| !value.is_number() && !value.is_null());
        match queue_analytics(&bytes) {
            Ok(analytics) => prop_assert!(analytics.avg_wait_seconds.is_finite() && !text, "{object:?}"),
            Err(problem) => prop_assert!(!object.is_empty(), "{problem}"),
        }
    }

    #[test]
    fn an_event_is_never_dropped_and_never_shown_incomplete((object, bytes) in near_miss(EVENT), score in any::<f64>()) {
        let event = throttling_event(&bytes, score);
        let detail = event.detail.unwrap();
        prop_assert_eq!(detail.reason.as_deref(), object.get("reason").and_then(Value::as_str));
        prop_assert_eq!(detail.session_id.as_deref(), object.get("session_id").and_then(Value::as_str));
        // Five fields are missing.
        prop_assert_eq!(detail.shown, None);
    }

    #[test]
    fn statistics_with_a_missing_field_are_rejected((_, bytes) in near_miss(CIRCUIT)) {
        prop_assert!(circuit_stats(&bytes).is_err());
    }

    #[test]
    fn counters_read_back_with_spaces_around(number in -LARGEST_COUNT..=LARGEST_COUNT, before in " {0,3}", after in "[ \n]{0,3}") {
        prop_assert_eq!(counter(format!("{before}{number}{after}").as_bytes()), Ok(number));
    }

    #[test]
    fn text_is_read_if_it_is_utf8_and_not_too_long(bytes in proptest::collection::vec(any::<u8>(), 0..40), longer in any::<bool>()) {
        let bytes = if longer { bytes.repeat(MAX_VALUE_BYTES / 20) } else { bytes };
        let expected = match std::str::from_utf8(&bytes) {
            _ if bytes.len() > MAX_VALUE_BYTES => Err(ParseError::TooLong(MAX_VALUE_BYTES)),
            Ok(text) => Ok(text),
            Err(_) => Err(ParseError::NotUtf8),
        };
        prop_assert_eq!(utf8(&bytes), expected);
    }

    #[test]
    fn an_error_never_quotes_the_value(secret in "s3cret[a-z]{4}") {
        let values = [secret.clone(), format!("1:{secret}"), format!(r#"{{"count": "{secret}", "avg_wait_time": "{secret}"}}"#)];
        for value in values {
            let bytes = value.as_bytes();
            let errors = [
                heartbeat(bytes).err(), sse_sample(bytes, &worker()).err(), queue_analytics(bytes).err(),
                series_member(bytes, 1.0).err(), circuit_state(bytes).err(), circuit_stats(bytes).err(), counter(bytes).err(),
            ];
            for error in errors {
                let text = error.map(|error| error.to_string()).unwrap_or_default();
                prop_assert!(!text.is_empty() && !text.contains("s3cret"), "{text:?} of {value}");
            }
        }
    }

    #[test]
    fn a_series_member_is_its_value(time in any::<f64>(), value in prop_oneof![any::<f64>(), 0.0..1e9], score in any::<f64>()) {
        let member = format!("{}:{}", crate::platform::python::python_float(time), crate::platform::python::python_float(value));
        let read = series_member(member.as_bytes(), score);
        if (0.0..=LARGEST).contains(&value) && score.is_finite() {
            let point = read.unwrap();
            prop_assert_eq!((point.at.to_bits(), point.value.to_bits()), (score.to_bits(), value.to_bits()));
        } else {
            prop_assert!(read.is_err());
        }
    }
}
