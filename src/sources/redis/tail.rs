//! Follows one sorted set by score and returns each member once, late members included.
//!
//! A tick reads the members after a cursor, with a small overlap, and every second one *counts* those before it. If there are
//! more than were returned, some are late (their writer's clock is behind), and the next tick reads the last minutes again. If
//! there are fewer, the set was emptied, and is read again as a whole. So the usual cost is that of the new members alone. A
//! read that ran out of pages continues in the next one.

use redis::{Pipeline, Value};

use super::errors::error_text;
use super::per_second::{PerSecond, second_of};
use super::recent::Recent;
use super::truncate::is_too_long;
use crate::base::clock::UnixSeconds;
use crate::base::number::count_u64;

/// Members read by one command, which takes Redis a few milliseconds.
pub(super) const PAGE: usize = 5000;
/// Seconds that every tick reads again, and most members of them.
const OVERLAP: f64 = 2.0;
const OVERLAP_MEMBERS: usize = 1000;
/// Seconds before the cursor in which late members are read; later ones are counted as lost.
pub(super) const HORIZON: f64 = 300.0;
/// Members further in the future than this are not read yet: their writer's clock is wrong, and they must not push out
/// the present.
const AHEAD: f64 = 2.0;
/// The oldest seconds of the retention are not counted: each writer trims them, by its own clock.
const TRIMMED: f64 = 300.0;
/// Seconds between two complete reads because members are missing.
const RESTART_AFTER: f64 = 60.0;
/// Reads after which the members ahead of their time are counted again.
const AHEAD_EVERY: u32 = 6;
/// Most pages of one read while the history is loaded, so that little of it is in memory at once; and of large members
/// always.
pub(super) const FEW_PAGES: usize = 4;
/// Most pages of one read later, so that one tick can read what arrives between two.
pub(super) const MOST_PAGES: usize = 16;

/// A member with its score.
pub(super) type Member = (Vec<u8>, UnixSeconds);

/// Who writes the set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Writer {
    /// The platform's workers, each by its own clock.
    Workers,
    /// This server and its replicas.
    Server,
}

/// The state of following one sorted set.
#[derive(Debug)]
pub(super) struct Tail {
    key: String,
    writer: Writer,
    /// How far back the first read goes, seconds.
    retention: f64,
    /// Everything up to here was read; `None` before the first read.
    cursor: Option<UnixSeconds>,
    /// Where a read that ran out of pages continues.
    resume: Option<ReadPosition>,
    /// Whether a read has reached the end yet.
    loaded: bool,
    most_pages: usize,
    /// Pages of the next read: as many as the last one needed, or more if it ran out of them.
    pages: usize,
    recent: Recent,
    returned: PerSecond,
    has_returned: bool,
    /// Members before the horizon that were never returned.
    lost: u64,
    /// Late members were noticed: the next read covers the whole horizon.
    reread: bool,
    /// The last read counted.
    counted: bool,
    reads: u32,
    /// Members that waited for their time when they were counted last.
    ahead: u64,
    /// Everything has to be read again.
    unread: bool,
    /// The next read begins anew although members were returned before.
    restarting: bool,
    restarted_at: Option<UnixSeconds>,
    /// A member that this server wrote, until the write is confirmed.
    written: Option<UnixSeconds>,
    /// The score of the newest member that is too long. Reading continues behind it: otherwise the overlap would transfer
    /// it in every tick.
    oversized_at: Option<UnixSeconds>,
}

/// Where a read begins.
#[derive(Debug, Clone, Copy)]
struct ReadPosition {
    from: UnixSeconds,
    /// Members of exactly `from` were returned and forgotten.
    exclusive: bool,
    /// Members of score `from` to skip.
    skip: usize,
}

/// One tail's part of a pipeline.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    pages: usize,
    /// Members ahead of their time are counted.
    ahead: bool,
    /// Members that were returned from the counted stretch.
    expected: Option<u64>,
    start: ReadPosition,
}

/// What one read returned.
#[derive(Debug, Default)]
pub(super) struct Taken {
    /// Members that were not returned before, by score.
    pub(super) members: Vec<Member>,
    /// These are all that there is: what was returned before is gone, or comes again.
    pub(super) restarted: bool,
    /// Members that wait until their time comes.
    pub(super) ahead: u64,
    /// Members that came too late to be read, since the last read.
    pub(super) late: u64,
}

impl Tail {
    pub(super) fn new(key: String, writer: Writer, retention: f64, most_pages: usize) -> Self {
        Self {
            key,
            writer,
            retention,
            cursor: None,
            resume: None,
            loaded: false,
            most_pages,
            pages: 1,
            recent: Recent::default(),
            returned: PerSecond::default(),
            has_returned: false,
            lost: 0,
            reread: false,
            counted: false,
            reads: 0,
            ahead: 0,
            unread: false,
            restarting: false,
            restarted_at: None,
            written: None,
            oversized_at: None,
        }
    }

    pub(super) const fn is_own(&self) -> bool {
        matches!(self.writer, Writer::Server)
    }

    pub(super) fn key(&self) -> &str {
        &self.key
    }

