//! One latency series: an hour of samples, and exact percentiles and means over three windows.
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

/// Count, percentiles and mean of one series over one window, in the series' unit (milliseconds).
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct LatencyStats {
    pub count: usize,
    pub p50: Option<f64>,
    pub p95: Option<f64>,
    pub p99: Option<f64>,
    pub max: Option<f64>,
    pub mean: Option<f64>,
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
        let mean = Some(self.buckets.sum(window) / number::float(number::count(count)));
        LatencyStats { count, p50, p95, p99, max, mean }
    }

    /// The newest sample that is not in the future.
    pub(super) fn newest(&self) -> Option<UnixSeconds> {
        self.samples.get(self.end.checked_sub(1)?).map(|sample| sample.at)
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
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The definition, computed the slow way.
    fn oracle(points: &[Point], now: f64, window: Window) -> LatencyStats {
        let mut values: Vec<f64> =
            points.iter().filter(|p| p.at >= now - window.seconds() && p.at <= now).map(|p| p.value).collect();
        values.sort_by(f64::total_cmp);
        let n = values.len();
        let at = |p: usize| (n > 0).then(|| values[(n * p / 100).min(n - 1)]);
        #[expect(clippy::cast_precision_loss, reason = "a few values")]
        let mean = (n > 0).then(|| values.iter().sum::<f64>() / n as f64);
        LatencyStats { count: n, p50: at(50), p95: at(95), p99: at(99), max: values.last().copied(), mean }
    }

    fn assert_all(series: &LatencySamples, points: &[Point], now: f64) {
        for window in Window::ALL {
            assert_eq!(series.stats(window), oracle(points, now, window), "{window:?} at {now}");
        }
    }

    #[test]
    fn percentiles_of_an_empty_window_are_absent_and_zero_is_a_value() {
        let mut series = LatencySamples::new(10);
        series.advance(100.0);
        assert_eq!(series.stats(Window::OneMinute), LatencyStats::default());
        series.extend(vec![Point { at: 99.0, value: 0.0 }]);
        series.advance(100.0);
        assert_eq!(series.stats(Window::OneMinute).p95, Some(0.0));
    }

    #[test]
    fn over_the_limit_the_oldest_are_dropped_and_counted() {
        let mut series = LatencySamples::new(3);
        series.extend((0..5).map(|i| Point { at: 100.0 + f64::from(i), value: f64::from(i) }).collect());
        series.advance(110.0);
        assert_eq!((series.stats(Window::OneHour).count, series.dropped()), (3, 2));
        assert_eq!(series.stats(Window::OneHour).p50, Some(3.0));
    }

    #[test]
    fn a_sample_from_the_future_counts_from_its_time_on() {
        let mut series = LatencySamples::new(10);
        series.extend(vec![Point { at: 105.0, value: 7.0 }]);
        series.advance(100.0);
        assert_eq!(series.stats(Window::OneMinute).count, 0);
        series.advance(105.0);
        assert_eq!(series.stats(Window::OneMinute).count, 1);
    }

    #[test]
    fn a_clock_that_is_set_back_takes_every_window_back() {
        let mut series = LatencySamples::new(10_000);
        let points: Vec<Point> =
            (0..120_u8).map(|i| Point { at: 10_000.0 + f64::from(i) * 10.0, value: f64::from(i % 7) }).collect();
        series.extend(points.clone());
        // Forward, an hour's window back and a little back: starts and end move each in both directions.
        for now in [11_200.0, 10_300.0, 10_310.0, 10_305.0, 11_200.0] {
            series.advance(now);
            assert_all(&series, &points, now);
        }
        let late = Point { at: 10_301.0, value: 99.0 };
        series.advance(10_302.0);
        series.extend(vec![late]);
        series.advance(10_303.0);
        assert_all(&series, &[points, vec![late]].concat(), 10_303.0);
    }

    #[test]
    fn what_is_dropped_no_longer_counts_after_the_clock_is_set_back() {
        let mut series = LatencySamples::new(3);
        let points: Vec<Point> = (0..5_u8).map(|i| Point { at: 100.0 + f64::from(i), value: f64::from(i) }).collect();
        series.extend(points.clone());
        series.advance(110.0);
        series.advance(102.5);
        assert_eq!(series.dropped(), 2);
        assert_all(&series, &points[2..], 102.5);
    }

    #[test]
    fn many_late_samples_are_sorted_in() {
        let mut series = LatencySamples::new(10_000);
        let points = |from: f64, count: u16| -> Vec<Point> {
            (0..count).map(|i| Point { at: from + f64::from(i) / 10.0, value: f64::from(i % 97) }).collect()
        };
        let (first, late) = (points(10_000.0, 500), points(9_990.05, 300));
        series.extend(first.clone());
        series.advance(10_050.0);
        series.extend(late.clone());
        series.advance(10_051.0);
        assert_all(&series, &[first, late].concat(), 10_051.0);
    }

    #[test]
    fn a_clock_that_is_set_back_and_forth_recounts_what_is_kept() {
        let mut series = LatencySamples::new(100);
        let points: Vec<Point> =
            (0..40).map(|i| Point { at: 10_000.0 + f64::from(i) * 100.0, value: f64::from(i % 7) }).collect();
        series.extend(points.clone());
        series.advance(14_000.0);
        // What the later time dropped does not come back; everything else counts as if the clock had never moved.
        let kept: Vec<Point> = points.into_iter().filter(|point| point.at >= 14_000.0 - 3600.0).collect();
        for now in [12_345.0, 11_000.0, 13_999.0, 10_399.0, 14_000.0] {
            series.advance(now);
            assert_all(&series, &kept, now);
        }
        assert_eq!(series.dropped(), 0, "expired, not dropped");
    }

    proptest! {
        #[test]
        fn windows_agree_with_the_definition_when_the_clock_is_set_back(
            steps in proptest::collection::vec((proptest::collection::vec((-500.0..50.0_f64, 0.0..50.0_f64), 0..40), -400.0..400.0_f64), 1..15)
        ) {
            let mut series = LatencySamples::new(100_000);
            let (mut now, mut all) = (10_000.0, Vec::new());
            for (batch, step) in steps {
                let points = batch.into_iter().map(|(offset, value)| Point { at: now + offset, value: value.round() });
                let points: Vec<Point> = points.collect();
                all.extend(points.iter().copied());
                series.extend(points);
                series.advance(now);
                // Steps add up to less than an hour, so nothing expires.
                assert_all(&series, &all, now);
                now = (now + step).clamp(8_500.0, 11_500.0);
            }
        }

        #[test]
        fn windows_agree_with_the_definition_in_any_order_of_arrival(
            batches in proptest::collection::vec(
                (proptest::collection::vec((-4000.0..10.0_f64, 0.0..50.0_f64), 0..100), 0.0..700.0_f64), 1..20)
        ) {
            let mut series = LatencySamples::new(100_000);
            let mut now = 10_000.0;
            let mut all: Vec<Point> = Vec::new();
            for (batch, step) in batches {
                let points: Vec<Point> =
                    batch.iter().map(|&(offset, value)| Point { at: now + offset, value: value.round() }).collect();
                for point in &points {
                    if point.at >= now - 3600.0 {
                        all.push(*point);
                    }
                }
                // The series forgets by the time of its last advance, as the engine drives it.
                series.extend(points);
                series.advance(now);
                all.retain(|p| p.at >= now - 3600.0);
                assert_all(&series, &all, now);
                now += step;
            }
        }
    }

    #[test]
    fn after_all_was_dropped_only_what_comes_then_counts_and_nothing_is_missing() {
        let mut series = LatencySamples::new(3);
        let points: Vec<Point> = (0..5_u8).map(|i| Point { at: 100.0 + f64::from(i), value: f64::from(i) }).collect();
        series.extend(points);
        series.advance(110.0);
        assert!(series.fill(Window::OneHour) < 1.0);
        series.clear();
        let new = vec![Point { at: 108.0, value: 9.0 }, Point { at: 106.0, value: 7.0 }];
        series.extend(new.clone());
        series.advance(110.0);
        assert_all(&series, &new, 110.0);
        assert_eq!((series.newest(), series.fill(Window::OneHour)), (Some(108.0), 1.0));
    }
}
