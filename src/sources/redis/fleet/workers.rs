//! Which processes are ingress workers, and their SSE samples: as a heartbeat, a sample whose bytes did not change is not parsed
//! again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::super::replies::Replies;
use crate::platform::facts::{Component, Departed, Heartbeat, InputKind, SseSample, WorkerId};
use crate::platform::keys::{Keys, ProcessName};
use crate::platform::parse::{self, ParseError};

/// The workers of the last tick, and what this one found of them and of others.
#[derive(Debug, Default)]
pub(super) struct Workers {
    known: BTreeMap<WorkerId, Worker>,
    /// Values that this tick read of others, by key; `None` for a key that is gone.
    others: BTreeMap<Arc<str>, Option<Vec<u8>>>,
}

#[derive(Debug)]
struct Worker {
    key: Arc<str>,
    value: Option<Vec<u8>>,
    /// What the value says; `None` = it was not parsed.
    sample: Option<Result<SseSample, ParseError>>,
}

impl Workers {
    pub(super) fn begin(&mut self) {
        self.others.clear();
    }

    /// The keys of the last tick's workers.
    pub(super) fn keys(&self) -> Vec<Arc<str>> {
        self.known.values().map(|worker| worker.key.clone()).collect()
    }

    /// Takes the values of keys that were read.
    pub(super) fn take(&mut self, keys: &[Arc<str>], values: Vec<Option<Vec<u8>>>) {
        let mut known = self.known.values_mut();
        for (key, value) in keys.iter().zip(values) {
            match known.next() {
                // The round trip of [`Self::keys`].
                Some(worker) if Arc::ptr_eq(&worker.key, key) => worker.take(value),
                _ => drop(self.others.insert(key.clone(), value)),
            }
        }
    }

    /// The keys of these workers that the tick has not read.
    pub(super) fn unread(&self, keys: &Keys, workers: impl Iterator<Item = WorkerId>) -> Vec<Arc<str>> {
        let unknown = workers.filter(|worker| !self.known.contains_key(worker)).map(|worker| keys.sse(&worker).into());
        unknown.filter(|key| !self.others.contains_key(key)).collect()
    }

    /// The samples of the workers that are there and of those that stopped. The next tick reads those that are there.
    pub(super) fn conclude(
        &mut self,
        keys: &Keys,
        mut there: Vec<WorkerId>,
        stopped: BTreeSet<WorkerId>,
        replies: &mut Replies,
    ) -> Vec<SseSample> {
        there.sort_unstable();
        there.dedup();
        let gone = if self.known.keys().eq(&there) { BTreeMap::new() } else { self.replace(keys, there) };
        let stopped = stopped.into_iter().filter(|worker| !self.known.contains_key(worker)).collect::<Vec<_>>();
        let mut last = self.of_stopped(keys, stopped, gone);
        let known = self.known.iter_mut().chain(&mut last);
        let sample = |(id, worker): (&WorkerId, &mut Worker)| {
            let sample = worker.sample(id)?.clone();
            replies.ok_or_record(InputKind::SseSample, &worker.key, sample)
        };
        known.filter_map(sample).collect()
    }

    /// Other workers are there than before; gives those that are not any more.
    fn replace(&mut self, keys: &Keys, there: Vec<WorkerId>) -> BTreeMap<WorkerId, Worker> {
        let mut before = std::mem::take(&mut self.known);
        for id in there {
            let worker = before.remove(&id).unwrap_or_else(|| self.other(keys, &id));
            self.known.insert(id, worker);
        }
        before
    }

    fn of_stopped(
        &mut self,
        keys: &Keys,
        stopped: Vec<WorkerId>,
        mut gone: BTreeMap<WorkerId, Worker>,
    ) -> BTreeMap<WorkerId, Worker> {
        let mut worker = |id: &WorkerId| gone.remove(id).unwrap_or_else(|| self.other(keys, id));
        stopped.into_iter().map(|id| (id.clone(), worker(&id))).collect()
    }

    fn other(&mut self, keys: &Keys, id: &WorkerId) -> Worker {
        let key: Arc<str> = keys.sse(id).into();
        let value = self.others.remove(&key).flatten();
        Worker { key, value, sample: None }
    }
}

