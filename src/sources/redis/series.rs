//! All series: latency, throttling events, and this server's rolling points, each followed by a [`Tail`].
//!
//! Keeps parsed members until a whole tick succeeds: one that fails half-way drops none. Keeps no more than history can
//! hold.

use std::collections::{BTreeMap, BTreeSet};

use redis::Pipeline;

use super::replies::Replies;
use super::tail::{Asked, FEW_PAGES, MOST_PAGES, Member, Tail, Taken, Writer};
use crate::base::clock::UnixSeconds;
use crate::base::number::count_u64;
use crate::history::rolling::MOST_POINTS;
use crate::history::throttling::SHOWN;
use crate::platform::facts::{
    Facts, InputKind, LatencySeries, Malformed, Point, RollingSeries, SeriesFacts, SeriesId, ThrottlingEvent,
    Unreadable,
};
use crate::platform::keys::Keys;
use crate::platform::parse;

const HOUR: f64 = 3600.0;
const DAY: f64 = 24.0 * HOUR;
/// Entries allowed beyond the limit, to trim rarely.
const SLACK: usize = 100_000;
/// Malformed members of a tick that are listed one by one.
const LISTED: usize = 1000;

/// Seconds between two readings of the series that this server alone writes.
const OWN_EVERY: f64 = 60.0;
/// Seconds for which they are read in every tick after a point of somebody else's was among them.
const SHARED_SECONDS: f64 = 300.0;

/// What one round trip reads, by index of the series.
pub(super) type SeriesQuery = Vec<(usize, Asked)>;

/// The contents of a sorted set.
#[derive(Debug, Clone, Copy)]
enum Holds {
    Latency(LatencySeries),
    Rolling(RollingSeries),
    Throttling,
}

#[derive(Debug)]
pub(super) struct SeriesReader {
    tails: Vec<(Holds, Tail)>,
    /// Most entries of a series that are kept.
    most: usize,
    latency: BTreeMap<LatencySeries, Vec<Point>>,
    rolling: BTreeMap<RollingSeries, Vec<Point>>,
    throttling: Vec<ThrottlingEvent>,
    malformed: Vec<Malformed>,
    unlisted: BTreeMap<InputKind, u64>,
    dropped_before_load: u64,
    facts: BTreeMap<SeriesId, SeriesFacts>,
    /// Series that the last read could not read.
    unreadable: BTreeSet<Unreadable>,
    /// When the rolling series were read last.
    own_read: Option<UnixSeconds>,
    /// Whether nobody else should write the rolling series.
    is_alone: bool,
    /// Until then somebody else is taken to write them all the same.
    shared_until: UnixSeconds,
}

impl SeriesReader {
    pub(super) fn new(keys: &Keys, most: usize) -> Self {
        let tail = |key, writer| Tail::new(key, writer, HOUR, MOST_PAGES);
        let latency =
            LatencySeries::ALL.map(|series| (Holds::Latency(series), tail(keys.latency(series), Writer::Workers)));
        let rolling =
            RollingSeries::all().map(|series| (Holds::Rolling(series), tail(keys.rolling(series), Writer::Server)));
        // An event is as large as dozens of points.
        let throttling = (Holds::Throttling, Tail::new(keys.throttling_events(), Writer::Workers, DAY, FEW_PAGES));
        Self {
            tails: latency.into_iter().chain(rolling).chain([throttling]).collect(),
            most,
            latency: BTreeMap::new(),
            rolling: BTreeMap::new(),
            throttling: Vec::new(),
            malformed: Vec::new(),
            unlisted: BTreeMap::new(),
            dropped_before_load: 0,
            facts: BTreeMap::new(),
            unreadable: BTreeSet::new(),
            own_read: None,
            is_alone: false,
            shared_until: f64::NEG_INFINITY,
        }
    }

    /// The throttling events that were read so far. Those that take the place of earlier ones stay for the facts, which say so.
    pub(super) fn take_events(&mut self) -> Vec<ThrottlingEvent> {
        let is_restarted = self.facts.get(&SeriesId::Throttling).is_some_and(|facts| facts.restarted);
        if is_restarted { Vec::new() } else { std::mem::take(&mut self.throttling) }
    }

    /// Forgets what was read: the next reads return the whole retention again.
    pub(super) fn read_again(&mut self) {
        self.tails.iter_mut().for_each(|(_, tail)| tail.restart());
    }

    /// Whether the last read left entries for the next.
    pub(super) fn is_behind(&self) -> bool {
        self.tails.iter().any(|(_, tail)| tail.is_behind())
    }

