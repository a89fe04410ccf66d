//! One latency series: an hour of samples and exact percentiles over three windows.
//!
//! A tick moves only the samples that arrived or left, each at the cost of a counter, so its cost
//! follows the new samples and not the hour. `history::buckets` computes the percentiles.

use std::collections::VecDeque;

use super::Window;
use super::buckets::{Buckets, bucket_of};
use super::losses::Losses;
use crate::base::clock::UnixSeconds;
use crate::base::number;
use crate::platform::facts::Point;

const WINDOWS: usize = Window::ALL.len();
/// The longest window; its values are kept.
const LONGEST: usize = WINDOWS - 1;
/// More late samples at once than this are sorted in together, fewer one by one.
const FEW: usize = 64;

/// Count and percentiles of one series over one window, in the series' unit (milliseconds).
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct LatencyStats {
    pub count: usize,
    pub p50: Option<f64>,
    pub p95: Option<f64>,
    pub p99: Option<f64>,
    pub max: Option<f64>,
}

/// The samples of the longest window, oldest first, and the statistics of each window.
#[derive(Debug)]
pub(super) struct LatencySamples {
    max_samples: usize,
    samples: VecDeque<Point>,
    /// Where each window begins among the samples.
    starts: [usize; WINDOWS],
    /// Where all windows end: samples behind it are in the future (their writer's clock is ahead).
    end: usize,
    buckets: Buckets<WINDOWS>,
    /// The buckets do not match the samples and must be refilled.
    stale: bool,
    stats: [LatencyStats; WINDOWS],
    dropped: u64,
    losses: Losses,
    now: UnixSeconds,
}

impl LatencySamples {
    pub(super) fn new(max_samples: usize) -> Self {
        Self {
            max_samples,
            samples: VecDeque::new(),
            starts: [0; WINDOWS],
            end: 0,
            buckets: Buckets::new(),
            stale: false,
            stats: [LatencyStats::default(); WINDOWS],
            dropped: 0,
            losses: Losses::default(),
            now: f64::NEG_INFINITY,
        }
    }

    /// Drops all samples.
    pub(super) fn clear(&mut self) {
        self.samples.clear();
        (self.starts, self.end, self.stale) = ([0; WINDOWS], 0, true);
        self.losses = Losses::default();
    }

    /// Adds samples in any order; each must be new, but two may be equal. They count from the next [`Self::advance`].
    pub(super) fn extend(&mut self, mut points: Vec<Point>) {
        let oldest = self.now - Window::OneHour.seconds();
        points.retain(|point| point.at >= oldest);
        let newest = self.samples.back().map_or(f64::NEG_INFINITY, |sample| sample.at);
        let late = points.iter().filter(|point| point.at <= newest).count();
        if self.samples.is_empty() || late > FEW {
            self.merge(points);
        } else {
            points.into_iter().for_each(|point| self.insert(point));
        }
    }

    /// Sorts many samples in at once; usually a whole history, already in order.
    fn merge(&mut self, points: Vec<Point>) {
        if self.samples.is_empty() {
            self.samples = points.into();
        } else {
            self.samples.extend(points);
        }
        let samples = self.samples.make_contiguous();
        if !samples.is_sorted_by_key(|sample| sample.at) {
            samples.sort_by(|a, b| a.at.total_cmp(&b.at));
        }
        self.stale = true;
    }

    fn insert(&mut self, point: Point) {
        let position = self.samples.partition_point(|kept| kept.at <= point.at);
        self.make_room();
        self.samples.insert(position, point);
        if position < self.end {
            self.count_late(position, point.value);
        }
    }

    /// Grows by an eighth: doubling a history of millions would waste half of it.
    fn make_room(&mut self) {
        if self.samples.len() == self.samples.capacity() {
            self.samples.reserve_exact(self.samples.len() / 8 + 64);
        }
    }

    /// A sample was inserted before samples that are counted already.
    fn count_late(&mut self, position: usize, value: f64) {
        self.end += 1;
        for window in 0..WINDOWS {
            let Some(start) = self.starts.get_mut(window) else { continue };
            if position < *start {
                *start += 1;
            } else {
                self.buckets.enter(window, value);
            }
        }
        if self.starts.get(LONGEST).is_some_and(|start| position >= *start) {
            let bucket = bucket_of(value);
            let behind = self.samples.range(position + 1..self.end);
            self.buckets.insert(value, behind.filter(|sample| bucket_of(sample.value) == bucket).count());
        }
    }

