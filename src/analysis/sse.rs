//! How many SSE connections there are: the last published sample of every ingress worker whose sample still counts.

use std::cell::LazyCell;
use std::collections::HashSet;

use super::Inputs;
use super::state::{Cause, Fleet, LeftOut, Reading, Reason, Service, SseTotals};
use super::unreadable;
use crate::base::clock::UnixSeconds;
use crate::base::number::{count as count_of, median};
use crate::base::ordered::Walk;
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
    let unreadable_workers = &inputs.facts.unreadable_workers;
    let unknown = inputs.facts.sse_unknown.iter();
    let mut walk = Walk::new(&live);
    let is_unknown = |worker: &&WorkerId| walk.find(worker).is_some() || unreadable_workers.contains(*worker);
    let unknown_workers = count_of(unknown.filter(is_unknown).count());
    let (mut sums, mut expired, mut walk) = (Sums::default(), Vec::new(), Walk::new(&live));
    for sample in history.sse() {
        if walk.find(&sample.worker).is_some() || unreadable_workers.contains(&sample.worker) {
            sums.add(sample);
        } else {
            expired.push(expired_sample(sample, keys));
        }
    }
    let totals = sums.totals(unknown_workers);
    let cause = if unknown_workers > 0 { Cause::UnknownWorkers } else { Cause::NoSample };
    let totals =
        Reading::Value(totals).filter(|totals| totals.workers > 0, || Reason::of(cause, keys.sse_of_all_workers()));
    let totals = unreadable(inputs.facts, history, keys, now).map_or(totals, Reading::absent);
    Counted { totals, unknown_workers, expired }
}

/// The sums so far.
#[derive(Default)]
struct Sums<'a> {
    connections: i64,
    max: i64,
    sessions: i64,
    workers: i64,
    /// The limit of each instance.
    limits: Vec<(&'a str, i64)>,
}

impl<'a> Sums<'a> {
    /// Adds the sample of the next worker, in their order.
    fn add(&mut self, sample: &'a SseSample) {
        self.connections = self.connections.saturating_add(sample.count);
        self.max = self.max.saturating_add(sample.max);
        self.sessions = self.sessions.saturating_add(sample.sessions);
        self.workers += 1;
        let instance = &*sample.worker.instance_id;
        match self.limits.last_mut().filter(|(last, _)| *last == instance) {
            Some((_, limit)) => *limit = limit.saturating_add(sample.max),
            None => self.limits.push((instance, sample.max)),
        }
    }

    fn totals(self, unknown_workers: i64) -> SseTotals {
        let limits = self.limits.into_iter().map(|(_, limit)| limit).collect();
        SseTotals {
            connections: Reading::Value(self.connections),
            max: Reading::Value(self.max),
            sessions: Reading::Value(self.sessions),
            limit_per_replica: Reading::or_absent(median(limits), || Cause::NoSample),
            workers: self.workers,
            unknown_workers,
        }
    }
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

/// In order.
fn live_workers(fleet: &Fleet) -> Vec<(WorkerId, ())> {
    fleet
        .running(&Service::of(Component::Ingress))
        .flat_map(|(instance, processes)| processes.iter().map(move |process| (instance, process)))
        .filter(|(_, process)| process.is_live())
        .filter_map(|(instance, process)| {
            Some((WorkerId { instance_id: instance.clone(), process_id: process.pid? }, ()))
        })
        .collect()
}
