//! How many members of a sorted set were returned, by the second of their score: what a count in Redis is compared with.

use std::collections::BTreeMap;

use crate::base::clock::UnixSeconds;

/// Counts of returned members.
#[derive(Debug, Default)]
pub(super) struct PerSecond {
    counts: BTreeMap<i64, u64>,
    total: u64,
    /// Earlier seconds are not counted any more.
    first: Option<i64>,
}

impl PerSecond {
    pub(super) fn add(&mut self, score: UnixSeconds) {
        let second = second_of(score);
        if self.first.is_none_or(|first| second >= first) {
            *self.counts.entry(second).or_default() += 1;
            self.total += 1;
        }
    }

    /// Forgets the seconds before this time; returns the first second that is counted from now on.
    pub(super) fn forget_before(&mut self, time: UnixSeconds) -> i64 {
        let first = self.first.map_or(second_of(time), |first| first.max(second_of(time)));
        self.first = Some(first);
        while let Some(entry) = self.counts.first_entry().filter(|entry| *entry.key() < first) {
            self.total -= entry.remove();
        }
        first
    }

    /// Members before this second.
    pub(super) fn before(&self, end: i64) -> u64 {
        self.total - self.counts.range(end..).map(|(_, count)| count).sum::<u64>()
    }
}

/// The second that a score lies in.
#[expect(clippy::cast_possible_truncation, reason = "saturates far outside of any time")]
pub(super) fn second_of(score: UnixSeconds) -> i64 {
    score.floor() as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_counted_by_second_and_forgotten_for_good() {
        let mut returned = PerSecond::default();
        [9.5, 10.0, 10.9, 11.0, -1e300, 1e300].into_iter().for_each(|score| returned.add(score));
        assert_eq!([9, 10, 11, 12].map(|end| returned.before(end)), [1, 2, 4, 5]);
        assert_eq!((returned.forget_before(10.4), returned.before(12)), (10, 3));
        returned.add(9.0);
        assert_eq!((returned.forget_before(5.0), returned.before(12)), (10, 3));
    }
}