    /// Moves the windows to `now`, and drops what none of them reaches and what is over the limit.
    pub(super) fn advance(&mut self, now: UnixSeconds) {
        self.now = now;
        let first_at = |from: UnixSeconds| self.samples.partition_point(|sample| sample.at < from);
        let starts = Window::ALL.map(|window| first_at(now - window.seconds()));
        let end = self.samples.partition_point(|sample| sample.at <= now);
        let went_back = end < self.end || starts.iter().zip(&self.starts).any(|(new, old)| new < old);
        if self.stale || went_back {
            self.refill(starts, end);
        } else {
            self.slide(starts, end);
        }
        self.forget(starts);
        self.stats = std::array::from_fn(|window| self.count(window));
    }

    fn refill(&mut self, starts: [usize; WINDOWS], end: usize) {
        let [.., longest] = starts;
        self.buckets.refill(self.samples.range(longest.min(end)..end).map(|sample| sample.value));
        for (window, start) in starts.into_iter().enumerate() {
            self.samples.range(start.min(end)..end).for_each(|sample| self.buckets.enter(window, sample.value));
        }
        (self.starts, self.end, self.stale) = (starts.map(|start| start.min(end)), end, false);
    }

    /// New samples enter every window; old ones leave each at its own time.
    fn slide(&mut self, starts: [usize; WINDOWS], end: usize) {
        for sample in self.samples.range(self.end..end) {
            self.buckets.append(sample.value);
            (0..WINDOWS).for_each(|window| self.buckets.enter(window, sample.value));
        }
        self.end = end;
        for (window, start) in starts.into_iter().enumerate() {
            self.leave(window, start.min(end));
        }
    }

    /// Moves the beginning of a window forward to `start`.
    fn leave(&mut self, window: usize, start: usize) {
        let Some(from) = self.starts.get_mut(window) else { return };
        for sample in self.samples.range((*from).min(start)..start) {
            self.buckets.leave(window, sample.value);
            if window == LONGEST {
                self.buckets.remove_oldest(sample.value);
            }
        }
        *from = (*from).max(start);
    }

    /// Drops samples that no window reaches, and the oldest beyond the limit.
    fn forget(&mut self, starts: [usize; WINDOWS]) {
        let [.., expired] = starts;
        let excess = self.samples.len().saturating_sub(self.max_samples).max(expired);
        let dropped = number::count_u64(excess - expired);
        self.dropped += dropped;
        let newest = excess.checked_sub(1).and_then(|last| self.samples.get(last));
        newest.into_iter().for_each(|newest| self.losses.add(newest.at, dropped));
        self.losses.expire(self.now);
        (0..WINDOWS).for_each(|window| self.leave(window, excess.min(self.end)));
        self.samples.drain(..excess);
        self.starts = self.starts.map(|start| start.saturating_sub(excess));
        self.end = self.end.saturating_sub(excess);
    }

    /// Percentile = the value at index `int(percent / 100 · n)` of the sorted values, clamped to the last.
    fn count(&self, window: usize) -> LatencyStats {
        let count = self.end - self.starts.get(window).map_or(self.end, |start| *start);
        let Some(last) = count.checked_sub(1) else { return LatencyStats::default() };
        let ranks = [50, 95, 99, 100].map(|percent| (count * percent / 100).min(last));
        let [p50, p95, p99, max] = self.buckets.at_ranks(window, ranks);
        LatencyStats { count, p50, p95, p99, max }
    }

    pub(super) fn stats(&self, window: Window) -> LatencyStats {
        Window::ALL
            .iter()
            .zip(self.stats)
            .find(|(kept, _)| **kept == window)
            .map(|(_, stats)| stats)
            .unwrap_or_default()
    }

    /// The share of a window's samples that was not lost.
    pub(super) fn fill(&self, window: Window) -> f64 {
        self.losses.kept_ratio(number::count_u64(self.stats(window).count), window, self.now)
    }

    pub(super) const fn losses(&mut self) -> &mut Losses {
        &mut self.losses
    }

    pub(super) const fn dropped(&self) -> u64 {
        self.dropped
    }
}

#[cfg(test)]
mod tests;
