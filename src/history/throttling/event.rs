//! One throttled request in 16 bytes, and how many there are of each kind.

use std::collections::BTreeMap;

use crate::base::clock::UnixSeconds;

/// What an event counts as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Class {
    /// It could not be read: it counts, without reason or session.
    Unreadable,
    RateLimit,
    Backpressure,
    Other,
}

impl Class {
    pub(super) const fn of_status(status: Option<i64>) -> Self {
        match status {
            Some(429) => Self::RateLimit,
            Some(503) => Self::Backpressure,
            _ => Self::Other,
        }
    }
}

/// A class and the number of a reason, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Kind(u32);

impl Kind {
    const CLASSES: u32 = 4;

    pub(super) const fn new(class: Class, reason: u32) -> Self {
        Self(reason * Self::CLASSES + class as u32)
    }

    pub(super) const fn class(self) -> Class {
        match self.0 % Self::CLASSES {
            0 => Class::Unreadable,
            1 => Class::RateLimit,
            2 => Class::Backpressure,
            _ => Class::Other,
        }
    }

    pub(super) const fn reason(self) -> u32 {
        self.0 / Self::CLASSES
    }
}

/// One event; reason and session by their numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Event {
    pub(super) at: UnixSeconds,
    pub(super) kind: Kind,
    pub(super) session: u32,
}

impl Event {
    /// The session's number, of an event that could be read.
    pub(super) fn session(&self) -> Option<u32> {
        (self.kind.class() != Class::Unreadable).then_some(self.session)
    }
}

/// Events by kind.
#[derive(Debug, Default)]
pub(super) struct KindCounts(BTreeMap<Kind, i64>);

/// Events, and those of the two statuses that throttling has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// All, unreadable ones too.
    pub total: i64,
    /// Of status 429.
    pub rate_limit: i64,
    /// Of status 503.
    pub backpressure: i64,
}

impl KindCounts {
    pub(super) fn add(&mut self, kind: Kind) {
        *self.0.entry(kind).or_default() += 1;
    }

    pub(super) fn remove(&mut self, kind: Kind) {
        subtract(&mut self.0, kind);
    }

    pub(super) fn tally(&self) -> Tally {
        self.0.iter().fold(Tally::default(), |sum, (kind, count)| {
            let of = |class| if kind.class() == class { *count } else { 0 };
            Tally {
                total: sum.total + count,
                rate_limit: sum.rate_limit + of(Class::RateLimit),
                backpressure: sum.backpressure + of(Class::Backpressure),
            }
        })
    }

    /// The reasons of the events that could be read; one reason may come more than once.
    pub(super) fn reasons(&self) -> impl Iterator<Item = (u32, i64)> {
        let readable = self.0.iter().filter(|(kind, _)| kind.class() != Class::Unreadable);
        readable.map(|(kind, count)| (kind.reason(), *count))
    }
}

/// One less of a key, which goes with its last.
pub(super) fn subtract<K: Ord>(counts: &mut BTreeMap<K, i64>, key: K) {
    if let std::collections::btree_map::Entry::Occupied(mut count) = counts.entry(key) {
        *count.get_mut() -= 1;
        if *count.get() == 0 {
            count.remove();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_a_class_and_a_reason() {
        for class in [Class::Unreadable, Class::RateLimit, Class::Backpressure, Class::Other] {
            let kind = Kind::new(class, 1_000_000);
            assert_eq!((kind.class(), kind.reason()), (class, 1_000_000));
        }
        assert_eq!([Some(429), Some(503), Some(500), None].map(Class::of_status)[2..], [Class::Other; 2]);
    }

    #[test]
    fn what_cannot_be_read_counts_without_a_reason() {
        let mut counts = KindCounts::default();
        let kinds = [(Class::Unreadable, 0), (Class::RateLimit, 1), (Class::Backpressure, 2), (Class::RateLimit, 1)];
        kinds.map(|(class, reason)| Kind::new(class, reason)).into_iter().for_each(|kind| counts.add(kind));
        counts.remove(Kind::new(Class::Backpressure, 2));
        assert_eq!(counts.tally(), Tally { total: 3, rate_limit: 2, backpressure: 0 });
        assert_eq!(counts.reasons().collect::<Vec<_>>(), [(1, 2)]);
    }
}
