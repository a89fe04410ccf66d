//! Processes: found through the platform's indexes, or by a slow, bounded SCAN where an older platform has none.
//!
//! `query` is what one round trip reads, `large` follows long heartbeats, `workers` recognises ingress workers, `stopped`
//! remembers processes whose keys are gone.

mod large;
mod parsed;
mod query;
mod stopped;
mod workers;

use std::collections::{BTreeMap, BTreeSet};

use redis::{Pipeline, Value};

use self::large::{LargeHeartbeats, NORMAL_BYTES};
use self::parsed::ParsedHeartbeats;
pub(super) use self::query::FleetQuery;
use self::stopped::RecentProcesses;
pub(super) use self::workers::of_heartbeat as ingress_worker;
use super::replies::Replies;
use super::tail::number;
use super::values::Values;
use crate::base::clock::UnixSeconds;
use crate::platform::facts::{
    Component, DATED_AHEAD, Facts, Heartbeat, InputKind, Malformed, OUTSIDE, Unreadable, WorkerId,
};
use crate::platform::keys::{Keys, ProcessName};
use crate::platform::parse::ParseError;

/// COUNT of a SCAN step where no index names a process.
const SCAN_COUNT: usize = 500;
/// COUNT where the indexes name some: SCAN finds strays at most, and only every second tick has one.
const SCAN_COUNT_INDEXED: usize = 100;
/// Most services that are read; a platform has two or three.
const MOST_SERVICES: usize = 100;
/// Seconds by which an index member may be ahead: its writer's clock.
const AHEAD_SECONDS: f64 = 2.0;
/// Steps of the SCAN before the first tick: some 100,000 keys.
const FIRST_SCANS: usize = 200;

/// What is known of the processes from one tick to the next.
#[derive(Debug, Default)]
pub(super) struct FleetReader {
    /// Service type and name.
    services: BTreeSet<(String, String)>,
    /// Heartbeat keys that existed in the last tick.
    heartbeats: BTreeSet<String>,
    /// Ingress workers of the last tick, whose SSE keys are read.
    workers: BTreeSet<WorkerId>,
    /// Heartbeat keys that SCAN found before the first tick.
    found: BTreeSet<String>,
    scan_cursor: u64,
    /// Steps of the SCAN before the first tick so far.
    first_scans: usize,
    /// Whether the indexes named any process in the last tick.
    indexed: bool,
    /// Whether the last tick had a SCAN.
    scanned: bool,
    values: Values,
    recent: RecentProcesses,
    large: LargeHeartbeats,
    parsed: ParsedHeartbeats,
}

/// What one tick reads of the processes, over all its round trips.
#[derive(Debug, Default)]
pub(super) struct FleetReplies {
    /// Members of the indexes, by score.
    indexed: BTreeMap<String, UnixSeconds>,
    /// Keys that SCAN found.
    scanned: BTreeSet<String>,
    /// Heartbeats by key, or what is wrong with them; `None` for a key that is gone.
    heartbeats: BTreeMap<String, Option<Result<Heartbeat, ParseError>>>,
    /// Keys that exist and are of another type than a heartbeat.
    of_another_type: BTreeSet<String>,
    /// SSE values by key; `None` for a key that is gone.
    sse: BTreeMap<String, Option<Vec<u8>>>,
}

impl FleetReader {
    pub(super) fn new() -> Self {
        let services = Component::ALL.map(|component| ("chat".to_owned(), component.service_name().to_owned()));
        Self { services: services.into(), ..Self::default() }
    }

    /// The first round trip: the indexes, and everything that existed in the last tick.
    pub(super) fn first_round(&self, keys: &Keys) -> FleetQuery {
        FleetQuery {
            services: self.services.iter().cloned().collect(),
            instances: true,
            scan: self.scan_count(),
            heartbeats: self.heartbeats.iter().filter(|key| !self.large.contains(key)).cloned().collect(),
            new: self.found.iter().filter(|key| !self.heartbeats.contains(*key)).cloned().collect(),
            large: Vec::new(),
            sse: self.workers.iter().map(|worker| keys.sse(worker)).collect(),
        }
    }

    const fn scan_count(&self) -> Option<usize> {
        match (self.indexed, self.scanned) {
            (false, _) => Some(SCAN_COUNT),
            (true, false) => Some(SCAN_COUNT_INDEXED),
            (true, true) => None,
        }
    }

    /// One more SCAN step alone, before the first tick; `None` when it went around or took long enough.
    pub(super) fn first_scan(&self) -> Option<FleetQuery> {
        let around = self.first_scans > 0 && self.scan_cursor == 0;
        (!around && self.first_scans < FIRST_SCANS)
            .then(|| FleetQuery { scan: Some(SCAN_COUNT), ..FleetQuery::default() })
    }

    /// Takes the reply to [`Self::first_scan`].
    pub(super) fn take_first_scan(&mut self, keys: &Keys, replies: &mut Replies) {
        self.first_scans += 1;
        let mut reading = FleetReplies::default();
        self.take_scan(keys, replies, &mut reading);
        self.found.append(&mut reading.scanned);
    }

