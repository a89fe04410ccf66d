//! One latency series: an hour of samples and exact percentiles over three windows.
//!
//! Each window keeps its values sorted in an [`super::ordered::OrderedValues`]; a tick moves only
//! the samples that arrived or left, so its cost follows the new samples and not the hour.

use std::collections::VecDeque;

use super::Window;
use super::ordered::OrderedValues;
use crate::signals::{Point, UnixSeconds};

/// Count and percentiles of one series over one window, in the series' unit (milliseconds).
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct LatencyStats {
    pub count: usize,
    pub p50: Option<f64>,
    pub p95: Option<f64>,
    pub p99: Option<f64>,
    pub max: Option<f64>,
}

/// The samples of the longest window, oldest first, and what each window makes of them.
#[derive(Debug)]
pub(super) struct Series {
    max_samples: usize,
    samples: VecDeque<Point>,
    windows: [Span; Window::ALL.len()],
    dropped: u64,
    now: UnixSeconds,
}

/// One window: the samples `[start, end)` of the series, by value.
///
/// `end` is not the series' end where samples lie in the future (their writer's clock runs ahead).
#[derive(Debug)]
struct Span {
    window: Window,
    start: usize,
    end: usize,
    values: OrderedValues,
}

impl Series {
    pub(super) fn new(max_samples: usize) -> Self {
        let windows = Window::ALL.map(|window| Span { window, start: 0, end: 0, values: OrderedValues::default() });
        Self { max_samples, samples: VecDeque::new(), windows, dropped: 0, now: f64::NEG_INFINITY }
    }

    /// Adds samples in any order; one that is already there is the same sample read again.
    /// They count from the next [`Self::advance`].
    pub(super) fn extend(&mut self, points: &[Point]) {
        for point in points {
            if point.at < self.now - Window::OneHour.seconds() {
                continue;
            }
            self.insert(point);
        }
    }

    fn insert(&mut self, point: &Point) {
        let position = self.samples.partition_point(|kept| kept.at <= point.at);
        let same_time = self.samples.range(..position).rev().take_while(|kept| kept.at >= point.at);
        if same_time.into_iter().any(|kept| kept.value.to_bits() == point.value.to_bits()) {
            return;
        }
        self.samples.insert(position, *point);
        for span in &mut self.windows {
            span.inserted(position, point.value);
        }
    }

    /// Moves the windows to `now` and forgets what none of them reaches, or what is over the limit.
    pub(super) fn advance(&mut self, now: UnixSeconds) {
        self.now = now;
        for span in &mut self.windows {
            span.advance(&self.samples, now);
        }
        let expired = self.samples.partition_point(|sample| sample.at < now - Window::OneHour.seconds());
        let excess = self.samples.len().saturating_sub(self.max_samples).max(expired);
        self.dropped += (excess - expired) as u64;
        self.forget(excess);
    }

    /// Drops the `count` oldest samples.
    fn forget(&mut self, count: usize) {
        if count == 0 {
            return;
        }
        for span in &mut self.windows {
            span.forget(&self.samples, count);
        }
        self.samples.drain(..count);
    }

    pub(super) fn stats(&self, window: Window) -> LatencyStats {
        let Some(values) = self.windows.iter().find(|span| span.window == window).map(|span| &span.values) else {
            return LatencyStats::default();
        };
        LatencyStats {
            count: values.len(),
            p50: percentile(values, 50),
            p95: percentile(values, 95),
            p99: percentile(values, 99),
            max: values.len().checked_sub(1).and_then(|last| values.get(last)),
        }
    }

    pub(super) const fn dropped(&self) -> u64 {
        self.dropped
    }
}

/// The value at index `int(percent / 100 · n)` of the sorted values, clamped to the last.
fn percentile(values: &OrderedValues, percent: usize) -> Option<f64> {
    let last = values.len().checked_sub(1)?;
    values.get((values.len() * percent / 100).min(last))
}

impl Span {
    /// Keeps the bounds right after a sample was put at `position`.
    fn inserted(&mut self, position: usize, value: f64) {
        if position < self.start {
            self.start += 1;
            self.end += 1;
        } else if position < self.end {
            self.values.insert(value);
            self.end += 1;
        }
    }

