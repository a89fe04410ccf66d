//! All series that are followed: latency, throttling events, and our own rolling points.
//!
//! Parses members and keeps them until a whole tick succeeded, so that a tick that fails half-way
//! loses none. How one sorted set is followed is `tail`'s matter.

use std::collections::BTreeMap;

use redis::Pipeline;

use super::answers::Answers;
use super::keys::Keys;
use super::tail::{Asked, Member, Tail};
use crate::signals::{
    InputKind, LatencySeries, Malformed, Point, RollingSeries, Signals, ThrottlingEvent, UnixSeconds, parse,
};

const HOUR: f64 = 3600.0;
const DAY: f64 = 24.0 * HOUR;

/// What a followed set holds.
#[derive(Debug, Clone, Copy)]
enum Holds {
    Latency(LatencySeries),
    Rolling(RollingSeries),
    Throttling,
}

/// Follows every series.
#[derive(Debug)]
pub(super) struct SeriesReader {
    tails: Vec<(Holds, Tail)>,
    latency: BTreeMap<LatencySeries, Vec<Point>>,
    rolling: BTreeMap<RollingSeries, Vec<Point>>,
    throttling: Vec<ThrottlingEvent>,
    malformed: Vec<Malformed>,
}

impl SeriesReader {
    pub(super) fn new(keys: &Keys) -> Self {
        let latency = LatencySeries::ALL.map(|series| (Holds::Latency(series), Tail::new(keys.latency(series), HOUR)));
        let rolling =
            RollingSeries::all().map(|series| (Holds::Rolling(series), Tail::new(keys.rolling(series), HOUR)));
        let throttling = (Holds::Throttling, Tail::new(keys.throttling_events(), DAY));
        Self {
            tails: latency.into_iter().chain(rolling).chain([throttling]).collect(),
            latency: BTreeMap::new(),
            rolling: BTreeMap::new(),
            throttling: Vec::new(),
            malformed: Vec::new(),
        }
    }

    /// Whether more is there than the last reading took.
    pub(super) fn is_behind(&self) -> bool {
        self.tails.iter().any(|(_, tail)| tail.is_behind())
    }

    pub(super) fn ask(&self, now: UnixSeconds, pipeline: &mut Pipeline) -> Vec<Asked> {
        self.tails.iter().map(|(_, tail)| tail.ask(now, pipeline)).collect()
    }

    pub(super) fn take(&mut self, asked: Vec<Asked>, now: UnixSeconds, answers: &mut Answers) {
        for (index, asked) in asked.into_iter().enumerate() {
            let Some((holds, tail)) = self.tails.get_mut(index) else { return };
            let (holds, key) = (*holds, tail.key().to_owned());
            match tail.take(asked, now, answers) {
                Ok(members) => self.keep(holds, &key, members),
                Err(problem) => self.malformed.push(Malformed { kind: holds.kind(), key, problem }),
            }
        }
    }

    fn keep(&mut self, holds: Holds, key: &str, members: Vec<Member>) {
        if let Holds::Throttling = holds {
            let events = members.into_iter().map(|(member, score)| parse::throttling_event(&member, score));
            let whole_before = self.throttling.len().saturating_sub(ThrottlingEvent::KEPT_WHOLE);
            self.throttling.extend(events);
            let whole = self.throttling.len().saturating_sub(ThrottlingEvent::KEPT_WHOLE);
            let old = self.throttling.iter_mut().take(whole).skip(whole_before);
            old.for_each(ThrottlingEvent::shorten);
            return;
        }
        let mut points = Vec::with_capacity(members.len());
        for (member, score) in members {
            match parse::series_member(&member, score) {
                Ok(point) => points.push(point),
                Err(problem) => self.malformed.push(Malformed { kind: holds.kind(), key: key.to_owned(), problem }),
            }
        }
        match holds {
            _ if points.is_empty() => {}
            Holds::Latency(series) => self.latency.entry(series).or_default().append(&mut points),
            Holds::Rolling(series) => self.rolling.entry(series).or_default().append(&mut points),
            Holds::Throttling => {}
        }
    }

    /// Hands over what was read since the last time.
    pub(super) fn hand_over(&mut self, signals: &mut Signals) {
        signals.latency = std::mem::take(&mut self.latency);
        signals.rolling = std::mem::take(&mut self.rolling);
        signals.throttling_events = std::mem::take(&mut self.throttling);
        signals.malformed.append(&mut self.malformed);
    }
}

impl Holds {
    const fn kind(self) -> InputKind {
        match self {
            Self::Latency(_) | Self::Rolling(_) => InputKind::SeriesMember,
            Self::Throttling => InputKind::ThrottlingEvent,
        }
    }
}