    /// Adds a round trip's commands.
    pub(super) fn ask(&self, keys: &Keys, query: &FleetQuery, pipeline: &mut Pipeline) {
        query.ask(keys, self.scan_cursor, &self.values, pipeline);
    }

    /// Takes a round trip's replies.
    pub(super) fn take(&mut self, keys: &Keys, query: &FleetQuery, replies: &mut Replies, reading: &mut FleetReplies) {
        for (service_type, service_name) in &query.services {
            let key = keys.process_index(service_type, service_name);
            let members = index_members(replies, &key);
            reading.indexed.extend(members.into_iter().filter(|(member, _)| keys.names_process(member)));
        }
        if query.instances {
            let members = index_members(replies, &keys.instance_index());
            let room = MOST_SERVICES.saturating_sub(self.services.len());
            let named = members.iter().filter_map(|(member, _)| keys.service_of_instance(member));
            let new: BTreeSet<_> = named.filter(|service| !self.services.contains(service)).collect();
            self.services.extend(new.into_iter().take(room));
        }
        if query.scan.is_some() {
            self.take_scan(keys, replies, reading);
        }
        for (key, value) in self.values.take(&query.heartbeats, InputKind::Heartbeat, replies) {
            self.take_heartbeat(key, value, reading);
        }
        self.take_each(query, replies, reading);
        reading.sse.extend(self.values.take(&query.sse, InputKind::SseSample, replies));
    }

    /// Takes the heartbeats that are read one by one. Of a new one that turns out large, this was only the beginning.
    fn take_each(&mut self, query: &FleetQuery, replies: &mut Replies, reading: &mut FleetReplies) {
        let new = query.new.iter().map(|key| (key, true));
        for (key, is_new) in new.chain(query.large.iter().map(|key| (key, false))) {
            let before = replies.malformed.len();
            let value = replies.bytes(InputKind::Heartbeat, key);
            if replies.malformed.len() > before {
                reading.of_another_type.insert(key.clone());
            } else if is_new && value.as_ref().is_some_and(|bytes| bytes.len() > NORMAL_BYTES) {
                self.large.found(key);
            } else {
                self.take_heartbeat(key.clone(), value, reading);
            }
        }
    }

    fn take_heartbeat(&mut self, key: String, value: Option<Vec<u8>>, reading: &mut FleetReplies) {
        let beat = value.as_deref().map(|bytes| self.parsed.parse(&key, bytes));
        self.large.read(&key, value.as_deref().zip(beat.as_ref()));
        reading.heartbeats.insert(key, beat);
    }

    /// The long heartbeats of the next round trip.
    pub(super) fn next_large(&self, reading: &FleetReplies) -> FleetQuery {
        FleetQuery { large: self.large.next(reading), ..FleetQuery::default() }
    }

    fn take_scan(&mut self, keys: &Keys, replies: &mut Replies, reading: &mut FleetReplies) {
        // Refused (a user may lack the permission) or malformed: the indexes have to do.
        let Some(Value::Array(mut parts)) = replies.next() else { return };
        let Some(Value::Array(found)) = parts.pop() else { return };
        let cursor = parts.pop().and_then(|cursor| redis::from_redis_value::<u64>(cursor).ok());
        self.scan_cursor = cursor.unwrap_or(0);
        let found = found.into_iter().filter_map(|key| redis::from_redis_value::<String>(key).ok());
        reading.scanned.extend(found.filter(|key| keys.names_process(key)));
    }

    /// What the round trips so far named and did not read: services, heartbeats, and the SSE keys of ingress workers, by
    /// the names of their heartbeat keys.
    pub(super) fn next_round(&self, keys: &Keys, reading: &FleetReplies, asked: &FleetQuery) -> FleetQuery {
        let is_new = |key: &&String| !reading.has(key) && !self.large.contains(key);
        let new: BTreeSet<&String> = reading.indexed.keys().chain(&reading.scanned).filter(is_new).collect();
        let new: Vec<String> = new.into_iter().cloned().collect();
        let workers = new.iter().filter_map(|key| workers::of_name(&keys.process_name(key)?));
        let sse = workers.map(|worker| keys.sse(&worker)).filter(|key| !reading.sse.contains_key(key)).collect();
        let known = |service: &&(String, String)| !asked.services.contains(service);
        FleetQuery {
            services: if asked.instances { self.services.iter().filter(known).cloned().collect() } else { Vec::new() },
            new,
            sse,
            ..FleetQuery::default()
        }
    }