    fn advance(&mut self, samples: &VecDeque<Point>, now: UnixSeconds) {
        let start = samples.partition_point(|sample| sample.at < now - self.window.seconds());
        let end = samples.partition_point(|sample| sample.at <= now).max(start);
        if end < self.end || start < self.start || start >= self.end {
            // The clock went back, or nothing of the old window is left.
            self.values = OrderedValues::from_unsorted(samples.range(start..end).map(|sample| sample.value).collect());
        } else {
            self.replace(samples, start, end);
        }
        self.start = start;
        self.end = end;
    }

    /// Moves the bounds forward; building anew is cheaper once most of the window changes.
    fn replace(&mut self, samples: &VecDeque<Point>, start: usize, end: usize) {
        let changed = (start - self.start) + (end - self.end);
        if changed > (end - start) / 4 {
            self.values = OrderedValues::from_unsorted(samples.range(start..end).map(|sample| sample.value).collect());
            return;
        }
        for sample in samples.range(self.start..start) {
            self.values.remove(sample.value);
        }
        for sample in samples.range(self.end..end) {
            self.values.insert(sample.value);
        }
    }

    /// Keeps the bounds right before the `count` oldest samples go.
    fn forget(&mut self, samples: &VecDeque<Point>, count: usize) {
        for sample in samples.range(self.start.min(count)..self.end.min(count)) {
            self.values.remove(sample.value);
        }
        self.start = self.start.saturating_sub(count);
        self.end = self.end.saturating_sub(count);
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
        LatencyStats { count: n, p50: at(50), p95: at(95), p99: at(99), max: values.last().copied() }
    }

    fn assert_all(series: &Series, points: &[Point], now: f64) {
        for window in Window::ALL {
            assert_eq!(series.stats(window), oracle(points, now, window), "{window:?} at {now}");
        }
    }

    #[test]
    fn percentiles_of_an_empty_window_are_absent_and_zero_is_a_value() {
        let mut series = Series::new(10);
        series.advance(100.0);
        assert_eq!(series.stats(Window::OneMinute), LatencyStats::default());
        series.extend(&[Point { at: 99.0, value: 0.0 }]);
        series.advance(100.0);
        assert_eq!(series.stats(Window::OneMinute).p95, Some(0.0));
    }

    #[test]
    fn over_the_limit_the_oldest_go_and_are_counted() {
        let mut series = Series::new(3);
        series.extend(&(0..5).map(|i| Point { at: 100.0 + f64::from(i), value: f64::from(i) }).collect::<Vec<_>>());
        series.advance(110.0);
        assert_eq!((series.stats(Window::OneHour).count, series.dropped()), (3, 2));
        assert_eq!(series.stats(Window::OneHour).p50, Some(3.0));
    }

    #[test]
    fn a_sample_from_the_future_counts_once_its_time_comes() {
        let mut series = Series::new(10);
        series.extend(&[Point { at: 105.0, value: 7.0 }]);
        series.advance(100.0);
        assert_eq!(series.stats(Window::OneMinute).count, 0);
        series.advance(105.0);
        assert_eq!(series.stats(Window::OneMinute).count, 1);
    }

    proptest! {
        #[test]
        fn windows_agree_with_the_definition_in_any_order_of_arrival(
            batches in proptest::collection::vec(
                (proptest::collection::vec((-4000.0..10.0_f64, 0.0..50.0_f64), 0..60), 0.0..700.0_f64), 1..20)
        ) {
            let mut series = Series::new(100_000);
            let mut now = 10_000.0;
            let mut all: Vec<Point> = Vec::new();
            for (batch, step) in batches {
                let points: Vec<Point> =
                    batch.iter().map(|&(offset, value)| Point { at: now + offset, value: value.round() }).collect();
                for point in &points {
                    if point.at >= now - 3600.0 && !all.contains(point) {
                        all.push(*point);
                    }
                }
                // The series forgets by the time of its last advance, as the engine drives it.
                series.extend(&points);
                series.advance(now);
                all.retain(|p| p.at >= now - 3600.0);
                assert_all(&series, &all, now);
                now += step;
            }
        }
    }
}
