//! Follows one sorted set by score: hands each member over once, also members that come late.
//!
//! A tick asks for what lies after a cursor, with a small overlap, and for the *number* of members
//! well before it. If more are there than were handed over, some came late (their writer's clock
//! runs behind), and the next tick reads that stretch again. So the usual cost is that of the new
//! members alone.

use std::collections::{HashSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};

use redis::{Pipeline, Value};

use super::answers::error_text;
use super::cut::CUT;
use crate::signals::UnixSeconds;

/// Members asked for in one command: Redis answers in a few milliseconds.
pub(super) const PAGE: usize = 5000;
/// Read again on every tick.
const OVERLAP: f64 = 2.0;
/// How far back late members are noticed.
const HORIZON: f64 = 300.0;
/// Most pages of one tick; what is left comes with the next.
const MOST_PAGES: usize = 4;

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
    /// Pages to ask for; grows while the answers are full.
    pages: usize,
    /// Scores and hashes of what was handed over within the horizon, by score.
    recent: VecDeque<(UnixSeconds, u64)>,
    known: HashSet<u64>,
    /// Late members were noticed: read the whole horizon again.
    reread: bool,
    /// Where the newest member stands that came cut, because it is too long: reading on begins behind
    /// it, so that it comes over the network once and not on every tick.
    obstacle: Option<UnixSeconds>,
}

/// Where in a pipeline's answers a tail's own stand.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    pages: usize,
    /// Members that were handed over in the stretch that is counted.
    expected: Option<usize>,
    from: UnixSeconds,
}

impl Tail {
    pub(super) fn new(key: String, retention: f64) -> Self {
        Self {
            key,
            retention,
            cursor: None,
            pages: 1,
            recent: VecDeque::new(),
            known: HashSet::new(),
            reread: false,
            obstacle: None,
        }
    }

    pub(super) fn key(&self) -> &str {
        &self.key
    }

    /// Whether the last reading was cut short by its pages.
    pub(super) const fn is_behind(&self) -> bool {
        self.pages > 1
    }

    /// Adds this tick's questions to a pipeline.
    pub(super) fn ask(&self, now: UnixSeconds, pipeline: &mut Pipeline) -> Asked {
        let oldest = now - self.retention;
        let from = match self.cursor {
            None => oldest,
            Some(cursor) if self.reread => (cursor - HORIZON).max(oldest),
            Some(cursor) => (cursor - OVERLAP).max(oldest),
        };
        let first = match self.obstacle.filter(|at| *at >= from && !self.reread) {
            Some(obstacle) => format!("({obstacle}"),
            None => from.to_string(),
        };
        for page in 0..self.pages {
            let range = pipeline.cmd("ZRANGEBYSCORE").arg(&self.key).arg(&first).arg("+inf").arg("WITHSCORES");
            range.arg("LIMIT").arg(page * PAGE).arg(PAGE);
        }
        Asked { pages: self.pages, expected: self.ask_count(oldest, pipeline), from }
    }

    /// Asks for the number of members between the horizon and the overlap.
    fn ask_count(&self, oldest: UnixSeconds, pipeline: &mut Pipeline) -> Option<usize> {
        let cursor = self.cursor.filter(|_| !self.reread)?;
        let (from, to) = ((cursor - HORIZON).max(oldest), cursor - OVERLAP);
        pipeline.cmd("ZCOUNT").arg(&self.key).arg(from).arg(format!("({to}"));
        let start = self.recent.partition_point(|(score, _)| *score < from);
        Some(self.recent.partition_point(|(score, _)| *score < to).saturating_sub(start))
    }

    /// Takes the answers; gives the members that were not handed over before, by score.
    ///
    /// # Errors
    /// The server's own words, for a key of another type.
    pub(super) fn take(
        &mut self,
        asked: Asked,
        now: UnixSeconds,
        answers: &mut impl Iterator<Item = Value>,
    ) -> Result<Vec<Member>, String> {
        let pages: Vec<Value> = answers.by_ref().take(asked.pages).collect();
        let count = asked.expected.and_then(|expected| Some((expected, answers.next()?)));
        let mut members = Vec::new();
        let mut full = true;
        for page in pages {
            let before = members.len();
            members.extend(page_members(page)?);
            full &= members.len() - before == PAGE;
        }
        let last = members.last().map(|(_, score)| *score);
        let obstacle = members.iter().rev().find(|(member, score)| member.len() >= CUT && *score <= now);
        self.obstacle = obstacle.map_or(self.obstacle, |(_, score)| Some(*score));
        members.retain(|(member, score)| self.is_new(member, *score));
        self.move_on(asked, now, full, last);
        if let Some((expected, Value::Int(found))) = count {
            self.reread = usize::try_from(found).is_ok_and(|found| found > expected);
        }
        Ok(members)
    }

    /// Notes the member; false if it was handed over already.
    fn is_new(&mut self, member: &[u8], score: UnixSeconds) -> bool {
        let mut hasher = DefaultHasher::new();
        (member, score.to_bits()).hash(&mut hasher);
        let hash = hasher.finish();
        if !self.known.insert(hash) {
            return false;
        }
        let position = self.recent.partition_point(|(kept, _)| *kept <= score);
        self.recent.insert(position, (score, hash));
        true
    }

    /// Moves the cursor, never past `now`: one member from the future must not hide the present.
    fn move_on(&mut self, asked: Asked, now: UnixSeconds, full: bool, last: Option<UnixSeconds>) {
        let read_to = last.unwrap_or(asked.from);
        self.cursor = Some(self.cursor.map_or(read_to, |cursor| cursor.max(read_to)).min(now));
        self.reread = self.reread && full;
        self.pages = if full { (self.pages * 2).min(MOST_PAGES) } else { 1 };
        self.forget();
    }

    /// Members before the horizon cannot come up again.
    fn forget(&mut self) {
        let Some(cursor) = self.cursor else { return };
        while let Some((_, hash)) = self.recent.front().filter(|(score, _)| *score < cursor - HORIZON) {
            self.known.remove(hash);
            self.recent.pop_front();
        }
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
