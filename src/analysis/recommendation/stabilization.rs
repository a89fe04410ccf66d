//! What was needed lately: scale-in waits until nothing more was needed for the whole window.

use std::collections::VecDeque;

use crate::base::clock::UnixSeconds;

/// The needs of the stabilization window. A value that is handed from call to call.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Stabilization {
    /// Times with needs: later ones are smaller, because a need counts only until a later one is as great.
    needs: VecDeque<(UnixSeconds, i64)>,
}

impl Stabilization {
    /// Without needs that are older than the window, or dated ahead after a clock was set back. Where none is left (a start, a
    /// gap) what there is counts as needed now: a server that has just started knows no reason to remove replicas.
    pub(super) fn at(mut self, now: UnixSeconds, window: f64, current: i64) -> Self {
        self.needs.retain(|(at, _)| *at <= now && *at > now - window);
        if self.needs.is_empty() && window > 0.0 {
            self.needs.push_back((now, current));
        }
        self
    }

    /// With what is needed now.
    pub(super) fn with(mut self, now: UnixSeconds, need: i64) -> Self {
        while self.needs.back().is_some_and(|(_, earlier)| *earlier <= need) {
            self.needs.pop_back();
        }
        self.needs.push_back((now, need));
        self
    }

    /// The greatest need of the window.
    #[must_use]
    pub fn greatest(&self) -> Option<i64> {
        self.needs.front().map(|(_, need)| *need)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_greatest_is_that_of_every_need_of_the_window(needs in prop::collection::vec((0..9_i64, 0..40_i32), 1..60)) {
            let (mut memory, mut now, mut all) = (Stabilization::default(), 0.0, Vec::new());
            for (need, pause) in needs {
                now += f64::from(pause);
                memory = memory.at(now, 100.0, 0).with(now, need);
                all.push((now, need));
                let expected = all.iter().filter(|(at, _)| *at > now - 100.0).map(|(_, need)| *need).max();
                prop_assert_eq!(memory.greatest(), expected);
                prop_assert!(memory.needs.len() <= 9);
            }
        }
    }

    #[test]
    fn after_a_start_a_gap_or_a_clock_set_back_what_there_is_counts_as_needed() {
        let begun = Stabilization::default().at(1000.0, 300.0, 7);
        assert_eq!(begun.greatest(), Some(7));
        for now in [1300.0, 900.0] {
            assert_eq!(begun.clone().at(now, 300.0, 3).greatest(), Some(3), "{now}");
        }
        assert_eq!(begun.at(1299.0, 300.0, 3).greatest(), Some(7));
        assert_eq!(Stabilization::default().at(1000.0, 0.0, 7).greatest(), None, "without a window nothing holds");
    }
}
