//! Processes: found through the platform's indexes, or by a slow, bounded SCAN where an older platform has none.
//!
//! `query` is what one round trip reads, `instances` when it reads which services there are, `processes` what a tick finds of each,
//! `large` follows long heartbeats, `workers` reads the SSE samples of ingress workers, `stopped` remembers processes whose keys
//! are gone.

mod instances;
mod large;
mod processes;
mod query;
mod stopped;
mod workers;

use std::collections::BTreeSet;
use std::sync::Arc;

use redis::{Pipeline, Value};

use self::instances::{InstanceIndex, ReadInstances};
use self::large::{LargeHeartbeats, NORMAL_BYTES};
use self::processes::{Found, Parsed, Process, Processes};
pub(super) use self::query::FleetQuery;
use self::stopped::RecentProcesses;
use self::workers::Workers;
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
    /// When the tick began.
    began: UnixSeconds,
    instances: InstanceIndex,
    /// Services whose index named a process that the last tick did not know.
    unscored: BTreeSet<(String, String)>,
    processes: Processes,
    /// Ingress workers, whose SSE keys are read.
    workers: Workers,
    /// Heartbeat keys that SCAN found before the first tick.
    found: BTreeSet<String>,
    scan_cursor: u64,
    /// Steps of the SCAN before the first tick so far.
    first_scans: usize,
    /// Whether the indexes named any process in the last tick.
    indexed: bool,
    /// The same of this tick.
    is_indexed: bool,
    /// Whether the last tick had a SCAN.
    scanned: bool,
    values: Values,
    recent: RecentProcesses,
    large: LargeHeartbeats,
}

impl FleetReader {
    pub(super) fn new() -> Self {
        let services = Component::ALL.map(|component| ("chat".to_owned(), component.service_name().to_owned()));
        Self { services: services.into(), ..Self::default() }
    }

