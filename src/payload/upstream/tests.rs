//! Payloads of upstreams: recorded ones, older shapes, and what nobody should send.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{ParsedPayload, Sides, merge, read, state};
use crate::analysis::SystemState;
use crate::analysis::recorded::Case;
use crate::analysis::state::Cause;
use crate::analysis::state::Quality;
use crate::catalog::{self, Sample};
use crate::payload;
use crate::payload::shapes::SystemPayload;

/// Both sides were read, and nothing in them was malformed.
const BOTH: Sides<'static> = Sides { ingress: None, proc: None, malformed: &[] };

fn parsed(payload: &Value) -> ParsedPayload {
    read(payload.to_string().as_bytes(), "proc").unwrap_or_else(|problem| panic!("{problem}"))
}

fn system(payload: &Value) -> SystemPayload {
    parsed(payload).system
}

fn scalar(key: &str, system: &SystemPayload) -> Option<f64> {
    catalog::scalar(key, &state(system, BOTH))
}

fn samples(system: &SystemPayload) -> Vec<Sample> {
    catalog::samples(&state(system, BOTH))
}

/// A name that two samples of different sources have in common.
fn series(sample: &Sample) -> (&'static str, Vec<(&'static str, String)>) {
    (sample.metric.key, sample.labels.clone())
}

#[test]
fn the_consoles_payload_gives_the_same_state_as_the_system_payload() {
    for case in Case::all() {
        let (shown, direct) = (case.state(), parsed(&case.system).system);
        let read = parsed(&payload::console(&shown).unwrap());
        assert_eq!(read.malformed, [], "{}", case.name);
        assert_eq!(state(&read.system, BOTH), state(&direct, BOTH), "{}", case.name);
    }
}

#[test]
fn circuits_beside_their_summary_are_read_as_circuits() {
    let circuit = json!({"name": "auth", "state": "open", "failure_count": 3});
    let nested = json!({"circuit_breakers": {"summary": {"total_circuits": 1}, "circuits": {"auth": circuit}}});
    let flat = json!({"circuit_breakers": {"auth": circuit}});
    assert_eq!(system(&nested).circuit_breakers.keys().collect::<Vec<_>>(), ["auth"]);
    assert_eq!(system(&nested), system(&flat));
    // None at all is no circuit called `summary`.
    assert!(system(&json!({"circuit_breakers": {"summary": {}, "circuits": {}}})).circuit_breakers.is_empty());
}

#[test]
fn recorded_payloads_give_the_metrics_of_redis_mode() {
    // An upstream does not say that its scope is not there, nor that its 0 stands for a text that cannot be parsed.
    for case in
        Case::all().into_iter().filter(|case| !["empty-redis", "queues-all-roles"].contains(&case.name.as_str()))
    {
        let parsed = parsed(&case.system);
        assert_eq!(parsed.malformed, [], "{}", case.name);
        let both = merge(Some(parsed.system.clone()), Some(parsed.system), case.system["timestamp"].as_f64().unwrap());
        let upstream: Vec<Sample> = samples(&both);
        let direct = catalog::samples(&case.state());
        let direct: Vec<&Sample> = direct.iter().filter(|sample| is_sent(sample)).collect();
        let names = |samples: &[Sample]| samples.iter().map(series).collect::<Vec<_>>();
        assert_eq!(names(&upstream), direct.iter().map(|sample| series(sample)).collect::<Vec<_>>(), "{}", case.name);
        let quality = case.state().quality;
        for (sent, own) in upstream.iter().zip(direct) {
            // On partial input the own hint holds; an upstream does not say that its input was partial.
            if quality != Quality::Ok && own.metric.key == "autoscaler_decision" {
                continue;
            }
            // The payload rounds windows to two decimals, those of percentages to one.
            let rounding = if sent.metric.key.ends_with("_window") { 0.005_001 } else { 1e-9 };
            assert!((sent.value - own.value).abs() <= rounding, "{}: {sent:?} and {own:?}", case.name);
        }
    }
}

