//! The last SSE count of each ingress worker, saved in Redis for the next start.
//!
//! A worker publishes only when its count changes, and its key expires after a minute. A running server remembers the
//! count of a quiet worker; one that restarts, or runs once a minute, would miss it. So the counts are saved in a hash
//! of this server: written when they change and read before the first tick. It expires a while after the last server
//! stopped, because workers may have published in between.

use std::collections::{BTreeMap, HashSet};

use redis::{Pipeline, Value};

use super::replies::Replies;
use crate::base::clock::UnixSeconds;
use crate::platform::facts::{Facts, InputKind, SseSample, WorkerId};
use crate::platform::keys::Keys;
use crate::platform::parse::{self, ParseError};
use crate::platform::python::sse_json;

/// Seconds until the hash expires, after the last server stopped.
const EXPIRE: u64 = 600;
/// Seconds between two renewals of its expiry.
const RENEW_AFTER: f64 = 60.0;

/// The last counts, and how much of them is saved.
#[derive(Debug, Default)]
pub(super) struct SseCountCache {
    counts: BTreeMap<WorkerId, SseSample>,
    /// The counts in Redis, as far as known.
    saved: BTreeMap<WorkerId, SseSample>,
    renewed: Option<UnixSeconds>,
    /// Commands were sent and not confirmed yet.
    pending: bool,
    /// No attempt before this: the last one failed.
    not_before: Option<UnixSeconds>,
}

impl SseCountCache {
    /// Reads what an earlier server saved.
    pub(super) fn ask(keys: &Keys, pipeline: &mut Pipeline) {
        pipeline.cmd("HGETALL").arg(keys.sse_count_cache());
    }

    /// Takes the reply to [`Self::ask`].
    pub(super) fn take(&mut self, keys: &Keys, replies: &mut Replies) {
        let key = keys.sse_count_cache();
        let mut items = replies.list(InputKind::SseSample, &key).into_iter();
        while let (Some(Value::BulkString(field)), Some(Value::BulkString(value))) = (items.next(), items.next()) {
            let read = worker(&field).and_then(|worker| parse::sse_sample(&value, &worker));
            if let Some(sample) = replies.ok_or_record(InputKind::SseSample, &key, read) {
                self.saved.insert(sample.worker.clone(), sample);
            }
        }
    }

    /// Adds the saved counts of workers that heartbeat and published nothing that is still in Redis.
    pub(super) fn restore(&self, signals: &mut Facts, is_heartbeating: impl Fn(&WorkerId) -> bool) {
        let published: HashSet<&WorkerId> = signals.sse.iter().map(|sample| &sample.worker).collect();
        let quiet =
            self.saved.values().filter(|sample| is_heartbeating(&sample.worker) && !published.contains(&sample.worker));
        let quiet: Vec<SseSample> = quiet.cloned().collect();
        signals.sse.extend(quiet);
        signals.sse.sort_by(|a, b| a.worker.cmp(&b.worker));
    }

    /// Takes the counts of a tick, and forgets workers that do not heartbeat.
    pub(super) fn update(&mut self, signals: &Facts, is_heartbeating: impl Fn(&WorkerId) -> bool) {
        self.counts.extend(signals.sse.iter().map(|sample| (sample.worker.clone(), sample.clone())));
        self.counts.retain(|worker, _| is_heartbeating(worker));
    }

    /// Adds the commands that update Redis: usually none.
    pub(super) fn write(&mut self, keys: &Keys, now: UnixSeconds, pipeline: &mut Pipeline) {
        if self.not_before.is_some_and(|at| now < at) {
            return;
        }
        let (key, before) = (keys.sse_count_cache(), pipeline.len());
        let changed = self.counts.values().filter(|sample| self.saved.get(&sample.worker) != Some(sample));
        let changed: Vec<String> = changed.flat_map(|sample| [field(&sample.worker), sse_json(sample)]).collect();
        if !changed.is_empty() {
            pipeline.cmd("HSET").arg(&key).arg(&changed);
        }
        let gone: Vec<String> =
            self.saved.keys().filter(|worker| !self.counts.contains_key(worker)).map(field).collect();
        if !gone.is_empty() {
            pipeline.cmd("HDEL").arg(&key).arg(gone);
        }
        let old = self.renewed.is_none_or(|at| (now - at).abs() >= RENEW_AFTER);
        if !self.counts.is_empty() && (old || !changed.is_empty()) {
            pipeline.cmd("EXPIRE").arg(&key).arg(EXPIRE);
            self.renewed = Some(now);
        }
        self.pending = pipeline.len() > before;
    }

