//! Percentiles against the definition, computed by sorting.

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
