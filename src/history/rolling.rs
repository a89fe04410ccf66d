//! One rolling series: an hour of points, one a tick.

use std::collections::VecDeque;

use super::Window;
use crate::base::clock::UnixSeconds;
use crate::base::number;
use crate::platform::facts::Point;

/// Means and maxima over the windows; `None` for a window without points.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct RollingStats {
    pub one_minute: Option<f64>,
    pub fifteen_minutes: Option<f64>,
    pub one_hour: Option<f64>,
    pub max_one_minute: Option<f64>,
    pub max_fifteen_minutes: Option<f64>,
    /// Maximum over one hour.
    pub max: Option<f64>,
}

/// Most points of a series: several replicas at the shortest interval stay far below.
pub const MOST_POINTS: usize = 100_000;

/// Points whose distances tell the usual one.
const NEWEST: usize = 100;

/// Points, oldest first. There are a few hundred, so windows are summed each time: running sums would drift.
#[derive(Debug, Default)]
pub(super) struct RollingPoints {
    points: VecDeque<Point>,
    dropped: u64,
}

impl RollingPoints {
    /// Adds points in any order; each must be new.
    pub(super) fn extend(&mut self, points: &[Point]) {
        for point in points {
            let end = self.points.partition_point(|kept| kept.at <= point.at);
            self.points.insert(end, *point);
        }
    }

    /// Drops what no window reaches, and the oldest beyond the limit.
    pub(super) fn expire(&mut self, now: UnixSeconds) {
        let expired = self.points.partition_point(|point| point.at < now - Window::OneHour.seconds());
        let excess = self.points.len().saturating_sub(MOST_POINTS).max(expired);
        self.dropped += number::count_u64(excess - expired);
        self.points.drain(..excess);
    }

    /// Drops what is exactly an hour old too.
    pub(super) fn trim(&mut self, now: UnixSeconds) {
        let old = self.points.partition_point(|point| point.at <= now - Window::OneHour.seconds());
        self.points.drain(..old);
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.points.len()
    }

    pub(super) fn clear(&mut self) {
        self.points.clear();
    }

    pub(super) const fn dropped(&self) -> u64 {
        self.dropped
    }

    pub(super) fn stats(&self, now: UnixSeconds) -> RollingStats {
        RollingStats {
            one_minute: self.mean(now, Window::OneMinute),
            fifteen_minutes: self.mean(now, Window::FifteenMinutes),
            one_hour: self.mean(now, Window::OneHour),
            max_one_minute: self.max(now, Window::OneMinute),
            max_fifteen_minutes: self.max(now, Window::FifteenMinutes),
            max: self.max(now, Window::OneHour),
        }
    }

    /// The share of a window that points cover: each covers the time since the one before it, at most twice the usual.
    pub(super) fn fill(&self, window: Window, now: UnixSeconds) -> f64 {
        let (start, most) = (now - window.seconds(), 2.0 * self.usual_gap());
        let end = self.points.partition_point(|point| point.at <= now);
        let first = self.points.partition_point(|point| point.at <= start).saturating_sub(1).min(end);
        let times = self.points.range(first..end).map(|point| point.at);
        let ends = times.clone().skip(1).chain([now]);
        let covered: f64 = times.zip(ends).map(|(from, to)| (to - from.max(start)).clamp(0.0, most)).sum();
        (covered / window.seconds()).min(1.0)
    }

    /// A long gap between two of the newest points, as is usual between several replicas; 0 before there are two.
    fn usual_gap(&self) -> f64 {
        let newest = self.points.range(self.points.len().saturating_sub(NEWEST)..).map(|point| point.at);
        let mut gaps: Vec<f64> = newest.clone().zip(newest.skip(1)).map(|(from, to)| to - from).collect();
        let rank = gaps.len() * 8 / 10;
        if gaps.is_empty() { 0.0 } else { *gaps.select_nth_unstable_by(rank, f64::total_cmp).1 }
    }

    fn max(&self, now: UnixSeconds, window: Window) -> Option<f64> {
        self.within(now, window).reduce(f64::max)
    }

    fn mean(&self, now: UnixSeconds, window: Window) -> Option<f64> {
        let (count, sum) =
            self.within(now, window).fold((0_usize, 0.0), |(count, sum), value| (count + 1, sum + value));
        (count > 0).then(|| sum / number::float(number::count(count)))
    }

