//! Samples of a series that were lost, by their time: what a window should count and does not.

use std::collections::VecDeque;

use super::Window;
use crate::base::clock::UnixSeconds;

/// Losses of the last hour.
#[derive(Debug, Default)]
pub(super) struct Losses {
    /// How many at once, and the time of the newest of them: those before it count with it.
    lost: VecDeque<(UnixSeconds, u64)>,
}

impl Losses {
    pub(super) fn add(&mut self, newest: UnixSeconds, samples: u64) {
        if samples > 0 {
            let place = self.lost.partition_point(|(at, _)| *at <= newest);
            self.lost.insert(place, (newest, samples));
        }
    }

    /// Forgets what no window reaches.
    pub(super) fn expire(&mut self, now: UnixSeconds) {
        let expired = self.lost.partition_point(|(at, _)| *at < now - Window::OneHour.seconds());
        self.lost.drain(..expired);
    }

    /// The share of a window's samples that was not lost; 1 for a window without any.
    pub(super) fn kept_ratio(&self, kept: u64, window: Window, now: UnixSeconds) -> f64 {
        let within = self.lost.iter().filter(|(at, _)| *at >= now - window.seconds());
        let lost = within.fold(0_u64, |sum, (_, lost)| sum.saturating_add(*lost));
        if lost == 0 { 1.0 } else { ratio(kept, kept.saturating_add(lost)) }
    }
}

fn ratio(part: u64, whole: u64) -> f64 {
    crate::base::number::float_u64(part) / crate::base::number::float_u64(whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_lacks_what_was_lost_within_it() {
        let mut losses = Losses::default();
        losses.add(1000.0, 30);
        losses.add(990.0, 10);
        losses.add(0.0, 7);
        losses.add(1000.0, 0);
        let ratios = |losses: &Losses, now| Window::ALL.map(|window| losses.kept_ratio(60, window, now));
        assert_eq!(ratios(&losses, 1000.0), [0.6, 0.6, 60.0 / 107.0]);
        assert_eq!(ratios(&losses, 1055.0), [60.0 / 90.0, 0.6, 60.0 / 107.0]);
        losses.expire(4595.0);
        assert_eq!((losses.lost.len(), ratios(&losses, 4595.0)), (1, [1.0, 1.0, 60.0 / 90.0]));
    }
}