    /// Takes the result of [`Self::write`]. An error is logged once; a later tick writes everything again.
    pub(super) fn written(&mut self, error: Option<String>, now: UnixSeconds) {
        match error {
            _ if !self.pending => {}
            None => self.saved.clone_from(&self.counts),
            Some(error) => {
                if self.not_before.replace(now + RENEW_AFTER).is_none() {
                    tracing::warn!(error, "SSE counts of the workers could not be saved for the next start");
                }
                self.lost();
            }
        }
        self.pending = false;
    }

    /// What Redis holds is unknown: the next write writes everything.
    pub(super) fn lost(&mut self) {
        self.saved.clear();
        self.renewed = None;
    }
}

/// `{process id}:{instance id}`, in this order because instance ids may hold colons.
fn field(worker: &WorkerId) -> String {
    format!("{}:{}", worker.process_id, worker.instance_id)
}

fn worker(field: &[u8]) -> Result<WorkerId, ParseError> {
    let bad = ParseError::BadText { expected: "a field of the form \"process:instance\"" };
    let (process_id, instance_id) = parse::utf8(field)?.split_once(':').ok_or(bad)?;
    let process_id = process_id.parse().map_err(|_| bad)?;
    Ok(WorkerId { instance_id: instance_id.to_owned(), process_id })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::facts::Scope;

    fn sample(pid: i64, count: i64) -> SseSample {
        let worker = WorkerId { instance_id: "a:b".into(), process_id: pid };
        SseSample { worker, count, sessions: 1, max: 9, at: Some(5.5) }
    }

    fn signals(sse: Vec<SseSample>) -> Facts {
        Facts { sse, ..Facts::default() }
    }

    /// The names of the commands that one tick writes.
    fn written(counts: &mut SseCountCache, now: f64) -> Vec<String> {
        let keys = Keys::new(&Scope { tenant: "t".into(), project: "p".into() });
        let mut pipeline = Pipeline::new();
        counts.write(&keys, now, &mut pipeline);
        let name = |command: &redis::Cmd| match command.args_iter().next() {
            Some(redis::Arg::Simple(name)) => String::from_utf8_lossy(name).into_owned(),
            _ => String::new(),
        };
        let names = pipeline.cmd_iter().map(name).collect();
        counts.written(None, now);
        names
    }

    #[test]
    fn only_changes_are_written_and_the_expiry_is_renewed() {
        let mut counts = SseCountCache::default();
        counts.update(&signals(vec![sample(1, 3), sample(2, 4)]), |_| true);
        assert_eq!(written(&mut counts, 0.0), ["HSET", "EXPIRE"]);
        // Their keys have expired by now.
        counts.update(&signals(vec![]), |_| true);
        assert!(written(&mut counts, 5.0).is_empty());
        assert_eq!(written(&mut counts, 65.0), ["EXPIRE"]);
        counts.update(&signals(vec![sample(1, 3)]), |worker| worker.process_id == 1);
        assert_eq!(written(&mut counts, 70.0), ["HDEL"]);
    }

    #[test]
    fn a_failed_write_is_repeated_later_and_completely() {
        let mut counts = SseCountCache::default();
        counts.update(&signals(vec![sample(1, 3)]), |_| true);
        let keys = Keys::new(&Scope { tenant: "t".into(), project: "p".into() });
        counts.write(&keys, 0.0, &mut Pipeline::new());
        counts.written(Some("NOPERM".into()), 0.0);
        assert!(written(&mut counts, 5.0).is_empty());
        assert_eq!(written(&mut counts, 61.0), ["HSET", "EXPIRE"]);
    }

    #[test]
    fn counts_of_quiet_workers_that_heartbeat_are_restored() {
        let saved = [sample(1, 3), sample(2, 4), sample(3, 5)].map(|sample| (sample.worker.clone(), sample)).into();
        let counts = SseCountCache { saved, ..SseCountCache::default() };
        let mut now = signals(vec![sample(2, 40)]);
        counts.restore(&mut now, |worker| worker.process_id < 3);
        assert_eq!(now.sse, [sample(1, 3), sample(2, 40)]);
    }

    #[test]
    fn instance_ids_with_colons_round_trip() {
        let id = sample(41, 0).worker;
        assert_eq!(worker(field(&id).as_bytes()), Ok(id));
        for bad in [&b"41"[..], b"x:y", b"\xff:1", b""] {
            assert!(worker(bad).is_err(), "{bad:?}");
        }
    }
}
