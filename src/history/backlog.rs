//! What waits and is worked on, tick by tick: how fast it grows, and for how long tasks have been waiting.

use std::collections::VecDeque;

use crate::base::clock::UnixSeconds;
use crate::base::number::float;
use crate::platform::facts::PerRole;

/// Growth is measured over this time.
const MINUTE: f64 = 60.0;
/// A total that is older says nothing of the last minute; ticks may be rarer than one a minute.
const OLDEST: f64 = 300.0;

/// What a tick found.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Backlog {
    /// Tasks that no processor has claimed; `None` where unknown.
    pub waiting: Option<i64>,
    /// Tasks that are worked on; likewise.
    pub active: Option<i64>,
    /// Slots of processors that take new work and have nothing to do; likewise.
    pub free: Option<i64>,
    /// When the oldest of each role's next tasks was created; `None` where none waits or it is unknown.
    pub oldest: PerRole<Option<UnixSeconds>>,
}

/// What ticks found lately.
#[derive(Debug, Default)]
pub(super) struct Backlogs {
    /// Waiting and active tasks, oldest first.
    totals: VecDeque<(UnixSeconds, i64)>,
    waiting_since: Option<UnixSeconds>,
    /// Tasks wait beside free slots, and the next of each role are the same since then.
    unclaimed_since: Option<UnixSeconds>,
    oldest: PerRole<Option<UnixSeconds>>,
}

impl Backlogs {
    /// Takes a tick's; what is dated ahead after a clock was set back is dropped.
    pub(super) fn observe(&mut self, now: UnixSeconds, found: &Backlog) {
        self.totals.retain(|(at, _)| *at < now && now - *at <= OLDEST);
        if let Some((waiting, active)) = found.waiting.zip(found.active) {
            self.totals.push_back((now, waiting.saturating_add(active)));
        }
        // What is unknown for a tick ends nothing.
        if let Some(waiting) = found.waiting {
            let since = self.waiting_since.filter(|since| *since <= now).unwrap_or(now);
            self.waiting_since = (waiting > 0).then_some(since);
        }
        let is_unclaimed = self.waiting_since.is_some() && found.free.is_some_and(|free| free > 0);
        let since = self.unclaimed_since.filter(|since| *since <= now && self.oldest == found.oldest).unwrap_or(now);
        self.unclaimed_since = is_unclaimed.then_some(since);
        self.oldest = found.oldest.clone();
    }

    /// Tasks per second by which waiting and active ones grew, over the last minute or a little more, up to the newest tick's.
    pub(super) fn growth_per_second(&self) -> Option<f64> {
        let (now, total) = *self.totals.back()?;
        let (then, before) = *self.totals.iter().rev().find(|(at, _)| now - at >= MINUTE)?;
        Some((float(total) - float(before)) / (now - then))
    }

    /// Seconds since which something has been waiting all the time.
    pub(super) fn waiting_seconds(&self, now: UnixSeconds) -> Option<f64> {
        self.waiting_since.map(|since| now - since)
    }

    /// Seconds since which slots were free, tasks waited and none of them was claimed.
    pub(super) fn unclaimed_seconds(&self, now: UnixSeconds) -> Option<f64> {
        self.unclaimed_since.map(|since| now - since)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn backlog(waiting: i64, free: i64) -> Backlog {
        Backlog { waiting: Some(waiting), active: Some(5), free: Some(free), ..Backlog::default() }
    }

    #[test]
    fn growth_is_that_since_a_minute_ago_or_the_tick_before() {
        let mut backlogs = Backlogs::default();
        for (now, waiting, expected) in [
            (0.0, 10, None),
            (30.0, 40, None),
            (60.0, 70, Some(1.0)),
            (90.0, 25, Some(-0.25)),
            // Rare ticks: over what there is.
            (215.0, 150, Some(1.0)),
            // After a gap, and after the clock was set back: nothing to compare with.
            (516.0, 0, None),
            (500.0, 9, None),
            (560.0, 15, Some(0.1)),
        ] {
            backlogs.observe(now, &backlog(waiting, 0));
            assert_eq!(backlogs.growth_per_second(), expected, "{now}");
        }
        backlogs.observe(565.0, &Backlog::default());
        assert_eq!(backlogs.growth_per_second(), Some(0.1), "an unknown total ends nothing");
    }

    #[test]
    fn waiting_counts_from_the_tick_that_found_something_until_one_finds_nothing() {
        let mut backlogs = Backlogs::default();
        for (now, waiting, expected) in [
            (0.0, Some(0), None),
            (5.0, Some(2), Some(0.0)),
            (10.0, None, Some(5.0)),
            (15.0, Some(9), Some(10.0)),
            (20.0, Some(0), None),
            (25.0, Some(1), Some(0.0)),
            (10.0, Some(1), Some(0.0)),
        ] {
            backlogs.observe(now, &Backlog { waiting, ..Backlog::default() });
            assert_eq!(backlogs.waiting_seconds(now), expected, "{now}");
        }
    }

    #[test]
    fn tasks_are_unclaimed_while_the_same_ones_wait_beside_free_slots() {
        let mut backlogs = Backlogs::default();
        for (now, waiting, free, oldest, expected) in [
            (0.0, 3, 2, Some(-9.0), Some(0.0)),
            (10.0, 3, 2, Some(-9.0), Some(10.0)),
            (20.0, 5, 1, Some(-9.0), Some(20.0)),
            (30.0, 5, 1, Some(-4.0), Some(0.0)),
            (40.0, 5, 0, Some(-4.0), None),
            (50.0, 5, 1, Some(-4.0), Some(0.0)),
            (60.0, 0, 1, None, None),
        ] {
            let mut found = backlog(waiting, free);
            found.oldest.paid = oldest;
            backlogs.observe(now, &found);
            assert_eq!(backlogs.unclaimed_seconds(now), expected, "{now}");
        }
    }
}
