//! The small facts, read completely in every tick: queues, analytics, circuits, hourly counters and the saved gateway
//! configuration.

use std::collections::BTreeMap;

use redis::{Pipeline, Value};

use super::replies::Replies;
use super::values::ask_beginning;
use crate::platform::facts::{Circuit, CircuitFacts, Facts, InputKind, PerRole, QueueDepth, Role, Unreadable};
use crate::platform::gateway::SavedGatewayConfig;
use crate::platform::keys::Keys;
use crate::platform::parse::{self, ParseError};

/// Adds the commands; [`take`] takes the replies in the same order.
pub(super) fn ask(keys: &Keys, pipeline: &mut Pipeline) {
    for role in Role::ALL {
        pipeline.cmd("LLEN").arg(keys.queue(role));
        pipeline.cmd("LLEN").arg(keys.inflight(role));
        ask_beginning(&keys.continuations(role), pipeline);
        ask_beginning(&keys.analytics(role), pipeline);
    }
    for circuit in Circuit::ALL {
        ask_beginning(&keys.circuit(circuit, "state"), pipeline);
        ask_beginning(&keys.circuit(circuit, "stats"), pipeline);
        pipeline.cmd("ZCARD").arg(keys.circuit(circuit, "window"));
        ask_beginning(&keys.circuit(circuit, "half_open_calls"), pipeline);
    }
    pipeline.cmd("HGETALL").arg(keys.hourly_requests());
    ask_beginning(&keys.gateway_config(), pipeline);
    // GETRANGE answers an empty value and a missing key alike.
    pipeline.cmd("EXISTS").arg(keys.gateway_config());
}

/// Adds the replies to the facts.
pub(super) fn take(keys: &Keys, replies: &mut Replies, signals: &mut Facts) {
    signals.queues = PerRole::default();
    for role in Role::ALL {
        *signals.queues.get_mut(role) = queue(keys, role, replies);
        let (key, refused, unparsed) = (keys.analytics(role), replies.refused, replies.unparsed());
        *signals.analytics.get_mut(role) = replies.parsed(InputKind::QueueAnalytics, &key, parse::queue_analytics);
        if replies.refused > refused {
            signals.unreadable.insert(Unreadable::Analytics(role));
        } else if replies.unparsed() > unparsed {
            signals.unreadable.insert(Unreadable::MalformedAnalytics(role));
        }
    }
    for name in Circuit::ALL {
        take_circuit(keys, name, replies, signals);
    }
    let before = replies.malformed.len();
    signals.hourly_requests = hourly_requests(keys, replies);
    // What one hour lacks would be taken for fewer requests.
    if replies.malformed.len() > before {
        signals.unreadable.insert(Unreadable::HourlyRequests);
    }
    signals.saved_gateway_config = saved_gateway_config(&keys.gateway_config(), replies);
}

fn saved_gateway_config(key: &str, replies: &mut Replies) -> SavedGatewayConfig {
    let kind = InputKind::GatewayConfig;
    let before = replies.malformed.len();
    let text = replies.parsed(kind, key, |bytes| parse::utf8(bytes).map(str::to_owned));
    let problem = replies.malformed.get(before).map(|malformed| malformed.problem.clone());
    let exists = replies.integer(kind, key).unwrap_or(0) > 0;
    match (text, problem) {
        (Some(text), _) => SavedGatewayConfig::Text(text),
        (None, Some(problem)) => SavedGatewayConfig::Unreadable(problem),
        (None, None) if exists => {
            replies.ok_or_record::<()>(kind, key, Err(ParseError::Empty));
            SavedGatewayConfig::Unreadable(ParseError::Empty.to_string())
        }
        (None, None) => SavedGatewayConfig::Missing,
    }
}

