//! Ticks of the last hour in order of time, bounded in memory.

use std::collections::VecDeque;
use std::sync::Arc;

use super::{Mark, TickRecord};
use crate::base::clock::UnixSeconds;

/// How far back it reaches, seconds.
const KEPT: f64 = 3600.0;
/// The most memory that ticks take; at the default interval an hour needs a tenth of it.
const MOST_BYTES: usize = 8 * 1024 * 1024;
/// The most marks; a flapping source must not fill the memory.
const MOST_MARKS: usize = 500;

/// Ticks and marks, each sorted by time.
#[derive(Debug, Default)]
pub(super) struct Ring {
    ticks: VecDeque<Arc<TickRecord>>,
    bytes: usize,
    marks: VecDeque<Mark>,
}

impl Ring {
    /// Adds the newest tick. Ticks dated after it are those of a clock that was ahead: they go.
    pub(super) fn push(&mut self, record: TickRecord) {
        while self.ticks.back().is_some_and(|newest| newest.at > record.at) {
            self.forget(VecDeque::pop_back);
        }
        let oldest = record.at - KEPT;
        self.bytes += record.bytes();
        self.ticks.push_back(Arc::new(record));
        while self.ticks.front().is_some_and(|first| first.at < oldest) || self.bytes > MOST_BYTES {
            self.forget(VecDeque::pop_front);
        }
        self.marks.retain(|mark| mark.at >= oldest);
    }

    /// Adds what happened.
    pub(super) fn mark(&mut self, mark: Mark) {
        let end = self.marks.partition_point(|kept| kept.at <= mark.at);
        self.marks.insert(end, mark);
        if self.marks.len() > MOST_MARKS {
            self.marks.pop_front();
        }
    }

    pub(super) fn ticks(&self) -> impl Iterator<Item = &Arc<TickRecord>> {
        self.ticks.iter()
    }

    pub(super) fn marks(&self) -> impl Iterator<Item = &Mark> {
        self.marks.iter()
    }

    /// The newest tick that is not later than `time`.
    pub(super) fn at(&self, time: UnixSeconds) -> Option<&Arc<TickRecord>> {
        let after = self.ticks.partition_point(|tick| tick.at <= time);
        self.ticks.get(after.checked_sub(1)?)
    }

    fn forget(&mut self, take: fn(&mut VecDeque<Arc<TickRecord>>) -> Option<Arc<TickRecord>>) {
        if let Some(gone) = take(&mut self.ticks) {
            self.bytes -= gone.bytes();
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tokio::time::Instant;

    use super::super::MarkKind;
    use super::*;
    use crate::base::number::{count, float};
    use crate::engine::snapshot::{RunId, Snapshot};

    fn tick(at: f64) -> TickRecord {
        let (id, taken) = (RunId::random().snapshot(1), Instant::now());
        TickRecord::of(&Snapshot { id, taken_at: at, taken, state: Arc::default() })
    }

    fn times(ring: &Ring) -> Vec<f64> {
        ring.ticks().map(|tick| tick.at).collect()
    }

    #[test]
    fn an_hour_is_kept() {
        let mut ring = Ring::default();
        for minute in 0..90 {
            ring.push(tick(60.0 * f64::from(minute)));
        }
        let kept = times(&ring);
        assert_eq!((kept.len(), kept[0], kept[60]), (61, 60.0 * 29.0, 60.0 * 89.0));
    }

    #[test]
    fn the_tick_that_was_shown_at_a_time_is_the_newest_that_is_not_later() {
        let mut ring = Ring::default();
        [10.0, 15.0, 20.0].into_iter().for_each(|at| ring.push(tick(at)));
        for (time, shown) in
            [(9.9, None), (10.0, Some(10.0)), (14.9, Some(10.0)), (15.0, Some(15.0)), (1e9, Some(20.0))]
        {
            assert_eq!(ring.at(time).map(|tick| tick.at), shown, "{time}");
        }
    }

    #[test]
    fn memory_is_bounded_whatever_the_interval() {
        let mut ring = Ring::default();
        let one = tick(0.0);
        let each = one.bytes();
        for number in 0..2 * MOST_BYTES / each {
            let mut next = one.clone();
            next.at = float(count(number)) / 1000.0;
            ring.push(next);
        }
        assert!(ring.bytes <= MOST_BYTES && ring.bytes > MOST_BYTES - 2 * each, "{}", ring.bytes);
        assert_eq!(ring.bytes, ring.ticks.len() * each);
    }

    #[test]
    fn marks_leave_with_their_hour_and_the_oldest_first() {
        let mut ring = Ring::default();
        let mark = |at| Mark { at, kind: MarkKind::SourceLost, detail: String::new() };
        (0..MOST_MARKS + 5).for_each(|number| ring.mark(mark(float(count(number)))));
        assert_eq!((ring.marks.len(), ring.marks[0].at), (MOST_MARKS, 5.0));
        ring.push(tick(KEPT + 100.0));
        assert_eq!(ring.marks[0].at, 100.0);
    }

    proptest! {
        /// A clock may jump either way.
        #[test]
        fn ticks_are_sorted_within_the_hour_and_end_with_the_newest(all in proptest::collection::vec(0.0..9000.0_f64, 1..60)) {
            let mut ring = Ring::default();
            for at in &all {
                ring.push(tick(*at));
            }
            let kept = times(&ring);
            prop_assert!(kept.is_sorted());
            prop_assert_eq!(kept.last(), all.last());
            prop_assert!(kept.iter().all(|at| all[all.len() - 1] - at <= KEPT));
            prop_assert_eq!(ring.bytes, ring.ticks().map(|tick| tick.bytes()).sum::<usize>());
        }
    }
}
