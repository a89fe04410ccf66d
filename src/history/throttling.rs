//! Throttling events of a day: what periods and windows count of them, and the newest ones as consoles show them.
//!
//! There may be millions, so a kept event is 16 bytes: reasons and sessions are numbers of shared texts, and only the newest
//! events keep the part that consoles show. A tick costs what came and went, not what is kept.

mod counts;
mod event;
mod names;
mod packed;
mod sessions;
mod span;

use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};

use serde_json::Value;

use self::event::{Class, Event, Kind};
use self::names::Names;
use self::span::{Details, Span};
use super::Window;
use super::losses::Losses;
use crate::base::clock::UnixSeconds;
use crate::base::number;
use crate::platform::facts::{ThrottlingDetail, ThrottlingEvent};

pub use event::Tally;
pub use span::QUARTER_SECONDS;

/// The periods, in hours.
const PERIODS: [u8; 5] = [1, 3, 6, 12, 24];

const HOUR: f64 = 3600.0;
/// Events are kept for the longest period that is counted.
const KEPT_SECONDS: f64 = 24.0 * HOUR;

/// Events that keep their shown part: more than are shown at once, because some may be in the future.
pub const SHOWN: usize = 200;

/// Stands for a reason or a session that an event does not name.
const UNKNOWN: &str = "unknown";

/// One period, as of the last tick.
#[derive(Debug)]
pub struct Period<'a> {
    pub hours: i64,
    pub tally: Tally,
    pub by_reason: BTreeMap<Cow<'a, str>, i64>,
    /// By quarters of an hour since the epoch.
    pub by_quarter: &'a BTreeMap<i64, i64>,
    /// Ten at most, most events first, then the first seen.
    pub top_sessions: Vec<(Cow<'a, str>, i64)>,
}

/// The events, oldest first.
#[derive(Debug)]
pub struct Throttling {
    most: usize,
    events: VecDeque<Event>,
    reasons: Names,
    sessions: Names,
    windows: [(Window, Span); 3],
    periods: [(u8, Span); 5],
    /// The newest events again, each with its shown part.
    shown: VecDeque<(UnixSeconds, Option<Value>)>,
    dropped: u64,
    losses: Losses,
}

impl Throttling {
    pub(super) fn new(most: usize) -> Self {
        Self {
            most,
            events: VecDeque::new(),
            reasons: Names::default(),
            sessions: Names::default(),
            windows: Window::ALL.map(|window| (window, Span::window(window.seconds()))),
            periods: PERIODS.map(|hours| (hours, Span::period(f64::from(hours) * HOUR))),
            shown: VecDeque::new(),
            dropped: 0,
            losses: Losses::default(),
        }
    }

    /// The periods as of the last tick, shortest first.
    pub fn periods(&self) -> impl Iterator<Item = Period<'_>> {
        self.periods.iter().filter_map(|(hours, span)| Some(self.period(*hours, span, span.details.as_ref()?)))
    }

    /// The events of one window as of the last tick.
    #[must_use]
    pub fn window(&self, window: Window) -> Tally {
        let span = self.windows.iter().find(|(known, _)| *known == window);
        span.map(|(_, span)| span.kinds.tally()).unwrap_or_default()
    }

    /// The newest events up to `end`, newest first, each with its shown part.
    pub fn newest(&self, end: UnixSeconds) -> impl Iterator<Item = &(UnixSeconds, Option<Value>)> {
        self.shown.iter().rev().skip_while(move |(at, _)| *at > end)
    }

    /// The share of a window's events that was not lost.
    pub(super) fn fill(&self, window: Window, now: UnixSeconds) -> f64 {
        let before = |end: UnixSeconds| self.events.partition_point(|event| event.at < end);
        let kept = self.events.partition_point(|event| event.at <= now).saturating_sub(before(now - window.seconds()));
        self.losses.kept_ratio(number::count_u64(kept), window, now)
    }

    pub(super) const fn losses(&mut self) -> &mut Losses {
        &mut self.losses
    }

    pub(super) const fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Events that are kept.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.events.len()
    }

    /// Drops all events.
    pub(super) fn clear(&mut self) {
        *self = Self { dropped: self.dropped, ..Self::new(self.most) };
    }

    /// Adds events, drops what no period reaches, and the oldest beyond the limit; periods and windows end `now`.
    pub(super) fn absorb(&mut self, events: Vec<ThrottlingEvent>, now: UnixSeconds) {
        events.into_iter().for_each(|event| self.add(event));
        let expired = self.events.partition_point(|event| event.at < now - KEPT_SECONDS);
        let excess = self.events.len().saturating_sub(self.most).max(expired);
        let dropped = number::count_u64(excess - expired);
        self.dropped += dropped;
        let newest = excess.checked_sub(1).and_then(|last| self.events.get(last)).map(|event| event.at);
        newest.into_iter().for_each(|at| self.losses.add(at, dropped));
        self.losses.expire(now);
        self.drop_oldest(excess);
        let events = &self.events;
        spans(&mut self.windows, &mut self.periods).for_each(|span| span.advance(events, now));
    }

    fn drop_oldest(&mut self, excess: usize) {
        for event in self.events.drain(..excess) {
            spans(&mut self.windows, &mut self.periods).for_each(|span| span.went(&event));
            self.reasons.release(event.kind.reason());
            self.sessions.release(event.session);
        }
    }

    fn add(&mut self, event: ThrottlingEvent) {
        let ThrottlingEvent { at, detail } = event;
        let class = detail.as_ref().map_or(Class::Unreadable, |detail| Class::of_status(detail.http_status));
        let (reason, session, shown) = match detail {
            None => (None, None, None),
            Some(ThrottlingDetail { reason, session_id, shown, .. }) => (reason, session_id, shown),
        };
        let kind = Kind::new(class, self.reasons.name(reason.as_deref().unwrap_or(UNKNOWN)));
        let event = Event { at, kind, session: self.sessions.name(session.as_deref().unwrap_or(UNKNOWN)) };
        // Nearly always the back: events are late only by clock skew.
        let position = self.events.partition_point(|kept| kept.at <= at);
        self.events.insert(position, event);
        spans(&mut self.windows, &mut self.periods).for_each(|span| span.came(&event));
        let position = self.shown.partition_point(|(kept, _)| *kept <= at);
        self.shown.insert(position, (at, shown));
        if self.shown.len() > SHOWN {
            self.shown.pop_front();
        }
    }

    fn period<'a>(&'a self, hours: u8, span: &Span, details: &'a Details) -> Period<'a> {
        let mut by_reason = BTreeMap::new();
        for (reason, count) in span.kinds.reasons() {
            *by_reason.entry(self.reasons.text(reason)).or_default() += count;
        }
        let named = |(session, count): &(u32, u32)| (self.sessions.text(*session), i64::from(*count));
        Period {
            hours: hours.into(),
            tally: span.kinds.tally(),
            by_reason,
            by_quarter: &details.quarters,
            top_sessions: details.sessions.top().iter().map(named).collect(),
        }
    }
}

fn spans<'a>(
    windows: &'a mut [(Window, Span); 3],
    periods: &'a mut [(u8, Span); 5],
) -> impl Iterator<Item = &'a mut Span> {
    let windows = windows.iter_mut().map(|(_, span)| span);
    windows.chain(periods.iter_mut().map(|(_, span)| span))
}

#[cfg(test)]
mod tests;
