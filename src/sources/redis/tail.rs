//! Follows one sorted set by score and returns each member once, late members included.
//!
//! A tick reads the members after a cursor, with a small overlap, and *counts* those in a longer stretch before it. If
//! there are more than were returned, some are late (their writer's clock is behind), and the next tick reads that stretch
//! again. So the usual cost is that of the new members alone. A read that ran out of pages continues in the next one.

use redis::{Pipeline, Value};

use super::errors::error_text;
use super::recent::Recent;
use super::truncate::is_too_long;
use crate::base::clock::UnixSeconds;

/// Members read by one command, which takes Redis a few milliseconds.
pub(super) const PAGE: usize = 5000;
/// Seconds that every tick reads again, and most members of them.
const OVERLAP: f64 = 2.0;
const OVERLAP_MEMBERS: usize = 1000;
/// Seconds before the cursor in which late members are noticed.
pub(super) const HORIZON: f64 = 300.0;
/// Members further in the future than this are not read yet: their writer's clock is wrong, and they must not push out
/// the present.
const AHEAD: f64 = 300.0;
/// Most pages of one read while the history is loaded, so that little of it is in memory at once; and of large members
/// always.
pub(super) const FEW_PAGES: usize = 4;
/// Most pages of one read later, so that one tick can read what arrives between two.
pub(super) const MOST_PAGES: usize = 16;

/// A member with its score.
pub(super) type Member = (Vec<u8>, UnixSeconds);

/// The state of following one sorted set.
#[derive(Debug)]
pub(super) struct Tail {
    key: String,
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
    has_returned: bool,
    /// Late members were noticed: the next read covers the whole horizon.
    reread: bool,
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
    /// Members that were returned from the counted stretch.
    expected: Option<usize>,
    start: ReadPosition,
}

impl Tail {
    pub(super) fn new(key: String, retention: f64, most_pages: usize) -> Self {
        Self {
            key,
            retention,
            cursor: None,
            resume: None,
            loaded: false,
            most_pages,
            pages: 1,
            recent: Recent::default(),
            has_returned: false,
            reread: false,
            oversized_at: None,
        }
    }

    pub(super) fn key(&self) -> &str {
        &self.key
    }

    /// Whether the last read ran out of pages.
    pub(super) const fn is_behind(&self) -> bool {
        self.resume.is_some()
    }

    /// Records a member that this server wrote itself: it is not returned.
    pub(super) fn wrote(&mut self, member: &[u8], score: UnixSeconds) {
        self.recent.is_new(member, score);
    }

    /// Forgets what was read: the next read begins with the whole retention. Whether anything had been returned.
    pub(super) fn restart(&mut self) -> bool {
        let returned = self.has_returned;
        *self = Self::new(std::mem::take(&mut self.key), self.retention, self.most_pages);
        returned
    }

    /// Adds this tick's commands to a pipeline.
    pub(super) fn ask(&self, now: UnixSeconds, pipeline: &mut Pipeline) -> Asked {
        let oldest = now - self.retention;
        let start = self.start(oldest);
        for page in 0..self.pages {
            let range = pipeline.cmd("ZRANGEBYSCORE").arg(&self.key).arg(start.bound()).arg(now + AHEAD);
            range.arg("WITHSCORES").arg("LIMIT").arg(start.skip + page * PAGE).arg(PAGE);
        }
        Asked { pages: self.pages, expected: self.ask_count(oldest, start, pipeline), start }
    }

    fn start(&self, oldest: UnixSeconds) -> ReadPosition {
        match (self.resume, self.cursor) {
            (Some(resume), _) if resume.from >= oldest => resume,
            (_, None) => ReadPosition { from: oldest, exclusive: false, skip: 0 },
            (_, Some(cursor)) if self.reread => self.remembered(cursor - HORIZON, oldest),
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

    /// Counts the members between the horizon and where the read begins.
    fn ask_count(&self, oldest: UnixSeconds, until: ReadPosition, pipeline: &mut Pipeline) -> Option<usize> {
        let cursor = self.cursor.filter(|_| !self.reread && self.resume.is_none())?;
        let start = self.remembered(cursor - HORIZON, oldest);
        pipeline.cmd("ZCOUNT").arg(&self.key).arg(start.bound()).arg(format!("({}", until.from));
        Some(self.recent.between(start.from, until.from))
    }

    /// Takes the replies; returns the members that were not returned before, by score.
    ///
    /// # Errors
    /// The server's error, for a key of another type.
    pub(super) fn take(
        &mut self,
        asked: Asked,
        now: UnixSeconds,
        replies: &mut impl Iterator<Item = Value>,
    ) -> Result<Vec<Member>, String> {
        let pages: Vec<Value> = replies.by_ref().take(asked.pages).collect();
        let count = asked.expected.and_then(|expected| Some((expected, replies.next()?)));
        let mut members = Vec::new();
        for page in pages {
            members.extend(page_members(page)?);
        }
        let oversized_at = members.iter().rev().find(|(member, score)| is_too_long(member) && *score <= now);
        self.oversized_at = oversized_at.map_or(self.oversized_at, |(_, score)| Some(*score));
        self.advance(asked, now, &members);
        members.retain(|(member, score)| self.recent.is_new(member, *score));
        self.has_returned |= !members.is_empty();
        if let Some(cursor) = self.cursor {
            self.recent.forget(cursor - HORIZON);
        }
        if let Some((expected, Value::Int(found))) = count {
            self.reread = usize::try_from(found).is_ok_and(|found| found > expected);
        }
        Ok(members)
    }

    /// Moves the cursor, never past `now`: one member from the future must not hide the present.
    fn advance(&mut self, asked: Asked, now: UnixSeconds, members: &[Member]) {
        let ReadPosition { from, exclusive, skip } = asked.start;
        let reached = members.last().map_or(from, |(_, score)| *score);
        self.cursor = Some(self.cursor.map_or(reached, |cursor| cursor.max(reached)).min(now));
        self.reread = false;
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
