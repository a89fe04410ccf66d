//! Which processes there are, and what each wrote of itself: found through the platform's indexes,
//! or by a slow, bounded SCAN where an older platform keeps none.

use std::collections::{BTreeMap, BTreeSet};

use redis::{Pipeline, Value};

use super::replies::Replies;
use super::tail::number;
use super::values::{Values, ask_beginning};
use crate::base::clock::UnixSeconds;
use crate::platform::facts::{Component, Departed, Facts, Heartbeat, InputKind, SseSample, WorkerId};
use crate::platform::keys::{Keys, ProcessName};
use crate::platform::parse::{self, ParseError};

/// Members read of one index; far above any fleet, far below what would hurt.
const INDEX_MEMBERS: usize = 50_000;
/// Keys that one SCAN call looks at where no index names a process.
const SCAN_COUNT: usize = 500;
/// The same where the indexes do, so that a SCAN finds strays at most.
const SCAN_COUNT_INDEXED: usize = 50;
/// Services that are followed; a platform has two or three.
const MOST_SERVICES: usize = 100;
/// How long an index member whose key is gone counts as a process that stopped recently.
const DEPARTED_SECONDS: f64 = 90.0;
/// Steps of the SCAN before the first tick: some 100,000 keys.
const FIRST_SCANS: usize = 200;

/// What is known of the fleet from one tick to the next.
#[derive(Debug, Default)]
pub(super) struct FleetReader {
    /// Service type and name.
    services: BTreeSet<(String, String)>,
    /// Heartbeat keys that existed last time.
    heartbeats: BTreeSet<String>,
    /// SSE keys to read: one for each ingress worker that existed last time.
    workers: BTreeSet<WorkerId>,
    /// Heartbeat keys that SCAN came across before the first tick.
    found: BTreeSet<String>,
    scan_cursor: u64,
    /// Steps of the SCAN before the first tick so far.
    first_scans: usize,
    /// Whether the indexes named any process last time.
    indexed: bool,
    values: Values,
}

/// What one tick reads of the fleet, growing round by round.
#[derive(Debug, Default)]
pub(super) struct FleetReplies {
    /// Members of the indexes, by score.
    indexed: BTreeMap<String, UnixSeconds>,
    /// Keys that SCAN came across.
    scanned: BTreeSet<String>,
    /// Heartbeats by key, or what is wrong with them; `None` for a key that is gone.
    heartbeats: BTreeMap<String, Option<Result<Heartbeat, ParseError>>>,
    /// Keys that are there and hold something else than a heartbeat.
    of_another_type: BTreeSet<String>,
    /// SSE values by key; `None` for a key that is gone.
    sse: BTreeMap<String, Option<Vec<u8>>>,
}

/// What a round asks for.
#[derive(Debug, Default)]
pub(super) struct FleetQuery {
    services: Vec<(String, String)>,
    instances: bool,
    /// How many keys a step of the SCAN looks at, if there is one.
    scan: Option<usize>,
    /// Heartbeats that were read last time.
    heartbeats: Vec<String>,
    /// Heartbeats that were not: asked for one by one, which tells a key that is gone from one of
    /// another type.
    new: Vec<String>,
    sse: Vec<String>,
}

impl FleetQuery {
    pub(super) const fn is_empty(&self) -> bool {
        self.services.is_empty()
            && self.heartbeats.is_empty()
            && self.new.is_empty()
            && self.sse.is_empty()
            && self.scan.is_none()
    }

    /// Which of the replies is the SCAN's. A user may lack the permission for it and do without.
    pub(super) fn scan_at(&self) -> Option<usize> {
        self.scan.map(|_| self.services.len() + usize::from(self.instances))
    }
}

fn ask_index(key: &str, pipeline: &mut Pipeline) {
    // Newest first, so that a cap would cut the long gone.
    let range = pipeline.cmd("ZREVRANGEBYSCORE").arg(key).arg("+inf").arg("-inf").arg("WITHSCORES");
    range.arg("LIMIT").arg(0).arg(INDEX_MEMBERS);
}

impl FleetReader {
    pub(super) fn new() -> Self {
        let services = Component::ALL.map(|component| ("chat".to_owned(), component.service_name().to_owned()));
        Self { services: services.into(), ..Self::default() }
    }

    /// The first round: the indexes, and everything that was there last time.
    pub(super) fn first_round(&self, keys: &Keys) -> FleetQuery {
        FleetQuery {
            services: self.services.iter().cloned().collect(),
            instances: true,
            scan: Some(if self.indexed { SCAN_COUNT_INDEXED } else { SCAN_COUNT }),
            heartbeats: self.heartbeats.iter().cloned().collect(),
            new: self.found.iter().filter(|key| !self.heartbeats.contains(*key)).cloned().collect(),
            sse: self.workers.iter().map(|worker| keys.sse(worker)).collect(),
        }
    }