    /// Adds the commands. Where this server `is_alone` in writing the rolling series, it knows their points, and reads them
    /// only now and then.
    pub(super) fn ask(&mut self, now: UnixSeconds, is_alone: bool, pipeline: &mut Pipeline) -> SeriesQuery {
        let is_recent = self.own_read.is_some_and(|read| (0.0..OWN_EVERY).contains(&(now - read)));
        let skips_own = is_alone && is_recent && now >= self.shared_until;
        self.is_alone = is_alone;
        if !skips_own {
            self.own_read = Some(now);
        }
        let tails = self.tails.iter_mut().enumerate();
        let read = tails.filter(|(_, (_, tail))| !(skips_own && tail.is_own()) || tail.is_behind());
        read.map(|(index, (_, tail))| (index, tail.ask(now, pipeline))).collect()
    }

    /// The same of the series alone whose last read left entries.
    pub(super) fn ask_behind(&mut self, now: UnixSeconds, pipeline: &mut Pipeline) -> SeriesQuery {
        let behind = self.tails.iter_mut().enumerate().filter(|(_, (_, tail))| tail.is_behind());
        behind.map(|(index, (_, tail))| (index, tail.ask(now, pipeline))).collect()
    }

    pub(super) fn take(&mut self, asked: SeriesQuery, now: UnixSeconds, replies: &mut Replies) {
        for (index, asked) in asked {
            let Some((holds, tail)) = self.tails.get_mut(index) else { return };
            let (holds, key) = (*holds, tail.key().to_owned());
            match tail.take(asked, now, replies) {
                Ok(taken) => {
                    let lag = tail.lag(now);
                    holds.fact().map(|fact| self.unreadable.remove(&fact));
                    self.note(holds, &taken, lag);
                    if self.is_alone && matches!(holds, Holds::Rolling(_)) && !taken.members.is_empty() {
                        self.shared_until = now + SHARED_SECONDS;
                    }
                    self.keep(holds, &key, taken.members);
                }
                Err(problem) => {
                    self.unreadable.extend(holds.fact());
                    self.record_malformed(holds.kind(), &key, problem);
                }
            }
        }
    }

    /// Adds what a read found out to the facts; drops what is kept of a series that starts over.
    fn note(&mut self, holds: Holds, taken: &Taken, lag: f64) {
        if taken.restarted {
            match holds {
                Holds::Latency(series) => drop(self.latency.remove(&series)),
                Holds::Rolling(series) => drop(self.rolling.remove(&series)),
                Holds::Throttling => self.throttling.clear(),
            }
        }
        if taken.restarted || !matches!(holds, Holds::Rolling(_)) {
            let facts = self.facts.entry(holds.id()).or_default();
            facts.restarted |= taken.restarted;
            facts.late += taken.late;
            facts.ahead = taken.ahead;
            facts.lag_seconds = (!matches!(holds, Holds::Rolling(_))).then_some(lag);
        }
    }

    /// Records whether the points were written.
    pub(super) fn confirm(&mut self, written: bool) {
        self.tails.iter_mut().for_each(|(_, tail)| tail.confirm(written));
    }

    /// Records a point that this server is about to write.
    pub(super) fn wrote(&mut self, series: RollingSeries, member: &str, at: UnixSeconds) {
        let own = |holds: &Holds| matches!(holds, Holds::Rolling(known) if *known == series);
        if let Some((_, tail)) = self.tails.iter_mut().find(|(holds, _)| own(holds)) {
            tail.wrote(member.as_bytes(), at);
        }
    }

    fn keep(&mut self, holds: Holds, key: &str, members: Vec<Member>) {
        match holds {
            Holds::Latency(series) => {
                let points = self.points(holds, key, members);
                let kept = self.latency.entry(series).or_default();
                kept.extend(points);
                let dropped = trimmed(kept, self.most, SLACK, |point| point.at);
                self.lose(SeriesId::Latency(series), dropped);
            }
            Holds::Rolling(series) => {
                let points = self.points(holds, key, members);
                let kept = self.rolling.entry(series).or_default();
                kept.extend(points);
                let dropped = trimmed(kept, MOST_POINTS, SLACK, |point| point.at);
                self.lose(SeriesId::Rolling(series), dropped);
            }
            Holds::Throttling => self.keep_events(key, members),
        }
    }

    fn points(&mut self, holds: Holds, key: &str, members: Vec<Member>) -> Vec<Point> {
        let mut points = Vec::with_capacity(members.len());
        for (member, score) in members {
            match parse::series_member(&member, score) {
                Ok(point) => points.push(point),
                Err(error) => self.record_malformed(holds.kind(), key, error.to_string()),
            }
        }
        points
    }

