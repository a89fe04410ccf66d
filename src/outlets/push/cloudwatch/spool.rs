//! Points on their way: bounded by age and number, each round in it once.

use std::collections::VecDeque;
use std::time::Duration;

use super::datum::{MOST_BYTES, SpooledPoint};
use crate::base::clock::UnixSeconds;

/// A queue of points, oldest first.
#[derive(Debug)]
pub(super) struct Spool {
    points: VecDeque<SpooledPoint>,
    keep: Duration,
    most: usize,
    round: Option<String>,
    /// The time of the newest round.
    newest: UnixSeconds,
}

impl Spool {
    pub(super) const fn new(keep: Duration, most: usize) -> Self {
        Self { points: VecDeque::new(), keep, most, round: None, newest: 0.0 }
    }

    pub(super) fn len(&self) -> usize {
        self.points.len()
    }

    /// Whether this round is the one that was added last.
    pub(super) fn knows(&self, round: &str) -> bool {
        self.round.as_deref() == Some(round)
    }

    /// Adds a round's points; gives how many had to go because they are too old or too many. Age is
    /// measured by the rounds' own time, so that a sink needs no clock.
    pub(super) fn add(&mut self, round: &str, at: UnixSeconds, points: Vec<SpooledPoint>) -> usize {
        if self.knows(round) {
            return 0;
        }
        self.round = Some(round.to_owned());
        self.newest = at;
        let old = self.forget(at);
        self.points.extend(points);
        let excess = self.len().saturating_sub(self.most);
        self.points.drain(..excess);
        old + excess
    }

    /// There is no new round, this long after the newest; gives how many points have become too old.
    pub(super) fn expire(&mut self, since: f64) -> usize {
        self.forget(self.newest + since)
    }

    fn forget(&mut self, now: UnixSeconds) -> usize {
        let before = self.len();
        let oldest = now - self.keep.as_secs_f64();
        self.points.retain(|point| !self.keep.is_zero() && point.at >= oldest);
        before - self.len()
    }

    /// The oldest points that fit in one request of at most `limit` points.
    pub(super) fn batch(&self, limit: usize, weight: impl Fn(&SpooledPoint) -> usize) -> Vec<SpooledPoint> {
        let mut bytes = 0;
        let fits = |point: &&SpooledPoint| {
            bytes += weight(point);
            bytes <= MOST_BYTES
        };
        self.points.iter().take(limit).take_while(fits).cloned().collect()
    }

    /// The oldest points are delivered, or given up.
    pub(super) fn remove(&mut self, count: usize) {
        self.points.drain(..count.min(self.points.len()));
    }
}

#[cfg(test)]
mod tests;