    /// One more step of the SCAN alone, before the first tick; `None` when that was enough.
    pub(super) fn first_scan(&self) -> Option<FleetQuery> {
        let around = self.first_scans > 0 && self.scan_cursor == 0;
        (!around && self.first_scans < FIRST_SCANS)
            .then(|| FleetQuery { scan: Some(SCAN_COUNT), ..FleetQuery::default() })
    }

    /// Takes the answer to [`Self::first_scan`].
    pub(super) fn take_first_scan(&mut self, keys: &Keys, replies: &mut Replies) {
        self.first_scans += 1;
        let mut reading = FleetReplies::default();
        self.take_scan(keys, replies, &mut reading);
        self.found.append(&mut reading.scanned);
    }

    /// Adds a round's questions.
    pub(super) fn ask(&self, keys: &Keys, round: &FleetQuery, pipeline: &mut Pipeline) {
        for (service_type, service_name) in &round.services {
            ask_index(&keys.process_index(service_type, service_name), pipeline);
        }
        if round.instances {
            ask_index(&keys.instance_index(), pipeline);
        }
        if let Some(count) = round.scan {
            let scan = pipeline.cmd("SCAN").arg(self.scan_cursor).arg("MATCH").arg(keys.heartbeat_pattern());
            scan.arg("COUNT").arg(count);
        }
        self.values.ask(&round.heartbeats, pipeline);
        for key in &round.new {
            ask_beginning(key, pipeline);
        }
        self.values.ask(&round.sse, pipeline);
    }

    /// Takes a round's replies.
    pub(super) fn take(&mut self, keys: &Keys, round: &FleetQuery, replies: &mut Replies, reading: &mut FleetReplies) {
        for (service_type, service_name) in &round.services {
            let key = keys.process_index(service_type, service_name);
            let members = index_members(replies, &key);
            reading.indexed.extend(members.into_iter().filter(|(member, _)| keys.process_name(member).is_some()));
        }
        if round.instances {
            let members = index_members(replies, &keys.instance_index());
            let room = MOST_SERVICES.saturating_sub(self.services.len());
            let named = members.iter().filter_map(|(member, _)| keys.service_of_instance(member));
            let new: BTreeSet<_> = named.filter(|service| !self.services.contains(service)).collect();
            self.services.extend(new.into_iter().take(room));
        }
        if round.scan.is_some() {
            self.take_scan(keys, replies, reading);
        }
        let values = self.values.take(&round.heartbeats, InputKind::Heartbeat, replies);
        reading.heartbeats.extend(values.into_iter().map(|(key, value)| (key, parsed(value))));
        for key in &round.new {
            let before = replies.malformed.len();
            let value = replies.bytes(InputKind::Heartbeat, key);
            if replies.malformed.len() > before {
                reading.of_another_type.insert(key.clone());
            } else {
                reading.heartbeats.insert(key.clone(), parsed(value));
            }
        }
        reading.sse.extend(self.values.take(&round.sse, InputKind::SseSample, replies));
    }

    fn take_scan(&mut self, keys: &Keys, replies: &mut Replies, reading: &mut FleetReplies) {
        // Refused (a user may lack the permission) or odd: the indexes have to do.
        let Some(Value::Array(mut parts)) = replies.next() else { return };
        let Some(Value::Array(found)) = parts.pop() else { return };
        let cursor = parts.pop().and_then(|cursor| redis::from_redis_value::<u64>(cursor).ok());
        self.scan_cursor = cursor.unwrap_or(0);
        let found = found.into_iter().filter_map(|key| redis::from_redis_value::<String>(key).ok());
        reading.scanned.extend(found.filter(|key| keys.process_name(key).is_some()));
    }

    /// What the rounds so far named and did not read: services, heartbeats, and the SSE keys of
    /// ingress workers, by the names of their heartbeat keys.
    pub(super) fn next_round(&self, keys: &Keys, reading: &FleetReplies, asked: &FleetQuery) -> FleetQuery {
        let named: BTreeSet<&String> = reading.indexed.keys().chain(&reading.scanned).collect();
        let read = |key: &String| reading.heartbeats.contains_key(key) || reading.of_another_type.contains(key);
        let new: Vec<String> = named.into_iter().filter(|key| !read(key)).cloned().collect();
        let workers = new.iter().filter_map(|key| keys.process_name(key)).filter_map(worker_of_name);
        let sse = workers.map(|worker| keys.sse(&worker)).filter(|key| !reading.sse.contains_key(key)).collect();
        let known = |service: &&(String, String)| !asked.services.contains(service);
        FleetQuery {
            services: if asked.instances { self.services.iter().filter(known).cloned().collect() } else { Vec::new() },
            new,
            sse,
            ..FleetQuery::default()
        }
    }