    /// Begins a tick. The first round trip: the indexes, and everything that existed in the last tick.
    pub(super) fn begin(&mut self, now: UnixSeconds) -> FleetQuery {
        self.is_indexed = false;
        self.unscored.clear();
        self.began = now;
        self.processes.begin();
        self.workers.begin();
        let known = self.processes.iter().filter(|process| !self.large.contains(&process.key));
        FleetQuery {
            services: self.services.iter().cloned().collect(),
            instances: Some(self.instances.begin(now)),
            scored: Vec::new(),
            scan: self.scan_count(),
            heartbeats: known.map(|process| process.key.clone()).collect(),
            new: self
                .found
                .iter()
                .filter(|key| self.processes.get(key).is_none())
                .map(|key| key.as_str().into())
                .collect(),
            large: Vec::new(),
            sse: self.workers.keys(),
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
        let found = self.take_scan(keys, replies);
        self.found.extend(found);
    }

    /// Adds a round trip's commands.
    pub(super) fn ask(&self, keys: &Keys, query: &FleetQuery, pipeline: &mut Pipeline) {
        query.ask(keys, self.scan_cursor, &self.values, pipeline);
    }

    /// Takes a round trip's replies.
    pub(super) fn take(&mut self, keys: &Keys, query: &FleetQuery, replies: &mut Replies) {
        for (service_type, service_name) in &query.services {
            self.take_index(keys, service_type, service_name, replies);
        }
        match query.instances {
            Some(ReadInstances::Members) => self.take_instances(keys, replies),
            Some(ReadInstances::Length) => {
                self.instances.take_length(replies.integer(InputKind::Index, &keys.instance_index()));
            }
            None => {}
        }
        if query.scan.is_some() {
            let found = self.take_scan(keys, replies);
            found.iter().for_each(|key| self.processes.name(key, |_| {}));
        }
        for (service_type, service_name) in &query.scored {
            self.take_scores(&keys.process_index(service_type, service_name), replies);
        }
        let values = self.values.take(&query.heartbeats, InputKind::Heartbeat, replies);
        self.take_known(&query.heartbeats, values);
        self.take_each(query, replies);
        let values = self.values.take(&query.sse, InputKind::SseSample, replies);
        self.workers.take(&query.sse, values);
    }

    fn take_index(&mut self, keys: &Keys, service_type: &str, service_name: &str, replies: &mut Replies) {
        let members = replies.list(InputKind::Index, &keys.process_index(service_type, service_name));
        let mut has_new = false;
        for member in members.iter().filter_map(text) {
            let is_known = self.processes.get(member).is_some_and(|process| process.is_known);
            if !is_known && keys.names_process(member) {
                self.processes.name(member, |_| has_new = true);
            }
            self.is_indexed |= is_known || has_new;
        }
        if has_new {
            self.unscored.insert((service_type.to_owned(), service_name.to_owned()));
        }
    }

    fn take_scores(&mut self, key: &str, replies: &mut Replies) {
        let members = replies.list(InputKind::Index, key);
        for (member, score) in scored_members(&members) {
            if let Some(process) = self.processes.get_mut(member) {
                process.score = Some(score);
            }
        }
    }

    fn take_instances(&mut self, keys: &Keys, replies: &mut Replies) {
        let members = replies.list(InputKind::Index, &keys.instance_index());
        let named = members.iter().filter_map(text).filter_map(|member| keys.service_of_instance(member));
        let is_known =
            |of: &(&str, &str)| self.services.iter().any(|(kind, name)| *of == (kind.as_str(), name.as_str()));
        let new: BTreeSet<_> = named.filter(|service| !is_known(service)).collect();
        let room = MOST_SERVICES.saturating_sub(self.services.len());
        let new = new.into_iter().take(room).map(|(kind, name)| (kind.to_owned(), name.to_owned()));
        self.services.extend(new.collect::<Vec<_>>());
        self.instances.take_members(self.began, members.len());
    }

    /// Takes the heartbeats of the processes that are read together, which are in the order of all that are known.
    fn take_known(&mut self, keys: &[Arc<str>], values: Vec<Option<Vec<u8>>>) {
        let mut read = keys.iter().zip(values).peekable();
        for process in self.processes.iter_mut() {
            let Some((_, value)) = read.next_if(|(key, _)| Arc::ptr_eq(key, &process.key)) else { continue };
            take_heartbeat(&mut self.large, process, value);
        }
    }

    /// Takes the heartbeats that are read one by one. Of a new one that turns out large, this was only the beginning.
    fn take_each(&mut self, query: &FleetQuery, replies: &mut Replies) {
        let new = query.new.iter().map(|key| (&**key, true));
        for (key, is_new) in new.chain(query.large.iter().map(|key| (key.as_str(), false))) {
            let before = replies.malformed.len();
            let value = replies.bytes(InputKind::Heartbeat, key);
            if replies.malformed.len() > before {
                self.processes.name(key, |process| process.found = Found::OfAnotherType);
            } else if is_new && value.as_ref().is_some_and(|bytes| bytes.len() > NORMAL_BYTES) {
                self.large.found(key);
            } else {
                self.processes.name(key, |process| take_heartbeat(&mut self.large, process, value));
            }
        }
    }

    /// The long heartbeats of the next round trip.
    pub(super) fn next_large(&self) -> FleetQuery {
        FleetQuery { large: self.large.next(&self.processes), ..FleetQuery::default() }
    }

    /// The heartbeat keys that SCAN found.
    fn take_scan(&mut self, keys: &Keys, replies: &mut Replies) -> Vec<String> {
        // Refused (a user may lack the permission) or malformed: the indexes have to do.
        let Some(Value::Array(mut parts)) = replies.next() else { return Vec::new() };
        let Some(Value::Array(found)) = parts.pop() else { return Vec::new() };
        let cursor = parts.pop().and_then(|cursor| redis::from_redis_value::<u64>(cursor).ok());
        self.scan_cursor = cursor.unwrap_or(0);
        let found = found.into_iter().filter_map(|key| redis::from_redis_value::<String>(key).ok());
        found.filter(|key| keys.names_process(key)).collect()
    }

    /// What the round trips so far named and did not read: services, heartbeats, and the SSE keys of ingress workers, by
    /// the names of their heartbeat keys.
    pub(super) fn next_round(&mut self, keys: &Keys, asked: &FleetQuery) -> FleetQuery {
        let is_new = |process: &&Process| process.found == Found::Unread && !self.large.contains(&process.key);
        let new: BTreeSet<Arc<str>> = self.processes.iter().filter(is_new).map(|process| process.key.clone()).collect();
        let workers = new.iter().filter_map(|key| workers::of_name(&keys.process_name(key)?));
        let sse = self.workers.unread(keys, workers);
        let known = |service: &&(String, String)| !asked.services.contains(service);
        FleetQuery {
            services: if asked.instances.is_some() {
                self.services.iter().filter(known).cloned().collect()
            } else {
                Vec::new()
            },
            scored: std::mem::take(&mut self.unscored).into_iter().collect(),
            new: new.into_iter().collect(),
            sse,
            ..FleetQuery::default()
        }
    }

    /// Turns the replies into facts, and remembers what to read in the next tick.
    pub(super) fn conclude(&mut self, keys: &Keys, now: UnixSeconds, replies: &mut Replies, signals: &mut Facts) {
        self.scanned = self.scan_count().is_some();
        self.indexed = self.is_indexed;
        self.found.clear();
        for (key, beat) in self.large.conclude(&self.processes, now) {
            self.processes.name(&key, |process| process.found = Found::Beat(beat));
        }
        self.large.retain(&self.processes);
        signals.process_keys_found = self.processes.iter().filter(|process| process.found.is_there()).count();
        let beats = self.take_beats(keys, now, replies, signals);
        self.take_departed(keys, now, signals);
        self.processes.end();
        let unreadable = signals.unreadable_workers.iter().cloned();
        let there = beats.iter().filter_map(|beat| workers::of_heartbeat(beat)).chain(unreadable).collect();
        // Of workers that heartbeat, or did until recently.
        let stopped = signals.departed.iter().filter_map(workers::of_departed).collect();
        signals.sse = self.workers.conclude(keys, there, stopped, replies);
        signals.heartbeats = beats.iter().map(|beat| Heartbeat::clone(beat)).collect();
    }

    /// The heartbeats in the order of the facts.
    fn take_beats(
        &mut self,
        keys: &Keys,
        now: UnixSeconds,
        replies: &mut Replies,
        signals: &mut Facts,
    ) -> Vec<Arc<Heartbeat>> {
        let mut beats: Vec<Arc<Heartbeat>> = Vec::new();
        for process in self.processes.iter_mut() {
            match &process.found {
                Found::Beat(beat) => {
                    let beat = take_beat(keys, &process.key, beat.clone(), replies, signals);
                    note_seen(&mut self.recent, process, beat.as_deref(), now);
                    beats.extend(beat);
                }
                Found::Gone => take_gone(&mut self.recent, process, now, replies),
                Found::OfAnotherType => {
                    process.seen.into_iter().for_each(|seen| self.recent.left(&process.key, seen));
                    signals.unreadable_workers.extend(worker_of(keys, &process.key));
                }
                Found::Unread => {}
            }
        }
        beats.sort_by(|a, b| (&a.instance_id, a.process_id).cmp(&(&b.instance_id, b.process_id)));
        beats
    }

    fn take_departed(&mut self, keys: &Keys, now: UnixSeconds, signals: &mut Facts) {
        let processes = &self.processes;
        let found = |key: &str| processes.get(key).map(|process| &process.found);
        signals.departed = self.recent.stopped(keys, now, |key| found(key) == Some(&Found::OfAnotherType));
        signals.departed.sort_by(|a, b| (&a.instance_id, a.process_id).cmp(&(&b.instance_id, b.process_id)));
    }

    /// Workers whose SSE key was not read yet: their heartbeat names another process than its key does.
    pub(super) fn unread_workers(&self, keys: &Keys) -> FleetQuery {
        let beats = self.processes.iter().filter_map(|process| match &process.found {
            Found::Beat(Ok(beat)) => workers::of_heartbeat(beat),
            _ => None,
        });
        FleetQuery { sse: self.workers.unread(keys, beats), ..FleetQuery::default() }
    }
}

fn take_heartbeat(large: &mut LargeHeartbeats, process: &mut Process, value: Option<Vec<u8>>) {
    let Some(bytes) = value else {
        process.found = Found::Gone;
        return large.read(&process.key, None);
    };
    let length = large::length(&bytes);
    process.read(bytes);
    large.read(&process.key, Some((length, &process.found)));
}

/// A heartbeat that was read; why it could not be is recorded.
fn take_beat(
    keys: &Keys,
    key: &str,
    value: Parsed,
    replies: &mut Replies,
    signals: &mut Facts,
) -> Option<Arc<Heartbeat>> {
    if let Err(ParseError::TooLong(_) | ParseError::NotRead) = value {
        let component = keys.process_name(key).and_then(|name| component(&name));
        signals.unreadable.extend(component.map(Unreadable::Heartbeat));
    }
    if value.is_err() {
        signals.unreadable_workers.extend(worker_of(keys, key));
    }
    let beat = replies.ok_or_record(InputKind::Heartbeat, key, value)?;
    if beat.processor.is_some_and(|report| report.is_implausible) {
        let problem = format!("an age or lag of metadata.processor is {OUTSIDE}");
        replies.ok_or_note::<()>(InputKind::ProcessorReport, key, Err(problem));
    }
    Some(beat)
}

/// Remembers the last heartbeat that could be read; its writer's clock may be ahead.
fn note_seen(recent: &mut RecentProcesses, process: &mut Process, beat: Option<&Heartbeat>, now: UnixSeconds) {
    if !process.is_known {
        process.seen = recent.returned(&process.key);
    }
    if let Some(beat) = beat {
        process.seen = Some(beat.last_heartbeat.min(now));
    }
}

/// Something names a process whose key is gone: it was there before, or is in an index.
fn take_gone(recent: &mut RecentProcesses, process: &Process, now: UnixSeconds, replies: &mut Replies) {
    let (key, score) = (&*process.key, process.score);
    if let Some(seen) = process.seen {
        return recent.left(key, seen);
    }
    let Some(score) = score.filter(|_| !recent.knows(key)) else { return };
    if score <= now + AHEAD_SECONDS {
        return recent.left(key, score.min(now));
    }
    let problem = format!("is gone, and its index member is {DATED_AHEAD}");
    replies.malformed.push(Malformed { kind: InputKind::Index, key: key.to_owned(), problem });
}

fn worker_of(keys: &Keys, key: &str) -> Option<WorkerId> {
    workers::of_name(&keys.process_name(key)?)
}

fn component(name: &ProcessName) -> Option<Component> {
    let is_service = |component: &Component| component.service_name() == &*name.service_name;
    Component::ALL.into_iter().find(is_service).filter(|_| &*name.service_type == "chat")
}

/// The members of an index with their scores.
fn scored_members(items: &[Value]) -> impl Iterator<Item = (&str, UnixSeconds)> {
    items
        .chunks_exact(2)
        .filter_map(|pair| if let [member, score] = pair { Some((text(member)?, number(score)?)) } else { None })
}

fn text(member: &Value) -> Option<&str> {
    if let Value::BulkString(bytes) = member { std::str::from_utf8(bytes).ok() } else { None }
}
