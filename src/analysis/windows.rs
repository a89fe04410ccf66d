//! Rolling series and latency percentiles over their windows.

use std::collections::BTreeMap;

use super::state::{Cause, LatencyWindow, PerWindow, Reading, Reason, RollingWindows};
use super::{Analysis, unreadable};
use crate::base::clock::UnixSeconds;
use crate::base::number::count;
use crate::history::{History, LatencyStats, Window};
use crate::platform::facts::{Facts, LatencySeries, RollingSeries, SeriesId, Unreadable};
use crate::platform::keys::Keys;

/// Every rolling series; absent where its current value is.
pub(super) fn rolling(tick: &Analysis<'_>, history: &History) -> BTreeMap<RollingSeries, Reading<RollingWindows>> {
    let windows = |series| current(tick, series).map(|()| rolling_windows(tick, history, series));
    RollingSeries::all().map(|series| (series, windows(series))).collect()
}

/// Whether the series has a value now, or why not.
fn current(tick: &Analysis<'_>, series: RollingSeries) -> Reading<()> {
    match series {
        RollingSeries::SseConnections => tick.sse.connections().map(drop),
        RollingSeries::QueuePressure => tick.queue.pressure.as_ref().map(|_| ()),
        RollingSeries::QueueDepth => tick.queue.total.as_ref().map(|_| ()),
        RollingSeries::PoolUtilization(component, pool) => {
            tick.pools.get(&(component, pool)).map(|pool| pool.utilization.as_ref().map(|_| ())).unwrap_or_default()
        }
        RollingSeries::PoolInUse(component, pool) => {
            tick.pools.get(&(component, pool)).map(|pool| pool.in_use.as_ref().map(|_| ())).unwrap_or_default()
        }
    }
}

fn rolling_windows(tick: &Analysis<'_>, history: &History, series: RollingSeries) -> RollingWindows {
    let stats = history.rolling(series, tick.inputs.now);
    let over = |value| Reading::or_absent(value, || Reason::of(Cause::EmptyWindow, tick.keys.rolling(series)));
    RollingWindows {
        one_minute: over(stats.one_minute),
        fifteen_minutes: over(stats.fifteen_minutes),
        one_hour: over(stats.one_hour),
        max_one_minute: over(stats.max_one_minute),
        max_fifteen_minutes: over(stats.max_fifteen_minutes),
        max: over(stats.max),
    }
}

/// The series whose windows say how full they are; those of pools have the same points.
const FILLED: [SeriesId; 7] = [
    SeriesId::Latency(LatencySeries::IngressRest),
    SeriesId::Latency(LatencySeries::QueueWait),
    SeriesId::Latency(LatencySeries::TaskExec),
    SeriesId::Rolling(RollingSeries::SseConnections),
    SeriesId::Rolling(RollingSeries::QueuePressure),
    SeriesId::Rolling(RollingSeries::QueueDepth),
    SeriesId::Throttling,
];

/// How full every window is that is known; what reading is behind is missing too.
pub(super) fn fill(facts: &Facts, history: &History, now: UnixSeconds) -> BTreeMap<(SeriesId, Window), f64> {
    let is_unreadable = |series: &SeriesId| match series {
        SeriesId::Latency(series) => facts.unreadable.contains(&Unreadable::Latency(*series)),
        SeriesId::Throttling => facts.unreadable.contains(&Unreadable::Throttling),
        SeriesId::Rolling(_) => false,
    };
    let of = |series: SeriesId| {
        let lag = facts.series.get(&series).and_then(|facts| facts.lag_seconds).unwrap_or_default();
        Window::ALL.map(|window| {
            let read = (1.0 - lag / window.seconds()).max(0.0);
            ((series, window), history.fill(series, window, now) * read)
        })
    };
    FILLED.into_iter().filter(|series| !is_unreadable(series)).flat_map(of).collect()
}

/// Every latency series; all of it absent where the series cannot be read.
pub(super) fn latency(
    facts: &Facts,
    history: &History,
    keys: &Keys,
) -> BTreeMap<LatencySeries, PerWindow<LatencyWindow>> {
    let windows = |series| PerWindow::from_fn(|window| of_latency(facts, history, keys, series, window));
    LatencySeries::ALL.into_iter().map(|series| (series, windows(series))).collect()
}

/// One window of one latency series.
pub(super) fn of_latency(
    facts: &Facts,
    history: &History,
    keys: &Keys,
    series: LatencySeries,
    window: Window,
) -> LatencyWindow {
    let key = keys.latency(series);
    if facts.unreadable.contains(&Unreadable::Latency(series)) {
        return unknown(&unreadable::reason(facts, [key]));
    }
    percentiles(history.latency(series, window), &Reason::of(Cause::EmptyWindow, key))
}

fn unknown(reason: &Reason) -> LatencyWindow {
    let absent = || Reading::absent(reason.clone());
    LatencyWindow {
        count: Reading::absent(reason.clone()),
        p50: absent(),
        p95: absent(),
        p99: absent(),
        max: absent(),
        mean: absent(),
    }
}

fn percentiles(stats: LatencyStats, empty: &Reason) -> LatencyWindow {
    let over = |value| Reading::or_absent(value, || empty.clone());
    LatencyWindow {
        count: Reading::Value(count(stats.count)),
        p50: over(stats.p50),
        p95: over(stats.p95),
        p99: over(stats.p99),
        max: over(stats.max),
        mean: over(stats.mean),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::facts::SeriesFacts;

    const WAIT: SeriesId = SeriesId::Latency(LatencySeries::QueueWait);

    /// How full the windows of the queue wait are, where reading is this far behind.
    fn fill_behind(lag_seconds: Option<f64>) -> [Option<f64>; 3] {
        let series = [(WAIT, SeriesFacts { lag_seconds, ..SeriesFacts::default() })].into();
        let facts = Facts { series, ..Facts::default() };
        let filled = fill(&facts, &History::new(10), 1000.0);
        Window::ALL.map(|window| filled.get(&(WAIT, window)).copied())
    }

    #[test]
    fn what_reading_is_behind_is_missing_from_a_window() {
        assert_eq!(fill_behind(None), [Some(1.0); 3]);
        assert_eq!(fill_behind(Some(45.0)), [Some(0.25), Some(0.95), Some(0.9875)]);
        assert_eq!(fill_behind(Some(1800.0)), [Some(0.0), Some(0.0), Some(0.5)], "never below 0");
    }

    #[test]
    fn of_a_series_that_cannot_be_read_nobody_knows_how_full_its_windows_are() {
        let unreadable = [Unreadable::Latency(LatencySeries::QueueWait), Unreadable::Throttling].into();
        let facts = Facts { unreadable, ..Facts::default() };
        let filled = fill(&facts, &History::new(10), 1000.0);
        let known = |series: SeriesId| filled.keys().filter(|(known, _)| *known == series).count();
        assert_eq!((known(WAIT), known(SeriesId::Throttling)), (0, 0));
        assert_eq!(known(SeriesId::Latency(LatencySeries::TaskExec)), Window::ALL.len());
        // Points of our own are in the history, whatever can be read now.
        assert_eq!(known(SeriesId::Rolling(RollingSeries::QueueDepth)), Window::ALL.len());
    }
}