    /// Whether the last read ran out of pages, or everything has to be read again.
    pub(super) const fn is_behind(&self) -> bool {
        self.resume.is_some() || self.unread
    }

    /// How far the read got behind `now`, seconds; 0 once it reached the end.
    pub(super) fn lag(&self, now: UnixSeconds) -> f64 {
        self.resume.map_or(0.0, |resume| (now - resume.from).max(0.0))
    }

    /// Records a member that this server is about to write: it is not returned.
    pub(super) fn wrote(&mut self, member: &[u8], score: UnixSeconds) {
        self.recent.is_new(member, score);
        self.written = Some(score);
    }

    /// Whether the write since the last call succeeded: only then Redis counts the member.
    pub(super) fn confirm(&mut self, written: bool) {
        if let Some(score) = self.written.take().filter(|_| written) {
            self.returned.add(score);
            self.has_returned = true;
        }
    }

    /// Forgets what was read: the next read begins with the whole retention.
    pub(super) fn restart(&mut self) {
        let restarting = self.restarting || self.has_returned;
        let new = Self::new(std::mem::take(&mut self.key), self.writer, self.retention, self.most_pages);
        *self = Self { restarting, unread: true, restarted_at: self.restarted_at, ..new };
    }

    /// Adds this tick's commands to a pipeline.
    pub(super) fn ask(&mut self, now: UnixSeconds, pipeline: &mut Pipeline) -> Asked {
        let oldest = now - self.retention;
        let start = self.start(oldest);
        for page in 0..self.pages {
            let range = pipeline.cmd("ZRANGEBYSCORE").arg(&self.key).arg(start.bound()).arg(now + AHEAD);
            range.arg("WITHSCORES").arg("LIMIT").arg(start.skip + page * PAGE).arg(PAGE);
        }
        // Those that there were may be due by now.
        let ahead = self.writer == Writer::Workers && (self.ahead > 0 || self.reads.is_multiple_of(AHEAD_EVERY));
        self.reads = self.reads.wrapping_add(1);
        if ahead {
            pipeline.cmd("ZCOUNT").arg(&self.key).arg(format!("({}", now + AHEAD)).arg("+inf");
        }
        Asked { pages: self.pages, ahead, expected: self.ask_count(oldest, start, pipeline), start }
    }

    fn start(&self, oldest: UnixSeconds) -> ReadPosition {
        match (self.resume, self.cursor) {
            (Some(resume), _) if resume.from >= oldest => resume,
            (_, None) => ReadPosition { from: oldest, exclusive: false, skip: 0 },
            (_, Some(cursor)) if self.reread => self.remembered(horizon(cursor), oldest),
            (_, Some(cursor)) => {
                let crowded = self.recent.back(OVERLAP_MEMBERS, cursor).unwrap_or(f64::NEG_INFINITY);
                let start = self.remembered((cursor - OVERLAP).max(crowded), oldest);
                let oversized_at = self.oversized_at.filter(|at| *at >= start.from);
                oversized_at.map_or(start, |from| ReadPosition { from, exclusive: true, skip: 0 })
            }
        }
    }

    /// A position no further back than the returned members are remembered.
    fn remembered(&self, from: UnixSeconds, oldest: UnixSeconds) -> ReadPosition {
        let from = from.max(oldest);
        match self.recent.forgotten_up_to() {
            Some(floor) if floor >= from => ReadPosition { from: floor, exclusive: true, skip: 0 },
            _ => ReadPosition { from, exclusive: false, skip: 0 },
        }
    }

    /// Counts the members before the second in which the read begins.
    fn ask_count(&mut self, oldest: UnixSeconds, until: ReadPosition, pipeline: &mut Pipeline) -> Option<u64> {
        let first = self.returned.forget_before(oldest + TRIMMED);
        self.cursor.filter(|_| self.resume.is_none())?;
        self.counted = self.reread || !self.counted;
        if !self.counted && self.writer == Writer::Workers {
            return None;
        }
        let end = second_of(until.from);
        pipeline.cmd("ZCOUNT").arg(&self.key).arg(first).arg(format!("({end}"));
        Some(if end > first { self.returned.before(end) } else { 0 })
    }

    /// Takes the replies to [`Self::ask`].
    ///
    /// # Errors
    /// The server's error, for a key of another type.
    pub(super) fn take(
        &mut self,
        asked: Asked,
        now: UnixSeconds,
        replies: &mut impl Iterator<Item = Value>,
    ) -> Result<Taken, String> {
        let pages: Vec<Value> = replies.by_ref().take(asked.pages).collect();
        let ahead = asked.ahead.then(|| replies.next()).flatten();
        let found = asked.expected.and_then(|expected| Some((expected, count(&replies.next()?)?)));
        let covered_horizon = std::mem::take(&mut self.reread);
        self.unread = false;
        let mut members = Vec::new();
        for page in pages {
            members.extend(page_members(page)?);
        }
        let restarted = std::mem::take(&mut self.restarting);
        let known = self.known(asked, now, members.len());
        self.advance(asked, now, &members);
        let found_all = members.len();
        members.retain(|(member, score)| self.is_new(member, *score));
        if let Some(cursor) = self.cursor {
            self.recent.forget(horizon(cursor));
        }
        self.ahead = ahead.as_ref().map_or(self.ahead, |ahead| count(ahead).unwrap_or(0));
        let late = match found {
            Some((expected, found)) if found < expected => {
                self.missing(found, now);
                0
            }
            Some((expected, found)) => self.late(found - expected, covered_horizon),
            None if found_all - members.len() < known => {
                self.missing(count_u64(found_all), now);
                0
            }
            None => 0,
        };
        Ok(Taken { members, restarted, ahead: self.ahead, late })
    }

