//! What is counted of the events of the last minutes or hours: it moves with the events that come and go.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;

use super::event::{Event, KindCounts, subtract};
use super::sessions::SessionCounts;
use crate::base::clock::UnixSeconds;

/// Every zone's hours begin at a quarter of an hour.
pub const QUARTER_SECONDS: f64 = 900.0;

/// The events of the last `seconds`; both bounds are inclusive.
#[derive(Debug)]
pub(super) struct Span {
    seconds: f64,
    start: UnixSeconds,
    end: UnixSeconds,
    pub(super) kinds: KindCounts,
    /// `None` of a window, which counts by kind alone.
    pub(super) details: Option<Details>,
}

/// What a period counts more than a window.
#[derive(Debug, Default)]
pub(super) struct Details {
    /// By quarters of an hour since the epoch.
    pub(super) quarters: BTreeMap<i64, i64>,
    pub(super) sessions: SessionCounts,
}

impl Span {
    pub(super) fn window(seconds: f64) -> Self {
        let (start, end) = (f64::NEG_INFINITY, f64::NEG_INFINITY);
        Self { seconds, start, end, kinds: KindCounts::default(), details: None }
    }

    pub(super) fn period(seconds: f64) -> Self {
        Self { details: Some(Details::default()), ..Self::window(seconds) }
    }

    /// Counts nothing any more.
    pub(super) fn clear(&mut self) {
        *self = if self.details.is_some() { Self::period(self.seconds) } else { Self::window(self.seconds) };
    }

    /// Counts an event that came late, between others that are counted.
    pub(super) fn came(&mut self, event: &Event) {
        if self.covers(event) {
            self.add(event);
        }
    }

    /// No longer counts an event that is dropped.
    pub(super) fn went(&mut self, event: &Event) {
        if self.covers(event) {
            self.remove(event);
        }
    }

    /// Moves to the events up to `now`.
    pub(super) fn advance(&mut self, events: &VecDeque<Event>, now: UnixSeconds) {
        if now < self.end {
            self.clear();
        }
        let (start, end) = (now - self.seconds, now);
        let before = |limit: f64| events.partition_point(|event| event.at < limit);
        let up_to = |limit: f64| events.partition_point(|event| event.at <= limit);
        let gone = before(self.start)..before(start).min(up_to(self.end));
        let come = up_to(self.end).max(before(start))..up_to(end);
        range(events, gone).for_each(|event| self.remove(event));
        range(events, come).for_each(|event| self.add(event));
        (self.start, self.end) = (start, end);
        let within = before(start)..up_to(end);
        if let Some(details) = &mut self.details {
            details.sessions.rank(events, within);
        }
    }

    fn covers(&self, event: &Event) -> bool {
        (self.start..=self.end).contains(&event.at)
    }

    fn add(&mut self, event: &Event) {
        self.kinds.add(event.kind);
        let Some(details) = &mut self.details else { return };
        *details.quarters.entry(quarter(event.at)).or_default() += 1;
        event.session().into_iter().for_each(|session| details.sessions.add(session, event.at));
    }

    fn remove(&mut self, event: &Event) {
        self.kinds.remove(event.kind);
        let Some(details) = &mut self.details else { return };
        subtract(&mut details.quarters, quarter(event.at));
        event.session().into_iter().for_each(|session| details.sessions.remove(session));
    }
}

fn range(events: &VecDeque<Event>, places: Range<usize>) -> impl Iterator<Item = &Event> {
    events.range(places.start.min(places.end)..places.end)
}

/// Quarters of an hour since the epoch.
#[expect(clippy::cast_possible_truncation, reason = "saturates; what is out of range has no name")]
fn quarter(at: UnixSeconds) -> i64 {
    (at / QUARTER_SECONDS).floor() as i64
}
