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
    // GETRANGE answers an empty value and a missing key alike.
    pipeline.cmd("EXISTS").arg(keys.gateway_config());
    ask_beginning(&keys.gateway_config(), pipeline);
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
    let exists = replies.integer(kind, key).unwrap_or(0) > 0;
    let before = replies.malformed.len();
    let text = replies.parsed(kind, key, |bytes| parse::utf8(bytes).map(str::to_owned));
    if text.is_none() && exists && replies.malformed.len() == before {
        replies.ok_or_record::<()>(kind, key, Err(ParseError::Empty));
    }
    match (text, replies.malformed.get(before)) {
        (Some(text), _) => SavedGatewayConfig::Text(text),
        (None, Some(malformed)) => SavedGatewayConfig::Unreadable(malformed.problem.clone()),
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