/// What a role's depth is made of is not sent, nor how many workers' counts are unknown, and of maxima only those of an hour.
fn is_sent(sample: &Sample) -> bool {
    let has = |value: &str| sample.labels.iter().any(|(_, label)| label == value);
    let is_rolling = sample.labels.iter().any(|(name, _)| *name == "stat");
    // What a role's depth is made of, how many SSE counts are unknown, how full windows are, and whose clock is off.
    const NOT_SENT: [&str; 4] =
        ["proc_queue_tasks", "ingress_sse_unknown_workers", "window_filled_ratio", "writer_clock_offset_seconds"];
    // Nothing of the demand that the number of replicas follows from.
    const DEMAND: [&str; 14] = [
        "proc.queue.waiting",
        "proc.queue.oldest_wait_seconds",
        "proc.tasks.",
        "proc.slots",
        "proc.load_ratio",
        "proc.jobs.",
        "proc.queue_loop_lag_seconds",
        "proc.throughput_per_second",
        "proc.arrivals_per_second",
        "proc.drain_seconds",
        "ingress.rest.requests_per_second",
        ".replicas.",
        "proc_queue_role_",
        "proc_processor_",
    ];
    let is_demand = DEMAND.iter().any(|part| sample.metric.key.contains(part));
    !(is_demand || NOT_SENT.contains(&sample.metric.key) || is_rolling && has("max") && !has("1h"))
}

fn fleet_case() -> Value {
    Case::all().into_iter().find(|case| case.name == "fleet-component-config").unwrap().system
}

#[test]
fn what_is_not_sent_names_the_upstream_and_the_path() {
    let parsed = parsed(&json!({"queue_stats": {"total": "x"}}));
    let merged = merge(None, Some(parsed.system), 0.0);
    let sides = Sides { ingress: Some(Cause::UpstreamFailed), proc: None, malformed: &parsed.malformed };
    let state = state(&merged, sides);
    let reason = |key: &str| {
        let (_, reading) = catalog::scalars(&state).find(|(metric, _)| metric.key == key).unwrap();
        reading.reason().unwrap().to_string()
    };
    assert!(reason("proc.queue.total").starts_with("it cannot be read: proc: queue_stats.total (expected "));
    assert_eq!(
        reason("proc.exec.p95_ms"),
        "the upstream does not send it: proc: components.proc.latency.exec_ms.1m.p95"
    );
    assert_eq!(reason("ingress.sse.sessions"), "the upstream request failed: ingress");
    assert_eq!(state.left_out.len(), 1);
}

#[test]
fn numbers_that_contradict_each_other_are_absent() {
    let queue = json!({"total": 3, "anonymous": 2, "registered": 2, "paid": 0, "privileged": 0});
    let sent = state(&system(&json!({"queue_stats": queue})), BOTH);
    let cause = |state: &SystemState| state.queue.depths.external.reason().map(|reason| reason.cause);
    assert_eq!(cause(&sent), Some(Cause::Implausible));
    let negative = state(&system(&json!({"queue_stats": {"total": -1}})), BOTH);
    assert_eq!(negative.queue.total.get(), None);
}

#[test]
fn ingress_alone_hands_over_its_own_and_what_both_know() {
    let merged = merge(Some(system(&fleet_case())), None, 7.0);
    let sides = Sides { ingress: None, proc: Some(Cause::NoUpstream), malformed: &[] };
    let state = state(&merged, sides);
    assert_eq!(state.at, 7.0);
    assert!(state.ingress.known().is_some() && state.ingress_hint.known().is_some() && state.sse.known().is_some());
    assert_eq!(state.circuits.len(), 3);
    assert!(state.circuits.values().all(|breaker| breaker.state.known().is_some()));
    let throttling = state.throttling.known().unwrap();
    assert!(throttling.windows.one_hour.total.known().is_some() && throttling.periods.len() == 5);
    assert!(!throttling.recent.is_empty() || merged.recent_throttling_events.is_empty());
    for absent in [state.queue.total.reason(), state.capacity.total.reason(), state.database.estimated_total.reason()] {
        assert_eq!(absent.map(|reason| reason.cause), Some(Cause::NoUpstream));
    }
    assert_eq!(state.proc.reason().map(|reason| reason.cause), Some(Cause::NoUpstream));
    assert!(merged.instances.values().all(|services| services.keys().all(|service| service == "chat_rest")));
}

#[test]
fn services_of_an_instance_are_kept_by_side() {
    let payload = json!({"instances": {
        "both": {"chat_rest": {}, "chat_proc": {}, "chat_search": {}}, "rest": {"chat_rest": {}}, "none": {}}});
    let services = |merged: SystemPayload| {
        merged.instances.into_iter().map(|(id, services)| (id, services.into_keys().collect())).collect::<Vec<_>>()
    };
    let listed = |id: &str, names: &[&str]| (id.to_owned(), names.iter().map(|name| (*name).to_owned()).collect());
    let proc: Vec<(String, Vec<String>)> = services(merge(None, Some(system(&payload)), 0.0));
    assert_eq!(proc, [listed("both", &["chat_proc", "chat_search"])]);
    let ingress = services(merge(Some(system(&payload)), None, 0.0));
    assert_eq!(ingress, [listed("both", &["chat_rest"]), listed("rest", &["chat_rest"])]);
}