/// A role's depth; unknown if any part of it cannot be read. A missing list is an empty one.
fn queue(keys: &Keys, role: Role, replies: &mut Replies) -> Option<QueueDepth> {
    let ready = replies.integer(InputKind::QueueDepth, &keys.queue(role));
    let inflight = replies.integer(InputKind::QueueDepth, &keys.inflight(role));
    let before = replies.malformed.len();
    let key = keys.continuations(role);
    let continuations = replies.parsed(InputKind::QueueDepth, &key, parse::counter);
    let unreadable = replies.malformed.len() > before;
    let continuations = if unreadable { None } else { Some(continuations.unwrap_or(0)) };
    Some(QueueDepth { ready: ready?, inflight: inflight?, continuations: continuations? })
}

fn take_circuit(keys: &Keys, circuit: Circuit, replies: &mut Replies, signals: &mut Facts) {
    let (kind, refused, unparsed) = (InputKind::Circuit, replies.refused, replies.unparsed());
    let state = replies.parsed(kind, &keys.circuit(circuit, "state"), parse::circuit_state);
    let bad_state = replies.unparsed() > unparsed;
    let stats = replies.parsed(kind, &keys.circuit(circuit, "stats"), parse::circuit_stats);
    // One readable key is enough, but not beside a malformed state, which the statistics lag behind.
    if replies.refused > refused && stats.is_none() && state.is_none() {
        signals.unreadable.insert(Unreadable::Circuit(circuit));
    } else if bad_state || (state.is_none() && replies.unparsed() > unparsed) {
        signals.unreadable.insert(Unreadable::CircuitState(circuit));
    }
    let facts = CircuitFacts {
        state,
        stats,
        window_failures: replies.integer(kind, &keys.circuit(circuit, "window")).unwrap_or(0),
        half_open_calls: replies.parsed(kind, &keys.circuit(circuit, "half_open_calls"), parse::counter),
    };
    if facts != CircuitFacts::default() {
        signals.circuits.insert(circuit, facts);
    }
}