    /// Members that were returned and that a read which does not count should find again. The oldest may have been trimmed,
    /// and a read that ran out of pages says nothing.
    fn known(&self, asked: Asked, now: UnixSeconds, found: usize) -> usize {
        let is_whole = asked.expected.is_none() && found < asked.pages * PAGE;
        let ReadPosition { from, exclusive, skip } = asked.start;
        if !is_whole || skip > 0 || self.writer == Writer::Server || self.cursor.is_none() {
            return 0;
        }
        let trimmed = now - self.retention + TRIMMED;
        self.recent.between(from, exclusive, trimmed, now + AHEAD)
    }

    fn is_new(&mut self, member: &[u8], score: UnixSeconds) -> bool {
        let is_new = self.recent.is_new(member, score);
        if is_new {
            self.returned.add(score);
            self.has_returned = true;
        }
        is_new
    }

    /// Members that were returned are gone: what is left has to be read, but seldom, because it may be a lot.
    fn missing(&mut self, found: u64, now: UnixSeconds) {
        let is_recent = self.restarted_at.is_some_and(|at| (now - at).abs() < RESTART_AFTER);
        if found == 0 || !is_recent {
            self.restarted_at = Some(now);
            self.restart();
        }
    }

    /// More members than were returned lie before the read: they are read by the next one, or are lost if this one
    /// covered the horizon already. Returns how many are.
    fn late(&mut self, excess: u64, covered_horizon: bool) -> u64 {
        let late = excess.saturating_sub(self.lost);
        if late > 0 && !covered_horizon {
            self.reread = true;
            return 0;
        }
        self.lost = excess;
        if self.writer == Writer::Workers { late } else { 0 }
    }

    /// Moves the cursor, never past `now`: one member from the future must not hide the present.
    fn advance(&mut self, asked: Asked, now: UnixSeconds, members: &[Member]) {
        let ReadPosition { from, exclusive, skip } = asked.start;
        let oversized = members.iter().rev().find(|(member, at)| is_too_long(member) && *at <= now);
        self.oversized_at = oversized.map_or(self.oversized_at, |(_, score)| Some(*score));
        let reached = members.last().map_or(from, |(_, score)| *score);
        self.cursor = Some(self.cursor.map_or(reached, |cursor| cursor.max(reached)).min(now));
        if members.len() < asked.pages * PAGE {
            (self.resume, self.loaded) = (None, true);
            self.pages = (members.len() / PAGE + 1).min(self.most_pages);
            return;
        }
        self.resume = Some(if reached > from {
            ReadPosition { from: reached, exclusive: false, skip: 0 }
        } else {
            ReadPosition { from, exclusive, skip: skip + members.len() }
        });
        self.pages = (self.pages * 2).min(if self.loaded { self.most_pages } else { FEW_PAGES });
    }
}

/// Where the members begin that are read again for late ones: a whole second, as counts are by second.
fn horizon(cursor: UnixSeconds) -> UnixSeconds {
    (cursor - HORIZON).floor()
}

fn count(reply: &Value) -> Option<u64> {
    if let Value::Int(count) = reply { u64::try_from(*count).ok() } else { None }
}

impl ReadPosition {
    fn bound(self) -> String {
        if self.exclusive { format!("({}", self.from) } else { self.from.to_string() }
    }
}

/// The members of one reply to ZRANGEBYSCORE … WITHSCORES.
fn page_members(value: Value) -> Result<Vec<Member>, String> {
    match value {
        Value::Array(items) => {
            let mut items = items.into_iter();
            let pairs = std::iter::from_fn(|| Some((items.next()?, items.next()?)));
            Ok(pairs.filter_map(|(member, score)| Some((bytes(member)?, number(&score)?))).collect())
        }
        Value::ServerError(error) => Err(error_text(&error)),
        _ => Err("is not a list".to_owned()),
    }
}

fn bytes(value: Value) -> Option<Vec<u8>> {
    match value {
        Value::BulkString(bytes) => Some(bytes),
        _ => None,
    }
}

/// A score, as either protocol version sends it.
pub(super) fn number(value: &Value) -> Option<f64> {
    match value {
        Value::BulkString(bytes) => {
            std::str::from_utf8(bytes).ok()?.parse().ok().filter(|score: &f64| score.is_finite())
        }
        Value::Double(number) => Some(*number).filter(|score| score.is_finite()),
        _ => None,
    }
}
