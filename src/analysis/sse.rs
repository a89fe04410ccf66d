//! How many SSE connections there are: the last word of every ingress worker whose word still holds.

use std::collections::HashSet;

use super::processes::{Processes, service_of};
use crate::base::clock::UnixSeconds;
use crate::base::number::percent;
use crate::history::History;
use crate::payload::shapes::{IngressSse, SseConnections, Windows};
use crate::platform::facts::{Component, SseSample};

/// Sums the samples that hold; `None` when there is none.
///
/// A worker writes only when its count changes, so a live one's sample holds whatever its age; a
/// stale one's holds for `max_age` seconds, and one without a time counts as fresh.
pub(super) fn connections(
    history: &History,
    fleet: &Processes<'_>,
    max_age: f64,
    now: UnixSeconds,
) -> Option<SseConnections> {
    let live = live_workers(fleet);
    let holds = |sample: &&SseSample| {
        live.contains(&(sample.worker.instance_id.as_str(), sample.worker.process_id))
            || sample.at.is_none_or(|at| now - at <= max_age)
    };
    let (mut total, mut max, mut sessions, mut processes) = (0_i64, 0_i64, 0_i64, 0_i64);
    for sample in history.sse().filter(holds) {
        total = total.saturating_add(sample.count);
        max = max.saturating_add(sample.max);
        sessions = sessions.saturating_add(sample.sessions);
        processes += 1;
    }
    (processes > 0).then(|| SseConnections {
        total_connections: Some(total),
        max_connections: Some(max),
        sessions: Some(sessions),
        processes,
        source: "redis".to_owned(),
    })
}

fn live_workers<'a>(fleet: &Processes<'a>) -> HashSet<(&'a str, i64)> {
    fleet
        .running(service_of(Component::Ingress))
        .flat_map(|(instance, processes)| processes.iter().map(move |process| (instance, process)))
        .filter(|(_, process)| process.is_live())
        .filter_map(|(instance, process)| process.pid.map(|pid| (instance, pid)))
        .collect()
}

/// The same as a section of the ingress component.
pub(super) fn section(connections: &SseConnections, windows: Windows) -> IngressSse {
    let (total, max) = (connections.total_connections, connections.max_connections);
    IngressSse {
        total_connections: total,
        max_connections: max,
        sessions: connections.sessions,
        utilization_percent: total.zip(max).filter(|(_, max)| *max > 0).map(|(total, max)| percent(total, max)),
        windows: Some(windows),
    }
}
