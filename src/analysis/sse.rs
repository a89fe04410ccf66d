//! How many SSE connections there are: the last published sample of every ingress worker whose sample still counts.

use std::cell::LazyCell;
use std::collections::{BTreeMap, HashSet};

use super::Inputs;
use super::state::{Cause, Fleet, LeftOut, Reading, Reason, Service, SseTotals};
use super::unreadable;
use crate::base::clock::UnixSeconds;
use crate::base::number::{count as count_of, median};
use crate::history::History;
use crate::platform::facts::{Component, Facts, InputKind, SseSample, WorkerId};
use crate::platform::keys::Keys;

/// The sums, and the samples that did not count.
#[derive(Debug)]
pub(super) struct Counted {
    pub(super) totals: Reading<SseTotals>,
    pub(super) unknown_workers: i64,
    pub(super) expired: Vec<LeftOut>,
}

impl Counted {
    pub(super) fn connections(&self) -> Reading<i64> {
        self.totals.as_ref().and_then(|totals| totals.connections.clone())
    }
}

/// Sums the samples that count; absent when there is none.
///
/// A worker writes only when its count changes, so a live one's sample counts whatever its age, unless its count may have
/// changed while nobody looked. The connections of one that no longer heartbeats have ended.
///
/// A live worker's sample that cannot be read holds its last good value for a short while; then the totals are absent,
/// for what the others have is not the total.
pub(super) fn count(inputs: &Inputs<'_>, history: &History, fleet: &Fleet, keys: &Keys) -> Counted {
    let now = inputs.now;
    let live = live_workers(fleet);
    let is_live = |worker: &WorkerId| {
        live.contains(&(&*worker.instance_id, worker.process_id)) || inputs.facts.unreadable_workers.contains(worker)
    };
    let unknown_workers = count_of(inputs.facts.sse_unknown.iter().filter(|worker| is_live(worker)).count());
    let (mut total, mut max, mut sessions, mut workers) = (0_i64, 0_i64, 0_i64, 0_i64);
    let (mut expired, mut limits) = (Vec::new(), BTreeMap::<&str, i64>::new());
    for sample in history.sse() {
        if !is_live(&sample.worker) {
            expired.push(expired_sample(sample, keys));
            continue;
        }
        total = total.saturating_add(sample.count);
        max = max.saturating_add(sample.max);
        sessions = sessions.saturating_add(sample.sessions);
        workers += 1;
        let limit = limits.entry(&sample.worker.instance_id).or_default();
        *limit = limit.saturating_add(sample.max);
    }
    let totals = SseTotals {
        connections: Reading::Value(total),
        max: Reading::Value(max),
        sessions: Reading::Value(sessions),
        limit_per_replica: Reading::or_absent(median(limits.into_values().collect()), || Cause::NoSample),
        workers,
        unknown_workers,
    };
    let cause = if unknown_workers > 0 { Cause::UnknownWorkers } else { Cause::NoSample };
    let totals =
        Reading::Value(totals).filter(|totals| totals.workers > 0, || Reason::of(cause, keys.sse_of_all_workers()));
    let totals = unreadable(inputs.facts, history, keys, now).map_or(totals, Reading::absent);
    Counted { totals, unknown_workers, expired }
}

/// Why the sum would be partial, if it would.
fn unreadable(facts: &Facts, history: &History, keys: &Keys, now: UnixSeconds) -> Option<Reason> {
    // Only a tick with a malformed sample pays for it.
    let held = LazyCell::new(|| history.held_sse(now).map(|worker| keys.sse(worker)).collect::<HashSet<_>>());
    unreadable::of_kind(facts, InputKind::SseSample, |key| !held.contains(key))
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
