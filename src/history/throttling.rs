//! Throttling events of a day: what periods count of each, and the newest ones as consoles show them.
//!
//! There may be millions, so a kept event is small: reasons and sessions are shared texts, and only the newest events
//! keep the part that consoles show.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use serde_json::Value;

use super::Window;
use super::losses::Losses;
use crate::base::clock::UnixSeconds;
use crate::base::number;
use crate::platform::facts::{ThrottlingDetail, ThrottlingEvent};

/// Events are kept for the longest period that is counted.
const KEPT_SECONDS: f64 = 24.0 * 3600.0;

/// Events that keep their shown part: more than are shown at once, because some may be in the future.
pub const SHOWN: usize = 200;

/// Unused texts are removed after this many new ones.
const SWEEP_AFTER: usize = 10_000;

/// One event, as periods and windows count it.
#[derive(Debug, Clone, PartialEq)]
pub struct Throttled {
    pub at: UnixSeconds,
    /// `None` for an event that could not be read: it counts, without reason or status.
    pub detail: Option<Detail>,
}

/// The counted part of a readable event.
#[derive(Debug, Clone, PartialEq)]
pub struct Detail {
    pub reason: Option<Arc<str>>,
    pub http_status: Option<i64>,
    pub session_id: Option<Arc<str>>,
}

/// The events, oldest first.
#[derive(Debug)]
pub struct Throttling {
    most: usize,
    events: VecDeque<Throttled>,
    /// The newest events again, each with its shown part.
    shown: VecDeque<(UnixSeconds, Option<Value>)>,
    texts: HashSet<Arc<str>>,
    /// New texts since the last sweep.
    added: usize,
    dropped: u64,
    losses: Losses,
}

impl Throttling {
    pub(super) fn new(most: usize) -> Self {
        Self {
            most,
            events: VecDeque::new(),
            shown: VecDeque::new(),
            texts: HashSet::new(),
            added: 0,
            dropped: 0,
            losses: Losses::default(),
        }
    }

    /// Every event, oldest first.
    #[must_use]
    pub const fn events(&self) -> &VecDeque<Throttled> {
        &self.events
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

    /// Drops all events.
    pub(super) fn clear(&mut self) {
        self.events.clear();
        self.shown.clear();
        self.texts.clear();
        self.losses = Losses::default();
    }

    /// Adds events, drops what no period reaches, and the oldest beyond the limit.
    pub(super) fn absorb(&mut self, events: Vec<ThrottlingEvent>, now: UnixSeconds) {
        events.into_iter().for_each(|event| self.add(event));
        let expired = self.events.partition_point(|event| event.at < now - KEPT_SECONDS);
        let excess = self.events.len().saturating_sub(self.most).max(expired);
        let dropped = number::count_u64(excess - expired);
        self.dropped += dropped;
        let newest = excess.checked_sub(1).and_then(|last| self.events.get(last)).map(|event| event.at);
        newest.into_iter().for_each(|at| self.losses.add(at, dropped));
        self.losses.expire(now);
        self.events.drain(..excess);
        self.sweep();
    }

    fn add(&mut self, event: ThrottlingEvent) {
        let ThrottlingEvent { at, detail } = event;
        let (detail, shown) = match detail {
            None => (None, None),
            Some(ThrottlingDetail { reason, http_status, session_id, shown }) => {
                let (reason, session_id) = (self.text(reason), self.text(session_id));
                (Some(Detail { reason, http_status, session_id }), shown)
            }
        };
        // Nearly always the back: events are late only by clock skew.
        let position = self.events.partition_point(|kept| kept.at <= at);
        self.events.insert(position, Throttled { at, detail });
        let position = self.shown.partition_point(|(kept, _)| *kept <= at);
        self.shown.insert(position, (at, shown));
        if self.shown.len() > SHOWN {
            self.shown.pop_front();
        }
    }

    /// The text, shared by all events that have it.
    fn text(&mut self, text: Option<String>) -> Option<Arc<str>> {
        let text = text?;
        if let Some(known) = self.texts.get(text.as_str()) {
            return Some(Arc::clone(known));
        }
        let new: Arc<str> = text.into();
        self.texts.insert(Arc::clone(&new));
        self.added += 1;
        Some(new)
    }

    fn sweep(&mut self) {
        if self.added >= SWEEP_AFTER {
            self.texts.retain(|text| Arc::strong_count(text) > 1);
            self.added = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(at: f64, session: &str) -> ThrottlingEvent {
        let session_id = Some(session.to_owned());
        let detail = ThrottlingDetail { reason: None, http_status: Some(429), session_id, shown: Some(at.into()) };
        ThrottlingEvent { at, detail: Some(detail) }
    }

    fn times(throttling: &Throttling) -> Vec<f64> {
        throttling.events().iter().map(|event| event.at).collect()
    }

    #[test]
    fn a_day_is_kept_in_order_of_time() {
        let mut throttling = Throttling::new(10);
        throttling.absorb(vec![event(90_000.0, "a"), event(3600.0, "a"), event(3599.0, "a")], 90_000.0);
        assert_eq!((times(&throttling), throttling.dropped()), (vec![3600.0, 90_000.0], 0));
    }

    #[test]
    fn beyond_the_limit_the_oldest_are_dropped_and_counted() {
        let mut throttling = Throttling::new(2);
        throttling.absorb((1..=5).map(|second| event(f64::from(second), "a")).collect(), 5.0);
        assert_eq!((times(&throttling), throttling.dropped()), (vec![4.0, 5.0], 3));
    }

    #[test]
    fn only_the_newest_keep_their_shown_part_and_future_ones_wait() {
        let mut throttling = Throttling::new(10_000);
        throttling.absorb((0..1600).map(|second| event(f64::from(second), "a")).collect(), 1500.0);
        assert_eq!(throttling.shown.len(), SHOWN);
        let newest: Vec<f64> = throttling.newest(1500.0).map(|(at, _)| *at).take(2).collect();
        assert_eq!(newest, [1500.0, 1499.0]);
    }

    #[test]
    fn texts_are_shared_and_dropped_with_their_last_event() {
        let mut throttling = Throttling::new(SWEEP_AFTER);
        throttling.absorb((0..SWEEP_AFTER).map(|n| event(1.0, &format!("s{}", n / 2))).collect(), 1.0);
        assert_eq!(throttling.texts.len(), SWEEP_AFTER / 2);
        throttling.absorb((0..SWEEP_AFTER).map(|n| event(90_000.0, &format!("t{n}"))).collect(), 90_001.0);
        assert_eq!(throttling.texts.len(), SWEEP_AFTER);
    }
}