fn hourly_requests(keys: &Keys, replies: &mut Replies) -> BTreeMap<String, i64> {
    let key = keys.hourly_requests();
    let mut items = replies.list(InputKind::HourlyRequests, &key).into_iter();
    let pairs: Vec<(Value, Value)> = std::iter::from_fn(|| Some((items.next()?, items.next()?))).collect();
    let read = |pair: (Value, Value)| match pair {
        (Value::BulkString(hour), Value::BulkString(count)) => {
            let hour = replies.ok_or_record(InputKind::HourlyRequests, &key, parse::utf8(&hour).map(str::to_owned))?;
            Some((hour, replies.ok_or_record(InputKind::HourlyRequests, &key, parse::count(&count))?))
        }
        _ => None,
    };
    pairs.into_iter().filter_map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::facts::{CircuitState, QueueAnalytics};

    fn keys() -> Keys {
        Keys::sample()
    }

    fn text(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
    }

    fn refusal() -> Value {
        redis::parse_redis_value(b"-WRONGTYPE of another type\r\n").unwrap()
    }

    /// What Redis answers where nothing exists.
    fn nothing(command: &str) -> Value {
        match command {
            "LLEN" | "ZCARD" | "EXISTS" => Value::Int(0),
            "HGETALL" => Value::Array(Vec::new()),
            _ => text(""),
        }
    }

    /// The facts where these keys are answered so, by command and key, and all others do not exist.
    fn facts(answers: &[(&str, String, Value)]) -> (Facts, Replies) {
        let mut pipeline = Pipeline::new();
        ask(&keys(), &mut pipeline);
        let word = |command: &redis::Cmd, place: usize| match command.args_iter().nth(place) {
            Some(redis::Arg::Simple(bytes)) => String::from_utf8_lossy(bytes).into_owned(),
            _ => String::new(),
        };
        let reply = |command: &redis::Cmd| {
            let (name, key) = (word(command, 0), word(command, 1));
            let answer = answers.iter().find(|(of, to, _)| *of == name && *to == key);
            answer.map_or_else(|| nothing(&name), |(.., answer)| answer.clone())
        };
        let mut replies = Replies::new(pipeline.cmd_iter().map(reply).collect());
        let mut facts = Facts::default();
        take(&keys(), &mut replies, &mut facts);
        assert_eq!(replies.next(), None, "every reply was taken");
        (facts, replies)
    }

    fn problems(replies: &Replies) -> Vec<(InputKind, &str)> {
        replies.malformed.iter().map(|input| (input.kind, input.key.as_str())).collect()
    }

    #[test]
    fn where_nothing_exists_queues_are_empty_and_everything_else_is_missing() {
        let (facts, replies) = facts(&[]);
        assert!(facts.queues.iter().all(|(_, depth)| *depth == Some(QueueDepth::default())));
        assert!(facts.analytics.iter().all(|(_, analytics)| analytics.is_none()));
        assert!(facts.circuits.is_empty() && facts.hourly_requests.is_empty() && facts.unreadable.is_empty());
        assert_eq!((facts.saved_gateway_config, replies.malformed.len()), (SavedGatewayConfig::Missing, 0));
    }

    #[test]
    fn every_part_of_a_depth_is_that_of_its_key() {
        let (keys, paid) = (keys(), Role::Paid);
        let (facts, _) = facts(&[
            ("LLEN", keys.queue(paid), Value::Int(3)),
            ("LLEN", keys.inflight(paid), Value::Int(5)),
            ("GETRANGE", keys.continuations(paid), text("-7")),
        ]);
        for (role, depth) in facts.queues.iter() {
            let expected = QueueDepth { ready: 3, inflight: 5, continuations: -7 };
            assert_eq!(*depth, Some(if role == paid { expected } else { QueueDepth::default() }), "{role:?}");
        }
    }

    #[test]
    fn a_depth_with_a_part_that_cannot_be_read_is_unknown_and_those_of_other_roles_are_not() {
        let (keys, role) = (keys(), Role::Registered);
        for (command, key, answer) in [
            ("LLEN", keys.queue(role), refusal()),
            ("LLEN", keys.inflight(role), refusal()),
            ("GETRANGE", keys.continuations(role), refusal()),
            ("GETRANGE", keys.continuations(role), text("many")),
            ("GETRANGE", keys.continuations(role), text("9007199254740993")),
        ] {
            let (facts, replies) = facts(&[(command, key.clone(), answer)]);
            let unknown = facts.queues.iter().filter(|(_, depth)| depth.is_none()).map(|(role, _)| role);
            assert_eq!(unknown.collect::<Vec<_>>(), [role], "{key}");
            assert_eq!(problems(&replies), [(InputKind::QueueDepth, key.as_str())]);
        }
    }

    #[test]
    fn analytics_that_are_refused_differ_from_those_that_cannot_be_parsed() {
        let (keys, role) = (keys(), Role::External);
        let good = QueueAnalytics { avg_wait_seconds: 1.5, throughput_last_hour: 9 };
        for (answer, analytics, unreadable) in [
            (text(r#"{"avg_wait_time": 1.5, "throughput_last_hour": 9}"#), Some(good), None),
            (refusal(), None, Some(Unreadable::Analytics(role))),
            (text("[]"), None, Some(Unreadable::MalformedAnalytics(role))),
            (text(""), None, None),
        ] {
            let (facts, replies) = facts(&[("GETRANGE", keys.analytics(role), answer)]);
            assert_eq!(*facts.analytics.get(role), analytics);
            assert_eq!(facts.unreadable.iter().copied().collect::<Vec<_>>(), Vec::from_iter(unreadable));
            assert_eq!(replies.malformed.len(), usize::from(unreadable.is_some()));
        }
    }

    #[test]
    fn a_circuit_is_unreadable_unless_one_of_its_keys_says_enough() {
        let circuit = Circuit::RateLimiter;
        let fields = "name failure_count success_count last_failure_time last_success_time total_requests total_failures \
                      opened_at last_state_change consecutive_failures consecutive_successes";
        let fields: String = fields.split(' ').map(|field| format!(r#""{field}": 1, "#)).collect();
        let stats = || text(&format!(r#"{{{fields}"state": "open"}}"#));
        for (state, stats, unreadable) in [
            (text("open"), text(""), None),
            (text("open"), refusal(), None),
            (text("open"), text("[]"), None),
            (refusal(), stats(), None),
            (refusal(), text(""), Some(Unreadable::Circuit(circuit))),
            (text(""), refusal(), Some(Unreadable::Circuit(circuit))),
            (text("ajar"), stats(), Some(Unreadable::CircuitState(circuit))),
            (text(""), text("[]"), Some(Unreadable::CircuitState(circuit))),
        ] {
            let answers = [
                ("GETRANGE", keys().circuit(circuit, "state"), state.clone()),
                ("GETRANGE", keys().circuit(circuit, "stats"), stats.clone()),
            ];
            let (facts, _) = facts(&answers);
            let found: Vec<Unreadable> = facts.unreadable.iter().copied().collect();
            assert_eq!(found, Vec::from_iter(unreadable), "{state:?} {stats:?}");
        }
    }

    #[test]
    fn a_circuits_parts_are_those_of_its_own_keys() {
        let (keys, circuit) = (keys(), Circuit::Backpressure);
        let (facts, _) = facts(&[
            ("GETRANGE", keys.circuit(circuit, "state"), text("half_open")),
            ("ZCARD", keys.circuit(circuit, "window"), Value::Int(4)),
            ("GETRANGE", keys.circuit(circuit, "half_open_calls"), text("2")),
        ]);
        let expected = CircuitFacts {
            state: Some(CircuitState::HalfOpen),
            stats: None,
            window_failures: 4,
            half_open_calls: Some(2),
        };
        assert_eq!(facts.circuits, BTreeMap::from([(circuit, expected)]));
    }

    #[test]
    fn hours_with_a_count_that_cannot_be_parsed_are_left_out_and_make_the_counters_unreadable() {
        let hours = |counts: &[&str]| {
            let pair = |(hour, count): (usize, &&str)| [text(&format!("2026-01-01_{hour:02}")), text(count)];
            ("HGETALL", keys().hourly_requests(), Value::Array(counts.iter().enumerate().flat_map(pair).collect()))
        };
        for (counts, read, unreadable) in
            [(&["3", "0"][..], 2, false), (&["3", "-1"], 1, true), (&["x", "4"], 1, true), (&[], 0, false)]
        {
            let (facts, _) = facts(&[hours(counts)]);
            assert_eq!(facts.hourly_requests.len(), read, "{counts:?}");
            assert_eq!(facts.unreadable.contains(&Unreadable::HourlyRequests), unreadable, "{counts:?}");
        }
        let (facts, _) = facts(&[("HGETALL", keys().hourly_requests(), refusal())]);
        assert!(facts.unreadable.contains(&Unreadable::HourlyRequests));
    }

    #[test]
    fn an_empty_saved_configuration_is_unreadable_and_a_missing_one_is_missing() {
        let key = keys().gateway_config();
        let exists = || ("EXISTS", key.clone(), Value::Int(1));
        let value = |value| ("GETRANGE", key.clone(), value);
        let (saved, replies) = facts(&[exists(), value(text("{}"))]);
        assert_eq!(saved.saved_gateway_config, SavedGatewayConfig::Text("{}".to_owned()));
        assert!(replies.malformed.is_empty());
        for answers in [vec![exists()], vec![exists(), value(refusal())], vec![value(refusal())]] {
            let (unreadable, replies) = facts(&answers);
            let SavedGatewayConfig::Unreadable(problem) = unreadable.saved_gateway_config else {
                panic!("{answers:?}: {:?}", unreadable.saved_gateway_config)
            };
            assert!(!problem.is_empty());
            assert_eq!(problems(&replies), [(InputKind::GatewayConfig, key.as_str())], "{answers:?}");
        }
    }
}
