//! The members of a sorted set that were returned recently, to return none twice.
//!
//! Keeps scores and hashes, up to a bound. Reports up to which score it has forgotten, so that nothing below is read
//! again.

use std::collections::{HashSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::base::clock::UnixSeconds;

/// Most members that are kept: five minutes of 700 a second.
const MOST: usize = 200_000;

/// The recent members, by score.
#[derive(Debug, Default)]
pub(super) struct Recent {
    members: VecDeque<(UnixSeconds, u64)>,
    known: HashSet<u64>,
    forgotten: Option<UnixSeconds>,
}

impl Recent {
    /// Adds the member; false if it was there already.
    pub(super) fn is_new(&mut self, member: &[u8], score: UnixSeconds) -> bool {
        let mut hasher = DefaultHasher::new();
        (member, score.to_bits()).hash(&mut hasher);
        let hash = hasher.finish();
        if !self.known.insert(hash) {
            return false;
        }
        let position = self.members.partition_point(|(kept, _)| *kept <= score);
        self.members.insert(position, (score, hash));
        true
    }

    /// The score of the member that is `count` members before `end`.
    pub(super) fn back(&self, count: usize, end: UnixSeconds) -> Option<UnixSeconds> {
        let end = self.members.partition_point(|(score, _)| *score <= end);
        self.members.get(end.checked_sub(count)?).map(|(score, _)| *score)
    }

    /// How many there are of scores from `from` on, and not below `least`, up to `end`.
    pub(super) fn between(&self, from: UnixSeconds, exclusive: bool, least: UnixSeconds, end: UnixSeconds) -> usize {
        let is_before = |score: UnixSeconds| score < from.max(least) || (exclusive && score <= from);
        let first = self.members.partition_point(|(score, _)| is_before(*score));
        self.members.partition_point(|(score, _)| *score <= end).saturating_sub(first)
    }

    /// All members up to this score were forgotten.
    pub(super) const fn forgotten_up_to(&self) -> Option<UnixSeconds> {
        self.forgotten
    }

    /// Forgets members below `horizon`, and the oldest beyond the bound, with all others of their score.
    pub(super) fn forget(&mut self, horizon: UnixSeconds) {
        let expired = self.members.partition_point(|(score, _)| *score < horizon);
        let excess = self.members.len().saturating_sub(MOST);
        let last = expired.max(excess).checked_sub(1).and_then(|last| self.members.get(last));
        let Some(&(floor, _)) = last else { return };
        let first = self.members.partition_point(|(score, _)| *score <= floor);
        for (_, hash) in self.members.drain(..first) {
            self.known.remove(&hash);
        }
        self.forgotten = Some(self.forgotten.map_or(floor, |forgotten| forgotten.max(floor)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_is_new_once_for_each_score() {
        let mut recent = Recent::default();
        assert!(recent.is_new(b"a", 1.0) && recent.is_new(b"a", 2.0) && recent.is_new(b"b", 1.0));
        assert!(!recent.is_new(b"a", 1.0));
        assert_eq!((recent.back(1, 2.0), recent.back(3, 2.0), recent.back(4, 2.0)), (Some(2.0), Some(1.0), None));
        assert_eq!(recent.forgotten_up_to(), None);
        let between = |from, exclusive, least, end| recent.between(from, exclusive, least, end);
        assert_eq!(
            (between(1.0, false, 0.0, 2.0), between(1.0, true, 0.0, 2.0), between(1.0, true, 0.0, 1.5)),
            (3, 1, 0)
        );
        assert_eq!((between(0.0, false, 1.5, 2.0), between(3.0, false, 0.0, 2.0)), (1, 0));
        recent.forget(2.0);
        assert!(recent.is_new(b"b", 1.0) && !recent.is_new(b"a", 2.0));
        assert_eq!(recent.forgotten_up_to(), Some(1.0));
    }

    #[test]
    fn members_beyond_the_bound_are_forgotten_and_reported() {
        let mut recent = Recent::default();
        for number in 0..MOST + 10 {
            recent.is_new(&number.to_le_bytes(), (number / 100) as f64);
        }
        recent.forget(-1.0);
        assert_eq!((recent.forgotten_up_to(), recent.members.len()), (Some(0.0), MOST - 90));
        assert_eq!(recent.known.len(), recent.members.len());
    }
}