#[test]
fn a_circuit_of_unknown_name_is_left_out_and_listed() {
    let sent = json!({"circuit_breakers": {"weather": {"state": "open"}, "authentication": {"state": "ajar"}}});
    let state = state(&system(&sent), BOTH);
    assert_eq!(state.left_out[0].reason.to_string(), "its name is not a known one: proc: circuit_breakers.weather");
    assert!(state.circuits.values().all(|breaker| breaker.state.known().is_none()));
}

#[test]
fn each_side_counts_for_its_own() {
    let payload = fleet_case();
    let mut other = payload.clone();
    other["queue_stats"]["total"] = json!(4711);
    other["sse_connections"]["total_connections"] = json!(4712);
    let both = merge(Some(system(&payload)), Some(system(&other)), 1.0);
    assert_eq!(scalar("proc.queue.total", &both), Some(4711.0));
    assert_ne!(scalar("ingress.sse.total_connections", &both), Some(4712.0));
    assert_eq!(both.timestamp, 1.0);

    let names = |samples: Vec<Sample>| samples.into_iter().map(|sample| sample.metric.key).collect::<Vec<_>>();
    let ingress = merge(Some(system(&payload)), None, 1.0);
    assert!(scalar("ingress.sse.total_connections", &ingress).is_some());
    assert!(scalar("throttling.rate_limit_429", &ingress).is_some());
    let proc_only = |key: &str| {
        ["proc.", "proc_"].iter().any(|head| key.starts_with(head))
            || key.starts_with("capacity")
            || key.starts_with("db_")
    };
    assert_eq!(names(samples(&ingress)).iter().filter(|key| proc_only(key)).count(), 0);

    let proc = merge(None, Some(system(&payload)), 1.0);
    assert!(scalar("proc.queue.total", &proc).is_some());
    assert_eq!(names(samples(&proc)).iter().filter(|key| key.starts_with("ingress")).count(), 0);
    assert!(proc.instances.values().all(|services| !services.contains_key("chat_rest")));
}

#[test]
fn older_shapes_are_understood() {
    let ingress = system(&json!({
        "sse_connections": {"global_total_connections": 30, "total_connections": 3, "global_max_connections": 40,
                            "max_connections": 4, "global_sessions": 20},
        "components": {"ingress": {"latency": {"rest_ms": {"p50": 1.0, "p95": 2.0, "p99": 3.0}}}},
        "throttling_stats": {"rate_limit_429": 5, "backpressure_503": 6},
    }));
    let proc = system(&json!({
        "enhanced_queue_stats": {"total_queue": 7},
        "queue_utilization": 50.0,
        "capacity_info": {"pressure_ratio": 0.5},
        "queue_analytics": {"wait_times": {"paid": 1.5}},
        "components": {"proc": {"latency": {"queue_wait_ms": {"p95": 0}, "exec_ms": {"p95": 900}},
                                "queue": {"windows": {"depth": {"1m": 6.5}, "pressure_ratio": {"1m": 0.45}}}}},
    }));
    let system = merge(Some(ingress), Some(proc), 0.0);
    for (key, expected) in [
        ("ingress.sse.total_connections", Some(30.0)),
        ("ingress.sse.max_connections", Some(40.0)),
        ("ingress.sse.sessions", Some(20.0)),
        ("ingress.sse.saturation_ratio", Some(0.75)),
        ("ingress.rest.latency.p95", Some(2.0)),
        ("proc.queue.total", Some(7.0)),
        ("proc.queue.utilization_ratio", Some(0.5)),
        ("proc.pressure_ratio_percent", Some(50.0)),
        ("proc.queue.wait.p95_ms", Some(0.0)),
        ("proc.exec.p95_ms", Some(900.0)),
        ("proc.queue.depth.1m", Some(6.5)),
        ("proc.queue.pressure_ratio.1m", Some(0.45)),
        ("proc.queue.avg_wait_seconds.paid", Some(1.5)),
        ("proc.queue.avg_wait_seconds.anonymous", None),
        // The processor is asked for what both know; it did not say.
        ("throttling.rate_limit_429", None),
    ] {
        assert_eq!(scalar(key, &system), expected, "{key}");
    }
}