    /// Turns the replies into facts, and remembers what to read in the next tick.
    pub(super) fn conclude(
        &mut self,
        keys: &Keys,
        mut reading: FleetReplies,
        now: UnixSeconds,
        replies: &mut Replies,
        signals: &mut Facts,
    ) {
        self.scanned = self.scan_count().is_some();
        self.indexed = !reading.indexed.is_empty();
        self.found.clear();
        let held = self.large.conclude(&reading, now);
        reading.heartbeats.extend(held.into_iter().map(|(key, beat)| (key, Some(beat))));
        signals.process_keys_found = reading.heartbeats.values().flatten().count() + reading.of_another_type.len();
        self.heartbeats =
            reading.heartbeats.iter().filter(|(_, value)| value.is_some()).map(|(key, _)| key.clone()).collect();
        self.large.retain(&self.heartbeats);
        self.parsed.retain(&self.heartbeats);
        for (key, value) in std::mem::take(&mut reading.heartbeats) {
            match value {
                Some(value) => self.take_beat(keys, &key, value, now, replies, signals),
                None => self.take_gone(&key, &reading, now, replies),
            }
        }
        let is_there = |key: &str| self.heartbeats.contains(key) || reading.of_another_type.contains(key);
        signals.departed = self.recent.stopped(keys, now, is_there);
        signals.heartbeats.sort_by(|a, b| (&a.instance_id, a.process_id).cmp(&(&b.instance_id, b.process_id)));
        signals.departed.sort_by(|a, b| (&a.instance_id, a.process_id).cmp(&(&b.instance_id, b.process_id)));
        let odd = reading.of_another_type.iter().filter_map(|key| workers::of_name(&keys.process_name(key)?));
        signals.unreadable_workers.extend(odd);
        let unreadable = signals.unreadable_workers.iter().cloned();
        self.workers = signals.heartbeats.iter().filter_map(workers::of_heartbeat).chain(unreadable).collect();
        // Of workers that heartbeat, or did until recently.
        let stopped: BTreeSet<WorkerId> = signals.departed.iter().filter_map(workers::of_departed).collect();
        signals.sse = workers::samples(keys, &reading, self.workers.union(&stopped), replies);
    }

    /// A heartbeat that was read, or why it could not be.
    fn take_beat(
        &mut self,
        keys: &Keys,
        key: &str,
        value: Result<Heartbeat, ParseError>,
        now: UnixSeconds,
        replies: &mut Replies,
        signals: &mut Facts,
    ) {
        if let Err(ParseError::TooLong(_) | ParseError::NotRead) = value {
            let component = keys.process_name(key).and_then(|name| component(&name));
            signals.unreadable.extend(component.map(Unreadable::Heartbeat));
        }
        if value.is_err() {
            signals.unreadable_workers.extend(keys.process_name(key).and_then(|name| workers::of_name(&name)));
        }
        if let Some(beat) = replies.ok_or_record(InputKind::Heartbeat, key, value) {
            if beat.processor.is_some_and(|report| report.is_implausible) {
                let problem = format!("an age or lag of metadata.processor is {OUTSIDE}");
                replies.ok_or_note::<()>(InputKind::ProcessorReport, key, Err(problem));
            }
            self.recent.saw(key, beat.last_heartbeat, now);
            signals.heartbeats.push(beat);
        }
    }

    /// An index names a process whose key is gone.
    fn take_gone(&mut self, key: &str, reading: &FleetReplies, now: UnixSeconds, replies: &mut Replies) {
        let Some(&score) = reading.indexed.get(key).filter(|_| !self.recent.knows(key)) else { return };
        if score <= now + AHEAD_SECONDS {
            self.recent.named(key, score.min(now));
            return;
        }
        let problem = format!("is gone, and its index member is {DATED_AHEAD}");
        replies.malformed.push(Malformed { kind: InputKind::Index, key: key.to_owned(), problem });
    }

    /// Workers whose SSE key was not read yet: their heartbeat names another process than its key does.
    pub(super) fn unread_workers(keys: &Keys, reading: &FleetReplies) -> FleetQuery {
        let heartbeats = reading.heartbeats.values().flatten().filter_map(|beat| beat.as_ref().ok());
        let workers = heartbeats.filter_map(workers::of_heartbeat);
        let sse = workers.map(|worker| keys.sse(&worker)).filter(|key| !reading.sse.contains_key(key)).collect();
        FleetQuery { sse, ..FleetQuery::default() }
    }
}

impl FleetReplies {
    /// Whether the tick has read this heartbeat.
    fn has(&self, key: &str) -> bool {
        self.heartbeats.contains_key(key) || self.of_another_type.contains(key)
    }
}

fn component(name: &ProcessName) -> Option<Component> {
    let is_service = |component: &Component| component.service_name() == name.service_name;
    Component::ALL.into_iter().find(is_service).filter(|_| name.service_type == "chat")
}

fn index_members(replies: &mut Replies, key: &str) -> Vec<(String, UnixSeconds)> {
    let mut items = replies.list(InputKind::Index, key).into_iter();
    let pairs = std::iter::from_fn(|| Some((items.next()?, items.next()?)));
    let read =
        |(member, score): (Value, Value)| Some((redis::from_redis_value::<String>(member).ok()?, number(&score)?));
    pairs.filter_map(read).collect()
}
