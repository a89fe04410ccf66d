//! Follows one sorted set by score: hands each member over once, also members that come late.
//!
//! A tick asks for what lies after a cursor, with a small overlap, and for the *number* of members
//! well before it. If more are there than were handed over, some came late (their writer's clock
//! runs behind), and the next tick reads that stretch again. So the usual cost is that of the new
//! members alone. A reading that its pages cut short goes on where it ended.

use redis::{Pipeline, Value};

use super::recent::Recent;
use super::replies::error_text;
use super::truncate::TRUNCATED_BYTES;
use crate::base::clock::UnixSeconds;

/// Members asked for in one command: Redis replies in a few milliseconds.
pub(super) const PAGE: usize = 5000;
/// Read again on every tick, but no more than so many members of it.
const OVERLAP: f64 = 2.0;
const OVERLAP_MEMBERS: usize = 1000;
/// How far back late members are noticed.
pub(super) const HORIZON: f64 = 300.0;
/// Members further ahead than this wait until their time is nearer: a clock that runs so far ahead is
/// wrong, and what it wrote must not push out the present.
const AHEAD: f64 = 300.0;
/// Most pages of one reading while the history is loaded, so that little of it is held at once, and
/// later of large members.
pub(super) const FEW_PAGES: usize = 4;
/// Most pages of one reading later, so that what arrives in a tick can be read in a tick.
pub(super) const MOST_PAGES: usize = 16;

/// A member with its score.
pub(super) type Member = (Vec<u8>, UnixSeconds);

/// The state of following one sorted set.
#[derive(Debug)]
pub(super) struct Tail {
    key: String,
    /// How far back the first reading goes, seconds.
    retention: f64,
    /// Everything up to here was read; `None` before the first reading.
    cursor: Option<UnixSeconds>,
    /// Where a reading that was cut short goes on.
    resume: Option<ReadPosition>,
    /// Whether a reading has reached the end yet.
    loaded: bool,
    most_pages: usize,
    /// Pages to ask for: what the last reading needed, or more when that was not enough.
    pages: usize,
    recent: Recent,
    /// Late members were noticed: read the whole horizon again.
    reread: bool,
    /// Where the newest member stands that came cut, because it is too long: reading on begins behind
    /// it, so that it comes over the network once and not on every tick.
    oversized_at: Option<UnixSeconds>,
}

/// Where a reading begins.
#[derive(Debug, Clone, Copy)]
struct ReadPosition {
    from: UnixSeconds,
    /// Members of exactly `from` were handed over and forgotten.
    exclusive: bool,
    /// Members to pass over, all of score `from`.
    skip: usize,
}

/// Where in a pipeline's replies a tail's own stand, and what was asked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    pages: usize,
    /// Members that were handed over in the stretch that is counted.
    expected: Option<usize>,
    place: ReadPosition,
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
            reread: false,
            oversized_at: None,
        }
    }

    pub(super) fn key(&self) -> &str {
        &self.key
    }

    /// Whether the last reading was cut short by its pages.
    pub(super) const fn is_behind(&self) -> bool {
        self.resume.is_some()
    }

    /// Notes a member that this server wrote itself: it is not handed over.
    pub(super) fn wrote(&mut self, member: &[u8], score: UnixSeconds) {
        self.recent.is_new(member, score);
    }

    /// Adds this tick's questions to a pipeline.
    pub(super) fn ask(&self, now: UnixSeconds, pipeline: &mut Pipeline) -> Asked {
        let oldest = now - self.retention;
        let place = self.place(oldest);
        for page in 0..self.pages {
            let range = pipeline.cmd("ZRANGEBYSCORE").arg(&self.key).arg(place.bound()).arg(now + AHEAD);
            range.arg("WITHSCORES").arg("LIMIT").arg(place.skip + page * PAGE).arg(PAGE);
        }
        Asked { pages: self.pages, expected: self.ask_count(oldest, place, pipeline), place }
    }

    fn place(&self, oldest: UnixSeconds) -> ReadPosition {
        match (self.resume, self.cursor) {
            (Some(place), _) if place.from >= oldest => place,
            (_, None) => ReadPosition { from: oldest, exclusive: false, skip: 0 },
            (_, Some(cursor)) if self.reread => self.remembered(cursor - HORIZON, oldest),
            (_, Some(cursor)) => {
                let crowded = self.recent.back(OVERLAP_MEMBERS, cursor).unwrap_or(f64::NEG_INFINITY);
                let place = self.remembered((cursor - OVERLAP).max(crowded), oldest);
                let oversized_at = self.oversized_at.filter(|at| *at >= place.from);
                oversized_at.map_or(place, |from| ReadPosition { from, exclusive: true, skip: 0 })
            }
        }
    }

    /// A place no further back than what was handed over is remembered.
    fn remembered(&self, from: UnixSeconds, oldest: UnixSeconds) -> ReadPosition {
        let from = from.max(oldest);
        match self.recent.forgotten_up_to() {
            Some(floor) if floor >= from => ReadPosition { from: floor, exclusive: true, skip: 0 },
            _ => ReadPosition { from, exclusive: false, skip: 0 },
        }
    }

    /// Asks for the number of members between the horizon and where the reading begins.
    fn ask_count(&self, oldest: UnixSeconds, until: ReadPosition, pipeline: &mut Pipeline) -> Option<usize> {
        let cursor = self.cursor.filter(|_| !self.reread && self.resume.is_none())?;
        let start = self.remembered(cursor - HORIZON, oldest);
        pipeline.cmd("ZCOUNT").arg(&self.key).arg(start.bound()).arg(format!("({}", until.from));
        Some(self.recent.between(start.from, until.from))
    }

    /// Takes the replies; gives the members that were not handed over before, by score.
    ///
    /// # Errors
    /// The server's own words, for a key of another type.
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
        let oversized_at =
            members.iter().rev().find(|(member, score)| member.len() >= TRUNCATED_BYTES && *score <= now);
        self.oversized_at = oversized_at.map_or(self.oversized_at, |(_, score)| Some(*score));
        self.move_on(asked, now, &members);
        members.retain(|(member, score)| self.recent.is_new(member, *score));
        if let Some(cursor) = self.cursor {
            self.recent.forget(cursor - HORIZON);
        }
        if let Some((expected, Value::Int(found))) = count {
            self.reread = usize::try_from(found).is_ok_and(|found| found > expected);
        }
        Ok(members)
    }

    /// Moves the cursor, never past `now`: one member from the future must not hide the present.
    fn move_on(&mut self, asked: Asked, now: UnixSeconds, members: &[Member]) {
        let ReadPosition { from, exclusive, skip } = asked.place;
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

/// The members of one answer to ZRANGEBYSCORE … WITHSCORES.
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

/// A score, in whatever form the protocol version gives it.
pub(super) fn number(value: &Value) -> Option<f64> {
    match value {
        Value::BulkString(bytes) => {
            std::str::from_utf8(bytes).ok()?.parse().ok().filter(|score: &f64| score.is_finite())
        }
        Value::Double(number) => Some(*number).filter(|score| score.is_finite()),
        _ => None,
    }
}
