//! What each ingress worker last published of its SSE connections, kept in Redis for a next start.
//!
//! A worker publishes only when its count changes, and its key lives for a minute. A server that runs
//! remembers what a quiet worker said; one that starts anew, or runs once a minute, would count the
//! worker's connections as none. So the last counts stand in a hash of our own: written when they
//! change, read before the first tick, and gone a while after the last server is: then nobody knows
//! any more what was said in between.

use std::collections::{BTreeMap, HashSet};

use redis::{Pipeline, Value};

use super::replies::Replies;
use crate::base::clock::UnixSeconds;
use crate::platform::facts::{Facts, InputKind, SseSample, WorkerId};
use crate::platform::keys::Keys;
use crate::platform::parse::{self, ParseError};
use crate::platform::python::sse_json;

/// How long the hash outlives the last server.
const LIFE: u64 = 600;
/// Its life is prolonged this often.
const PROLONGED_AFTER: f64 = 60.0;

/// The last counts, and how much of them stands in Redis.
#[derive(Debug, Default)]
pub(super) struct SseCountCache {
    counts: BTreeMap<WorkerId, SseSample>,
    /// What stands in Redis, as far as it is known.
    kept: BTreeMap<WorkerId, SseSample>,
    prolonged: Option<UnixSeconds>,
    /// What was asked for and not yet confirmed.
    pending: bool,
    /// No attempt before this: the last one was refused.
    not_before: Option<UnixSeconds>,
}

impl SseCountCache {
    /// Asks for what an earlier server kept.
    pub(super) fn ask(keys: &Keys, pipeline: &mut Pipeline) {
        pipeline.cmd("HGETALL").arg(keys.sse_count_cache());
    }

    /// Takes the answer.
    pub(super) fn take(&mut self, keys: &Keys, replies: &mut Replies) {
        let key = keys.sse_count_cache();
        let mut items = replies.list(InputKind::SseSample, &key).into_iter();
        while let (Some(Value::BulkString(field)), Some(Value::BulkString(value))) = (items.next(), items.next()) {
            let read = worker(&field).and_then(|worker| parse::sse_sample(&value, &worker));
            if let Some(sample) = replies.noted(InputKind::SseSample, &key, read) {
                self.kept.insert(sample.worker.clone(), sample);
            }
        }
    }

    /// Adds the counts of workers that beat and have said nothing since an earlier server ran.
    pub(super) fn restore(&self, signals: &mut Facts, is_heartbeating: impl Fn(&WorkerId) -> bool) {
        let said: HashSet<&WorkerId> = signals.sse.iter().map(|sample| &sample.worker).collect();
        let quiet =
            self.kept.values().filter(|sample| is_heartbeating(&sample.worker) && !said.contains(&sample.worker));
        let quiet: Vec<SseSample> = quiet.cloned().collect();
        signals.sse.extend(quiet);
        signals.sse.sort_by(|a, b| a.worker.cmp(&b.worker));
    }

    /// Notes what a tick brought, and forgets who does not beat any more.
    pub(super) fn note(&mut self, signals: &Facts, is_heartbeating: impl Fn(&WorkerId) -> bool) {
        self.counts.extend(signals.sse.iter().map(|sample| (sample.worker.clone(), sample.clone())));
        self.counts.retain(|worker, _| is_heartbeating(worker));
    }

    /// Adds the commands that bring Redis up to date: none, usually.
    pub(super) fn write(&mut self, keys: &Keys, now: UnixSeconds, pipeline: &mut Pipeline) {
        if self.not_before.is_some_and(|at| now < at) {
            return;
        }
        let (key, before) = (keys.sse_count_cache(), pipeline.len());
        let changed = self.counts.values().filter(|sample| self.kept.get(&sample.worker) != Some(sample));
        let changed: Vec<String> = changed.flat_map(|sample| [field(&sample.worker), sse_json(sample)]).collect();
        if !changed.is_empty() {
            pipeline.cmd("HSET").arg(&key).arg(&changed);
        }
        let gone: Vec<String> =
            self.kept.keys().filter(|worker| !self.counts.contains_key(worker)).map(field).collect();
        if !gone.is_empty() {
            pipeline.cmd("HDEL").arg(&key).arg(gone);
        }
        let old = self.prolonged.is_none_or(|at| (now - at).abs() >= PROLONGED_AFTER);
        if !self.counts.is_empty() && (old || !changed.is_empty()) {
            pipeline.cmd("EXPIRE").arg(&key).arg(LIFE);
            self.prolonged = Some(now);
        }
        self.pending = pipeline.len() > before;
    }

    /// Takes what became of it: a refusal is told once, and tried again later and in full.
    pub(super) fn written(&mut self, refused: Option<String>, now: UnixSeconds) {
        match refused {
            _ if !self.pending => {}
            None => self.kept.clone_from(&self.counts),
            Some(why) => {
                if self.not_before.replace(now + PROLONGED_AFTER).is_none() {
                    tracing::warn!(why, "what SSE workers last published cannot be kept for the next start");
                }
                self.lost();
            }
        }
        self.pending = false;
    }

    /// Nobody knows what stands in Redis: all is written anew.
    pub(super) fn lost(&mut self) {
        self.kept.clear();
        self.prolonged = None;
    }
}

/// `{process id}:{instance id}`, for instance ids may hold colons.
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
    fn only_a_change_is_written_and_its_life_prolonged_now_and_then() {
        let mut counts = SseCountCache::default();
        counts.note(&signals(vec![sample(1, 3), sample(2, 4)]), |_| true);
        assert_eq!(written(&mut counts, 0.0), ["HSET", "EXPIRE"]);
        // Their keys have expired by now.
        counts.note(&signals(vec![]), |_| true);
        assert!(written(&mut counts, 5.0).is_empty());
        assert_eq!(written(&mut counts, 65.0), ["EXPIRE"]);
        counts.note(&signals(vec![sample(1, 3)]), |worker| worker.process_id == 1);
        assert_eq!(written(&mut counts, 70.0), ["HDEL"]);
    }

    #[test]
    fn a_refusal_is_tried_again_later_and_in_full() {
        let mut counts = SseCountCache::default();
        counts.note(&signals(vec![sample(1, 3)]), |_| true);
        let keys = Keys::new(&Scope { tenant: "t".into(), project: "p".into() });
        counts.write(&keys, 0.0, &mut Pipeline::new());
        counts.written(Some("NOPERM".into()), 0.0);
        assert!(written(&mut counts, 5.0).is_empty());
        assert_eq!(written(&mut counts, 61.0), ["HSET", "EXPIRE"]);
    }

    #[test]
    fn words_are_recalled_of_workers_that_beat_and_are_quiet() {
        let kept = [sample(1, 3), sample(2, 4), sample(3, 5)].map(|sample| (sample.worker.clone(), sample)).into();
        let counts = SseCountCache { kept, ..SseCountCache::default() };
        let mut now = signals(vec![sample(2, 40)]);
        counts.restore(&mut now, |worker| worker.process_id < 3);
        assert_eq!(now.sse, [sample(1, 3), sample(2, 40)]);
    }

    #[test]
    fn a_field_names_its_worker_also_with_colons() {
        let id = sample(41, 0).worker;
        assert_eq!(worker(field(&id).as_bytes()), Ok(id));
        for bad in [&b"41"[..], b"x:y", b"\xff:1", b""] {
            assert!(worker(bad).is_err(), "{bad:?}");
        }
    }
}