    /// Turns what was read into facts, and remembers what to ask for next time.
    pub(super) fn conclude(
        &mut self,
        keys: &Keys,
        mut reading: FleetReplies,
        now: UnixSeconds,
        replies: &mut Replies,
        signals: &mut Facts,
    ) {
        self.indexed = !reading.indexed.is_empty();
        self.found.clear();
        signals.process_keys_found = reading.heartbeats.values().flatten().count() + reading.of_another_type.len();
        self.heartbeats =
            reading.heartbeats.iter().filter(|(_, value)| value.is_some()).map(|(key, _)| key.clone()).collect();
        for (key, value) in std::mem::take(&mut reading.heartbeats) {
            let key = key.as_str();
            match value {
                Some(beat) => signals.heartbeats.extend(replies.noted(InputKind::Heartbeat, key, beat)),
                None => signals.departed.extend(departed(keys, key, &reading, now)),
            }
        }
        signals.heartbeats.sort_by(|a, b| (&a.instance_id, a.process_id).cmp(&(&b.instance_id, b.process_id)));
        signals.departed.sort_by(|a, b| (&a.instance_id, a.process_id).cmp(&(&b.instance_id, b.process_id)));
        self.workers = signals.heartbeats.iter().filter_map(worker_of_heartbeat).collect();
        // What workers published that beat, or did until lately.
        let stopped: BTreeSet<WorkerId> = signals.departed.iter().filter_map(worker_of_departed).collect();
        signals.sse = samples(keys, &reading, self.workers.union(&stopped), replies);
    }

    /// Whether the worker heartbeats.
    pub(super) fn is_heartbeating(&self, worker: &WorkerId) -> bool {
        self.workers.contains(worker)
    }

    /// Workers whose SSE key is not read yet: their heartbeat names them otherwise than its key.
    pub(super) fn unread_workers(keys: &Keys, reading: &FleetReplies) -> FleetQuery {
        let heartbeats = reading.heartbeats.values().flatten().filter_map(|beat| beat.as_ref().ok());
        let workers = heartbeats.filter_map(worker_of_heartbeat);
        let sse = workers.map(|worker| keys.sse(&worker)).filter(|key| !reading.sse.contains_key(key)).collect();
        FleetQuery { sse, ..FleetQuery::default() }
    }
}

fn parsed(value: Option<Vec<u8>>) -> Option<Result<Heartbeat, ParseError>> {
    value.map(|bytes| parse::heartbeat(&bytes))
}

fn samples<'a>(
    keys: &Keys,
    reading: &FleetReplies,
    workers: impl Iterator<Item = &'a WorkerId>,
    replies: &mut Replies,
) -> Vec<SseSample> {
    let parse = |worker: &WorkerId| {
        let key = keys.sse(worker);
        let bytes = reading.sse.get(&key)?.as_deref()?;
        replies.noted(InputKind::SseSample, &key, parse::sse_sample(bytes, worker))
    };
    workers.filter_map(parse).collect()
}

fn index_members(replies: &mut Replies, key: &str) -> Vec<(String, UnixSeconds)> {
    let mut items = replies.list(InputKind::Index, key).into_iter();
    let pairs = std::iter::from_fn(|| Some((items.next()?, items.next()?)));
    let read =
        |(member, score): (Value, Value)| Some((redis::from_redis_value::<String>(member).ok()?, number(&score)?));
    pairs.filter_map(read).collect()
}

fn departed(keys: &Keys, key: &str, reading: &FleetReplies, now: UnixSeconds) -> Option<Departed> {
    let last_seen = reading.indexed.get(key).copied().filter(|score| now - score <= DEPARTED_SECONDS)?;
    let ProcessName { instance_id, service_type, service_name, process_id } = keys.process_name(key)?;
    Some(Departed { instance_id, service_type, service_name, process_id, last_seen })
}

fn is_ingress(service_type: &str, service_name: &str) -> bool {
    service_type == "chat" && service_name == Component::Ingress.service_name()
}

fn worker_of_heartbeat(heartbeat: &Heartbeat) -> Option<WorkerId> {
    let ingress = is_ingress(&heartbeat.service_type, &heartbeat.service_name);
    heartbeat
        .process_id
        .filter(|_| ingress)
        .map(|process_id| WorkerId { instance_id: heartbeat.instance_id.clone(), process_id })
}

fn worker_of_departed(departed: &Departed) -> Option<WorkerId> {
    let ingress = is_ingress(&departed.service_type, &departed.service_name);
    departed
        .process_id
        .filter(|_| ingress)
        .map(|process_id| WorkerId { instance_id: departed.instance_id.clone(), process_id })
}

fn worker_of_name(name: ProcessName) -> Option<WorkerId> {
    let ingress = is_ingress(&name.service_type, &name.service_name);
    name.process_id.filter(|_| ingress).map(|process_id| WorkerId { instance_id: name.instance_id, process_id })
}
