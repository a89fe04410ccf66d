//! The last SSE count of each ingress worker, saved in Redis for the next start.
//!
//! A running server remembers the count of a quiet worker (`sse_watch`); one that restarts, or runs once a minute, would miss
//! it. So the counts are saved in a hash of this server: written when they change and read before the first tick, with the time
//! of the last look at the workers' keys. It expires a while after the last server stopped.

use std::collections::BTreeMap;

use redis::{Pipeline, Value};
use serde::{Deserialize, Serialize};

use super::replies::Replies;
use super::sse_watch::{Kept, Life, SseWatch};
use crate::base::clock::UnixSeconds;
use crate::base::ordered::{is_before, set_all};
use crate::platform::facts::{Facts, InputKind, WorkerId};
use crate::platform::keys::Keys;
use crate::platform::parse::{self, ParseError};

/// Seconds until the hash expires, after the last server stopped.
const EXPIRE: u64 = 600;
/// Seconds between two renewals of its expiry.
const RENEW_AFTER: f64 = 60.0;
/// Seconds between two updates of the time of the last look: a restart must find it recent.
const SEEN_AFTER: f64 = 10.0;
/// The field of that time; every other field is a worker.
const SEEN: &str = "seen";

/// The last counts, and how much of them is saved.
#[derive(Debug, Default)]
pub(super) struct SseCountCache {
    watch: SseWatch,
    /// The counts that an earlier server saved, for the first tick.
    earlier: BTreeMap<WorkerId, Kept>,
    /// What is in Redis, as far as known; and what the last command changes of it, `None` for a field that it removes.
    saved: BTreeMap<WorkerId, Saved>,
    sent: Vec<(WorkerId, Option<Saved>)>,
    seen: Option<UnixSeconds>,
    renewed: Option<UnixSeconds>,
    /// Commands were sent and not confirmed yet.
    pending: bool,
    /// No attempt before this: the last one failed.
    not_before: Option<UnixSeconds>,
}

/// The value of a field.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Saved {
    count: i64,
    sessions: i64,
    max: i64,
    ts: Option<UnixSeconds>,
    #[serde(default)]
    port: Option<i64>,
    #[serde(default = "is_known")]
    known: bool,
}