    /// The shown part of an event is large: only the newest keep it.
    fn keep_events(&mut self, key: &str, members: Vec<Member>) {
        let shown_from = self.throttling.len().saturating_sub(SHOWN);
        for (member, score) in members {
            let event = parse::throttling_event(&member, score);
            if event.detail.is_none() {
                self.record_malformed(InputKind::ThrottlingEvent, key, "is not a JSON object".to_owned());
            }
            self.throttling.push(event);
        }
        let shown_to = self.throttling.len().saturating_sub(SHOWN);
        let older = self.throttling.get_mut(shown_from..shown_to).unwrap_or_default();
        older.iter_mut().filter_map(|event| event.detail.as_mut()).for_each(|detail| detail.shown = None);
        let dropped = trimmed(&mut self.throttling, self.most, SLACK, |event| event.at);
        self.lose(SeriesId::Throttling, dropped);
    }

    fn record_malformed(&mut self, kind: InputKind, key: &str, problem: String) {
        if self.malformed.len() < LISTED {
            self.malformed.push(Malformed { kind, key: key.to_owned(), problem });
        } else {
            *self.unlisted.entry(kind).or_default() += 1;
        }
    }

    /// Drops what is beyond the limits.
    fn trim(&mut self) {
        let (most, of) = (self.most, |point: &Point| point.at);
        let latency =
            self.latency.iter_mut().map(|(series, kept)| (SeriesId::Latency(*series), trimmed(kept, most, 0, of)));
        let rolling = self
            .rolling
            .iter_mut()
            .map(|(series, kept)| (SeriesId::Rolling(*series), trimmed(kept, MOST_POINTS, 0, of)));
        let throttling = (SeriesId::Throttling, trimmed(&mut self.throttling, most, 0, |event| event.at));
        let dropped: Vec<_> = latency.chain(rolling).chain([throttling]).collect();
        dropped.into_iter().for_each(|(series, dropped)| self.lose(series, dropped));
    }

    fn lose(&mut self, series: SeriesId, dropped: Dropped) {
        let Some((entries, newest)) = dropped else { return };
        self.dropped_before_load += entries;
        let facts = self.facts.entry(series).or_default();
        facts.dropped += entries;
        facts.dropped_up_to = facts.dropped_up_to.max(newest);
    }

    /// Moves what was read since the last call into the facts.
    pub(super) fn drain_into(&mut self, signals: &mut Facts) {
        self.trim();
        self.latency.retain(|_, points| !points.is_empty());
        self.rolling.retain(|_, points| !points.is_empty());
        signals.latency = std::mem::take(&mut self.latency);
        signals.rolling = std::mem::take(&mut self.rolling);
        signals.throttling_events = std::mem::take(&mut self.throttling);
        signals.series = std::mem::take(&mut self.facts);
        signals.unreadable.extend(&self.unreadable);
        signals.malformed.append(&mut self.malformed);
        signals.malformed_unlisted = std::mem::take(&mut self.unlisted);
        signals.dropped_before_load = std::mem::take(&mut self.dropped_before_load);
    }
}

/// How many entries were dropped, and the time of the newest of them; `None` if none was.
type Dropped = Option<(u64, UnixSeconds)>;

/// Drops the first entries, which are the oldest, if there are more than `most` and `slack`.
fn trimmed<T>(entries: &mut Vec<T>, most: usize, slack: usize, at: fn(&T) -> UnixSeconds) -> Dropped {
    let excess = entries.len().saturating_sub(most);
    if excess <= slack {
        return None;
    }
    let newest = entries.get(excess.checked_sub(1)?).map_or(f64::NEG_INFINITY, at);
    entries.drain(..excess);
    Some((count_u64(excess), newest))
}

impl Holds {
    const fn id(self) -> SeriesId {
        match self {
            Self::Latency(series) => SeriesId::Latency(series),
            Self::Rolling(series) => SeriesId::Rolling(series),
            Self::Throttling => SeriesId::Throttling,
        }
    }

    /// What is unknown if it cannot be read. The rolling series' own points are in history in any case.
    const fn fact(self) -> Option<Unreadable> {
        match self {
            Self::Latency(series) => Some(Unreadable::Latency(series)),
            Self::Throttling => Some(Unreadable::Throttling),
            Self::Rolling(_) => None,
        }
    }

    const fn kind(self) -> InputKind {
        match self {
            Self::Latency(_) | Self::Rolling(_) => InputKind::SeriesMember,
            Self::Throttling => InputKind::ThrottlingEvent,
        }
    }
}
