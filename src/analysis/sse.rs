//! How many SSE connections there are: the last published sample of every ingress worker whose sample still counts.

use std::collections::HashSet;

use super::state::{Cause, Fleet, LeftOut, Reading, Reason, Service, SseTotals};
use crate::base::clock::UnixSeconds;
use crate::history::History;
use crate::platform::facts::{Component, InputKind, SseSample};
use crate::platform::keys::Keys;

/// The sums, and the samples that did not count.
#[derive(Debug)]
pub(super) struct Counted {
    pub(super) totals: Reading<SseTotals>,
    pub(super) expired: Vec<LeftOut>,
}

impl Counted {
    pub(super) fn connections(&self) -> Reading<i64> {
        self.totals.as_ref().and_then(|totals| totals.connections.clone())
    }
}

/// Sums the samples that count; absent when there is none.
///
/// A worker writes only when its count changes, so a live one's sample counts whatever its age; a
/// stale one's counts for `max_age` seconds, and one without a time counts as fresh.
pub(super) fn count(history: &History, fleet: &Fleet, keys: &Keys, max_age: f64, now: UnixSeconds) -> Counted {
    let live = live_workers(fleet);
    let counts = |sample: &SseSample| {
        live.contains(&(sample.worker.instance_id.as_str(), sample.worker.process_id))
            || sample.at.is_none_or(|at| now - at <= max_age)
    };
    let (mut total, mut max, mut sessions, mut workers) = (0_i64, 0_i64, 0_i64, 0_i64);
    let mut expired = Vec::new();
    for sample in history.sse() {
        if !counts(sample) {
            expired.push(expired_sample(sample, keys));
            continue;
        }
        total = total.saturating_add(sample.count);
        max = max.saturating_add(sample.max);
        sessions = sessions.saturating_add(sample.sessions);
        workers += 1;
    }
    let totals = SseTotals {
        connections: Reading::Value(total),
        max: Reading::Value(max),
        sessions: Reading::Value(sessions),
        workers,
    };
    let totals = Reading::Value(totals)
        .filter(|totals| totals.workers > 0, || Reason::of(Cause::NoSample, keys.sse_of_all_workers()));
    Counted { totals, expired }
}

fn expired_sample(sample: &SseSample, keys: &Keys) -> LeftOut {
    LeftOut { kind: InputKind::SseSample, times: 1, reason: Reason::of(Cause::Expired, keys.sse(&sample.worker)) }
}

fn live_workers(fleet: &Fleet) -> HashSet<(&str, i64)> {
    fleet
        .running(&Service::of(Component::Ingress))
        .flat_map(|(instance, processes)| processes.iter().map(move |process| (instance, process)))
        .filter(|(_, process)| process.is_live())
        .filter_map(|(instance, process)| process.pid.map(|pid| (instance, pid)))
        .collect()
}