#[test]
fn todays_place_wins_over_an_older_one() {
    let system = system(&json!({"queue_stats": {"total": 1}, "enhanced_queue_stats": {"total_queue": 2},
        "components": {"proc": {"latency": {"exec_ms": {"1m": {"p95": 1.0}, "p95": 2.0}}}}}));
    assert_eq!(scalar("proc.queue.total", &system), Some(1.0));
    assert_eq!(scalar("proc.exec.p95_ms", &system), Some(1.0));
}

#[test]
fn what_is_not_sent_is_absent() {
    for payload in [
        json!({}),
        json!({"components": {"ingress": {}, "proc": {}}, "autoscaler": {"proc": {}}, "db_connections": {}}),
        json!({"queue_stats": {"capacity_context": {"thresholds": {}}}, "throttling_windows": {"1h": {}, "1m": {}},
               "components": {"proc": {"queue": {"thresholds": {}}, "latency": {"exec_ms": {}}}},
               "instances": {"i": {"chat_proc": {}}}, "circuit_breakers": {"authentication": {}}}),
    ] {
        let system = system(&payload);
        let both = merge(Some(system.clone()), Some(system), 0.0);
        assert_eq!(samples(&both), [], "{payload}");
    }
}

#[test]
fn a_field_of_the_wrong_type_loses_itself() {
    let parsed = parsed(&json!({
        "queue_stats": {"total": "hunter2", "paid": 3, "analytics": {"avg_wait_times": {"paid": [], "external": 2.0}}},
        "components": {"proc": {"instances": [{"processes": {}}, 7], "load": null}},
        "queue_utilization": 12.5,
    }));
    assert_eq!(scalar("proc.queue.utilization_percent", &parsed.system), Some(12.5));
    assert_eq!((parsed.system.queue_stats.total, parsed.system.queue_stats.paid), (None, Some(3)));
    let keys: Vec<_> = parsed.malformed.iter().map(|malformed| malformed.key.as_str()).collect();
    for key in ["proc: queue_stats.total", "proc: queue_stats.analytics.avg_wait_times.paid"] {
        assert!(keys.contains(&key), "{key} in {keys:?}");
    }
    assert!(!format!("{:?}", parsed.malformed).contains("hunter2"), "{:?}", parsed.malformed);
}

#[test]
fn what_is_no_payload_is_refused() {
    let deep = [&b"{\"a\":"[..], &[b'['; 100_000]].concat();
    let hopeless = json!({"instances": (0..100).map(|i| (i.to_string(), json!(1))).collect::<serde_json::Map<_, _>>()});
    for (body, expected) in [
        (b"<html>".as_slice(), "is not JSON"),
        (b"", "is not JSON"),
        (b"[]", "is not a JSON object"),
        (b"null", "is not a JSON object"),
        (&[0xff, 0xfe], "is not JSON"),
        (&deep, "is not JSON"),
        (hopeless.to_string().as_bytes(), "not of the right type"),
    ] {
        let problem = read(body, "proc").unwrap_err();
        assert!(problem.contains(expected), "{problem}");
    }
}

#[test]
fn no_capacity_is_not_idleness_whatever_an_upstream_says() {
    let payload = |total: i64| json!({"queue_stats": {"total": total, "capacity_context": {"weighted_max_capacity": 0}}, "queue_utilization": 0});
    assert_eq!(scalar("proc.queue.utilization_percent", &system(&payload(3))), Some(100.0));
    assert_eq!(scalar("proc.queue.utilization_percent", &system(&payload(0))), Some(0.0));
}

/// Any JSON, often under names that are known.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[a-z]{0,4}".prop_map(Value::from),
    ];
    let names = prop::sample::select(vec![
        "components",
        "proc",
        "ingress",
        "latency",
        "exec_ms",
        "1m",
        "p95",
        "queue_stats",
        "total",
        "instances",
        "chat_proc",
        "status_breakdown",
        "healthy",
        "sse_connections",
        "global_sessions",
        "capacity_context",
        "x",
    ]);
    leaf.prop_recursive(6, 40, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map(names.clone(), inner, 0..6).prop_map(|fields| {
                Value::Object(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
            }),
        ]
    })
}

proptest! {
    #[test]
    fn whatever_is_sent_gives_numbers_or_nothing(payload in any_json()) {
        if let Ok(parsed) = read(payload.to_string().as_bytes(), "proc") {
            let both = merge(Some(parsed.system.clone()), Some(parsed.system), 0.0);
            for sample in samples(&both) {
                prop_assert!(sample.value.is_finite());
            }
        }
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = read(&bytes, "proc");
    }
}