    fn within(&self, now: UnixSeconds, window: Window) -> impl Iterator<Item = f64> {
        let start = self.points.partition_point(|point| point.at < now - window.seconds());
        let end = self.points.partition_point(|point| point.at <= now);
        self.points.range(start.min(end)..end).map(|point| point.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(points: &[(f64, f64)]) -> RollingPoints {
        let mut series = RollingPoints::default();
        series.extend(&points.iter().map(|&(at, value)| Point { at, value }).collect::<Vec<_>>());
        series
    }

    #[test]
    fn bounds_are_inclusive_and_the_future_does_not_count() {
        let stats = series(&[(40.0, 1.0), (39.9, 9.0), (100.0, 3.0), (100.1, 50.0)]).stats(100.0);
        assert_eq!(stats.one_minute, Some(2.0));
        assert_eq!((stats.max, stats.max_fifteen_minutes, stats.max_one_minute), (Some(9.0), Some(9.0), Some(3.0)));
    }

    #[test]
    fn an_empty_window_has_no_value() {
        assert_eq!(series(&[]).stats(100.0), RollingStats::default());
        assert_eq!(series(&[(1.0, 5.0)]).stats(100.0).one_minute, None);
    }

    #[test]
    fn order_does_not_matter_and_equal_points_are_two() {
        let mut series = series(&[(2.0, 5.0), (1.0, 3.0)]);
        series.extend(&[Point { at: 1.0, value: 3.0 }, Point { at: 1.0, value: 5.0 }]);
        assert_eq!(series.stats(2.0).one_minute, Some(4.0));
    }

    #[test]
    fn a_clock_that_is_set_back_takes_the_windows_back() {
        let series = series(&[(1000.0, 1.0), (1030.0, 2.0), (1090.0, 9.0)]);
        assert_eq!(series.stats(1090.0).one_minute, Some(5.5));
        let back = series.stats(1030.0);
        assert_eq!((back.one_minute, back.one_hour, back.max), (Some(1.5), Some(1.5), Some(2.0)));
        assert_eq!(series.stats(999.0), RollingStats::default());
    }

    #[test]
    fn points_older_than_an_hour_are_dropped_and_those_of_an_hour_when_one_is_written() {
        let mut series = series(&[(0.0, 5.0), (1.0, 3.0), (2.0, 4.0)]);
        series.expire(3601.0);
        assert_eq!((series.points.len(), series.stats(3601.0).max), (2, Some(4.0)));
        series.trim(3601.0);
        assert_eq!((series.points.len(), series.dropped()), (1, 0));
    }

    #[test]
    fn a_window_is_as_full_as_its_points_reach() {
        let every = |seconds: f64, from: f64, to: f64| {
            let times = (0..).map(move |n| from + f64::from(n) * seconds).take_while(move |at| *at <= to);
            times.map(|at| (at, 1.0)).collect::<Vec<_>>()
        };
        let fill = |points: &[(f64, f64)], window, now| (series(points).fill(window, now) * 1000.0).round() / 1000.0;
        let hour = Window::OneHour;
        for (points, window, now, expected) in [
            (vec![], hour, 5000.0, 0.0),
            (vec![(5000.0, 1.0)], hour, 5000.0, 0.0),
            (every(5.0, 4940.0, 5000.0), hour, 5000.0, 0.017),
            (every(5.0, 4940.0, 5000.0), Window::OneMinute, 5000.0, 1.0),
            (every(5.0, 1000.0, 5000.0), hour, 5000.0, 1.0),
            (every(60.0, 1000.0, 5020.0), Window::OneMinute, 5020.0, 1.0),
            // Two replicas, one second apart.
            ([every(5.0, 1000.0, 5000.0), every(5.0, 1001.0, 5001.0)].concat(), hour, 5001.0, 1.0),
            // Half an hour was not recorded.
            ([every(5.0, 1000.0, 2000.0), every(5.0, 3800.0, 5000.0)].concat(), hour, 5000.0, 0.503),
            // Nothing since ten minutes.
            (every(5.0, 1000.0, 4400.0), Window::FifteenMinutes, 5000.0, 0.344),
        ] {
            assert_eq!(fill(&points, window, now), expected, "{window:?} at {now}: {} points", points.len());
        }
    }

    #[test]
    fn beyond_the_limit_the_oldest_are_dropped_and_counted() {
        let mut series = RollingPoints::default();
        series.extend(&[Point { at: 1.0, value: 9.0 }; 2]);
        series.extend(&vec![Point { at: 2.0, value: 1.0 }; MOST_POINTS]);
        series.expire(3.0);
        assert_eq!((series.stats(3.0).max, series.dropped()), (Some(1.0), 2));
    }
}