/// An earlier version saved known counts only.
const fn is_known() -> bool {
    true
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
            if field == SEEN.as_bytes() {
                self.watch.looked = parse::utf8(&value).ok().and_then(|text| text.parse().ok());
                continue;
            }
            let read = worker(&field).and_then(|worker| kept(&value, worker));
            if let Some(kept) = replies.ok_or_record(InputKind::SseSample, &key, read) {
                self.saved.insert(kept.sample.worker.clone(), saved(&kept));
                self.earlier.insert(kept.sample.worker.clone(), kept);
            }
        }
    }

    /// Takes the counts of a tick. Adds what an earlier server saved and still holds, and which counts are unknown.
    pub(super) fn observe(&mut self, facts: &mut Facts, now: UnixSeconds) {
        self.watch.observe(facts, std::mem::take(&mut self.earlier), now);
    }

    /// Adds the commands that update Redis: usually one.
    pub(super) fn write(&mut self, keys: &Keys, now: UnixSeconds, pipeline: &mut Pipeline) {
        if self.not_before.is_some_and(|at| now < at) {
            return;
        }
        let (key, before) = (keys.sse_count_cache(), pipeline.len());
        self.sent = self.changed();
        let has_counts = !self.watch.kept.is_empty();
        let mut fields: Vec<String> = Vec::new();
        for (worker, value) in self.sent.iter().filter_map(|(worker, value)| Some((worker, value.as_ref()?))) {
            // Numbers and texts always serialize.
            fields.extend([field(worker), serde_json::to_string(value).unwrap_or_default()]);
        }
        let is_old = |at: Option<UnixSeconds>, limit: f64| at.is_none_or(|at| (now - at).abs() >= limit);
        if let Some(looked) = self.watch.looked.filter(|_| has_counts && is_old(self.seen, SEEN_AFTER)) {
            fields.extend([SEEN.to_owned(), looked.to_string()]);
            self.seen = Some(now);
        }
        let is_new = self.saved.is_empty() && !fields.is_empty();
        if !fields.is_empty() {
            pipeline.cmd("HSET").arg(&key).arg(&fields);
        }
        let gone = self.sent.iter().filter(|(_, value)| value.is_none());
        let gone: Vec<String> = gone.map(|(worker, _)| field(worker)).collect();
        if !gone.is_empty() {
            pipeline.cmd("HDEL").arg(&key).arg(gone);
        }
        if has_counts && (is_new || is_old(self.renewed, RENEW_AFTER)) {
            pipeline.cmd("EXPIRE").arg(&key).arg(EXPIRE);
            self.renewed = Some(now);
        }
        self.pending = pipeline.len() > before;
    }

    /// What differs from what is saved, both in the order of the workers.
    fn changed(&self) -> Vec<(WorkerId, Option<Saved>)> {
        let mut before = self.saved.iter().peekable();
        let mut changed = Vec::new();
        for (worker, kept) in &self.watch.kept {
            while let Some((gone, _)) = before.next_if(|(known, _)| is_before(*known, worker)) {
                changed.push((gone.clone(), None));
            }
            let (value, known) = (saved(kept), before.next_if(|(known, _)| *known == worker));
            if known.is_none_or(|(_, known)| *known != value) {
                changed.push((worker.clone(), Some(value)));
            }
        }
        changed.extend(before.map(|(gone, _)| (gone.clone(), None)));
        changed
    }

    fn save(&mut self) {
        let sent = std::mem::take(&mut self.sent);
        let changed = sent.iter().filter_map(|(worker, value)| Some((worker, (*value)?)));
        set_all(&mut self.saved, changed);
        for (worker, _) in sent.iter().filter(|(_, value)| value.is_none()) {
            self.saved.remove(worker);
        }
    }

    /// Takes the result of [`Self::write`]. An error is logged once; a later tick writes everything again.
    pub(super) fn written(&mut self, error: Option<String>, now: UnixSeconds) {
        match error {
            _ if !self.pending => {}
            None => self.save(),
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
        (self.renewed, self.seen) = (None, None);
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
    Ok(WorkerId { instance_id: instance_id.into(), process_id })
}

fn saved(kept: &Kept) -> Saved {
    let (sample, port) = (&kept.sample, kept.life.and_then(|life| life.port));
    Saved { count: sample.count, sessions: sample.sessions, max: sample.max, ts: sample.at, port, known: kept.is_known }
}

fn kept(value: &[u8], worker: WorkerId) -> Result<Kept, ParseError> {
    let sample = parse::sse_sample(value, &worker)?;
    let saved: Option<Saved> = serde_json::from_slice(value).ok();
    let life = saved.as_ref().and_then(|saved| saved.port).map(Life::of_port);
    Ok(Kept { sample, life, is_known: saved.is_none_or(|saved| saved.known) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::facts::{Heartbeat, Scope, SseSample};

    fn sample(pid: i64, count: i64) -> SseSample {
        let worker = WorkerId { instance_id: "a:b".into(), process_id: pid };
        SseSample { worker, count, sessions: 1, max: 9, at: Some(5.5) }
    }

    /// A tick in which these workers heartbeat and these samples are there.
    fn facts(at: f64, workers: &[i64], sse: Vec<SseSample>) -> Facts {
        let beat = |pid: &i64| {
            let json = format!(
                r#"{{"instance_id":"a:b","service_type":"chat","service_name":"rest","process_id":{pid},"port":1,"last_heartbeat":{at}}}"#
            );
            parse::heartbeat(json.as_bytes()).unwrap()
        };
        let heartbeats: Vec<Heartbeat> = workers.iter().map(beat).collect();
        Facts { heartbeats, sse, ..Facts::default() }
    }

    fn keys() -> Keys {
        Keys::new(&Scope { tenant: "t".into(), project: "p".into() })
    }

    /// The names of the commands that one tick writes.
    fn written(counts: &mut SseCountCache, now: f64) -> Vec<String> {
        let mut pipeline = Pipeline::new();
        counts.write(&keys(), now, &mut pipeline);
        let name = |command: &redis::Cmd| match command.args_iter().next() {
            Some(redis::Arg::Simple(name)) => String::from_utf8_lossy(name).into_owned(),
            _ => String::new(),
        };
        let names = pipeline.cmd_iter().map(name).collect();
        counts.written(None, now);
        names
    }

    #[test]
    fn changes_and_the_time_of_the_last_look_are_written_and_the_expiry_is_renewed() {
        let mut counts = SseCountCache::default();
        let mut tick = |now: f64, workers: &[i64], sse: Vec<SseSample>| {
            counts.observe(&mut facts(now, workers, sse), now);
            written(&mut counts, now)
        };
        assert_eq!(tick(0.0, &[1, 2], vec![sample(1, 3), sample(2, 4)]), ["HSET", "EXPIRE"]);
        // Their keys have expired by now.
        assert!(tick(5.0, &[1, 2], vec![]).is_empty());
        assert_eq!(tick(10.0, &[1, 2], vec![]), ["HSET"]);
        assert_eq!(tick(35.0, &[1, 2], vec![]), ["HSET"]);
        assert_eq!(tick(60.0, &[1, 2], vec![]), ["HSET", "EXPIRE"]);
        assert_eq!(tick(65.0, &[1], vec![sample(1, 3)]), ["HDEL"]);
        assert_eq!(tick(66.0, &[1], vec![sample(1, 4)]), ["HSET"]);
    }

    #[test]
    fn a_failed_write_is_repeated_later_and_completely() {
        let mut counts = SseCountCache::default();
        counts.observe(&mut facts(0.0, &[1], vec![sample(1, 3)]), 0.0);
        counts.write(&keys(), 0.0, &mut Pipeline::new());
        counts.written(Some("NOPERM".into()), 0.0);
        assert!(written(&mut counts, 5.0).is_empty());
        assert_eq!(written(&mut counts, 61.0), ["HSET", "EXPIRE"]);
    }

    #[test]
    fn what_is_saved_is_read_back_with_the_port_and_whether_it_was_known() {
        for is_known in [true, false] {
            let before = Kept { sample: sample(1, 3), life: Some(Life::of_port(8010)), is_known };
            let text = serde_json::to_vec(&saved(&before)).unwrap();
            assert_eq!(kept(&text, before.sample.worker.clone()).unwrap(), before);
        }
        let older = br#"{"count": 3, "sessions": 1, "max": 9, "ts": 5.5, "instance_id": "a:b", "process_id": 1}"#;
        let read = kept(older, sample(1, 3).worker).unwrap();
        assert_eq!((read.sample, read.life, read.is_known), (sample(1, 3), None, true));
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
