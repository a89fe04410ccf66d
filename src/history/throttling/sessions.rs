//! The most throttled sessions of one span, kept up with the events that come and go.
//!
//! Sessions with several events are in order of their counts. Those with one are nearly all there are, and are not kept in
//! any order: the first seen of them are found from the oldest event on, where the last search left off.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::ops::Range;

use super::counts::Counts;
use super::event::Event;
use crate::base::clock::UnixSeconds;

/// Sessions that are named.
const TOP: usize = 10;
/// First events that are remembered, beyond those of the named sessions.
const REMEMBERED: usize = 100;

/// How often the sessions were throttled.
#[derive(Debug)]
pub(super) struct SessionCounts {
    /// Events by the session's number.
    counts: Counts,
    distinct: usize,
    /// The sessions with two events or more, most first.
    repeated: BTreeSet<(Reverse<u32>, u32)>,
    /// Where the first event of a session is, or is behind.
    firsts: HashMap<u32, UnixSeconds>,
    /// No session whose only event is before this.
    singles_from: UnixSeconds,
    top: Vec<(u32, u32)>,
}

/// A session that is named: events, the place of its first one, and its number.
type Ranked = (Reverse<u32>, usize, u32);

impl Default for SessionCounts {
    fn default() -> Self {
        Self {
            counts: Counts::default(),
            distinct: 0,
            repeated: BTreeSet::new(),
            firsts: HashMap::new(),
            singles_from: f64::NEG_INFINITY,
            top: Vec::new(),
        }
    }
}

impl SessionCounts {
    pub(super) fn add(&mut self, session: u32, at: UnixSeconds) {
        let count = self.change(session, |count| count + 1);
        if count == 1 {
            self.distinct += 1;
            self.singles_from = self.singles_from.min(at);
        }
        self.firsts.entry(session).and_modify(|first| *first = first.min(at));
    }

    pub(super) fn remove(&mut self, session: u32) {
        match self.change(session, |count| count.saturating_sub(1)) {
            0 => {
                self.distinct = self.distinct.saturating_sub(1);
                self.firsts.remove(&session);
            }
            // The event that is left may be an old one.
            1 => self.singles_from = f64::NEG_INFINITY,
            _ => {}
        }
    }

    /// The named sessions with their events: most events first, then the first seen.
    pub(super) fn top(&self) -> &[(u32, u32)] {
        &self.top
    }

    /// Finds the named sessions among the events of the span, which are at `within`.
    pub(super) fn rank(&mut self, events: &VecDeque<Event>, within: Range<usize>) {
        let mut ranked: Vec<Ranked> = Vec::with_capacity(TOP);
        let best: Vec<(Reverse<u32>, u32)> = self.repeated.iter().take(TOP + 1).copied().collect();
        // More sessions than places have this count: the first seen of them are named.
        let tied =
            best.get(TOP).map(|(count, _)| *count).filter(|tied| best.get(TOP - 1).is_some_and(|at| at.0 == *tied));
        let sure = best.into_iter().take(TOP).filter(|(count, _)| Some(*count) != tied);
        for (count, session) in sure {
            ranked.extend(self.first_event(session, events, &within).map(|place| (count, place, session)));
        }
        let places = TOP - ranked.len();
        match tied {
            Some(Reverse(count)) => ranked.extend(self.first_seen(count, places, events, within)),
            None => ranked.extend(self.singles(places, events, within)),
        }
        ranked.sort_unstable();
        self.top = ranked.into_iter().map(|(Reverse(count), _, session)| (session, count)).collect();
        self.forget();
    }

    fn change(&mut self, session: u32, to: impl Fn(u32) -> u32) -> u32 {
        let before = self.counts.get(session);
        let after = to(before);
        self.counts.set(session, after);
        if before > 1 {
            self.repeated.remove(&(Reverse(before), session));
        }
        if after > 1 {
            self.repeated.insert((Reverse(after), session));
        }
        after
    }

    fn first_event(&mut self, session: u32, events: &VecDeque<Event>, within: &Range<usize>) -> Option<usize> {
        let known = self.firsts.get(&session).copied().unwrap_or(f64::NEG_INFINITY);
        let from = from(known, events, within);
        let place = from + events.range(from..within.end).position(|event| event.session() == Some(session))?;
        self.firsts.insert(session, events.get(place)?.at);
        Some(place)
    }

    /// The first seen of the sessions with so many events.
    fn first_seen(&self, count: u32, most: usize, events: &VecDeque<Event>, within: Range<usize>) -> Vec<Ranked> {
        let mut seen: Vec<Ranked> = Vec::with_capacity(most);
        for (place, event) in within.clone().zip(events.range(within)) {
            if seen.len() == most {
                break;
            }
            let Some(session) = event.session().filter(|session| self.counts.get(*session) == count) else { continue };
            if seen.iter().all(|(_, _, known)| *known != session) {
                seen.push((Reverse(count), place, session));
            }
        }
        seen
    }

    /// The first seen of the sessions with one event.
    fn singles(&mut self, most: usize, events: &VecDeque<Event>, within: Range<usize>) -> Vec<Ranked> {
        let most = most.min(self.distinct - self.repeated.len());
        let from = from(self.singles_from, events, &within);
        let singles = self.first_seen(1, most, events, from..within.end);
        let first = singles.first().and_then(|(_, place, _)| events.get(*place));
        first.into_iter().for_each(|event| self.singles_from = event.at);
        singles
    }

    /// Keeps the first events of the named sessions alone, once there are many.
    fn forget(&mut self) {
        if self.firsts.len() > REMEMBERED {
            let top = &self.top;
            self.firsts.retain(|session, _| top.iter().any(|(named, _)| named == session));
        }
    }
}

/// The place within a range from which on events are not before `at`.
fn from(at: UnixSeconds, events: &VecDeque<Event>, within: &Range<usize>) -> usize {
    events.partition_point(|event| event.at < at).clamp(within.start, within.end)
}