impl Worker {
    fn take(&mut self, value: Option<Vec<u8>>) {
        if self.value != value {
            (self.value, self.sample) = (value, None);
        }
    }

    fn sample(&mut self, id: &WorkerId) -> Option<&Result<SseSample, ParseError>> {
        let value = self.value.as_deref()?;
        Some(self.sample.get_or_insert_with(|| parse::sse_sample(value, id)))
    }
}

/// The worker of an ingress process.
fn worker(service_type: &str, service_name: &str, instance_id: &Arc<str>, process_id: Option<i64>) -> Option<WorkerId> {
    let ingress = service_type == "chat" && service_name == Component::Ingress.service_name();
    process_id.filter(|_| ingress).map(|process_id| WorkerId { instance_id: instance_id.clone(), process_id })
}

pub(in super::super) fn of_heartbeat(heartbeat: &Heartbeat) -> Option<WorkerId> {
    let Heartbeat { service_type, service_name, instance_id, process_id, .. } = heartbeat;
    worker(service_type, service_name, instance_id, *process_id)
}

pub(super) fn of_departed(departed: &Departed) -> Option<WorkerId> {
    let Departed { service_type, service_name, instance_id, process_id, .. } = departed;
    worker(service_type, service_name, instance_id, *process_id)
}

/// By the name of its heartbeat's key.
pub(super) fn of_name(name: &ProcessName) -> Option<WorkerId> {
    let ProcessName { service_type, service_name, instance_id, process_id } = name;
    worker(service_type, service_name, instance_id, *process_id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::facts::Scope;

    fn id(process_id: i64) -> WorkerId {
        WorkerId { instance_id: "i".into(), process_id }
    }

    fn value(count: i64) -> Option<Vec<u8>> {
        Some(format!(r#"{{"count": {count}}}"#).into_bytes())
    }

    /// One tick: what the known keys hold, the values of others, and who is there and who stopped.
    fn tick(
        workers: &mut Workers,
        values: Vec<Option<Vec<u8>>>,
        others: &[(i64, Option<Vec<u8>>)],
        (there, stopped): (&[i64], &[i64]),
    ) -> (Vec<(i64, i64)>, usize) {
        let keys = Keys::new(&Scope { tenant: "t".into(), project: "p".into() });
        workers.begin();
        let known = workers.keys();
        assert_eq!(known.len(), values.len());
        workers.take(&known, values);
        let unread = workers.unread(&keys, others.iter().map(|(pid, _)| id(*pid)));
        assert_eq!(unread.len(), others.len());
        workers.take(&unread, others.iter().map(|(_, value)| value.clone()).collect());
        assert!(workers.unread(&keys, others.iter().map(|(pid, _)| id(*pid))).is_empty());
        let mut replies = Replies::new(Vec::new());
        let (there, stopped) = (there.iter().map(|pid| id(*pid)), stopped.iter().map(|pid| id(*pid)));
        let samples = workers.conclude(&keys, there.collect(), stopped.collect(), &mut replies);
        (samples.iter().map(|sample| (sample.worker.process_id, sample.count)).collect(), replies.malformed.len())
    }

    #[test]
    fn samples_are_those_of_the_workers_that_are_there_and_of_those_that_stop() {
        let mut workers = Workers::default();
        let first = tick(&mut workers, vec![], &[(2, value(5)), (1, value(4)), (3, None)], (&[2, 1, 3, 1], &[]));
        assert_eq!(first, (vec![(1, 4), (2, 5)], 0));
        let values = || vec![value(4), value(6), Some(b"oops".to_vec())];
        assert_eq!(tick(&mut workers, values(), &[], (&[1, 2, 3], &[])), (vec![(1, 4), (2, 6)], 1));
        assert_eq!(tick(&mut workers, values(), &[], (&[1, 3], &[2])), (vec![(1, 4), (2, 6)], 1));
        // What nobody read any more says nothing.
        assert_eq!(
            tick(&mut workers, vec![value(4), None], &[(7, value(9))], (&[1, 3], &[2, 7])),
            (vec![(1, 4), (7, 9)], 0)
        );
    }
}
