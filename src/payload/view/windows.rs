//! Windows, rounded as the platform shows them.

use crate::analysis::state::{LatencyWindow, Reading, SystemState};
use crate::base::number::round;
use crate::payload::shapes::{LatencyPercentiles, LatencyWindows, Windows};
use crate::platform::facts::{LatencySeries, RollingSeries};

/// Decimals of pool utilization; every other series has two.
const UTILIZATION_DIGITS: usize = 1;

/// A rolling series over its windows.
pub(super) fn rolling(state: &SystemState, series: RollingSeries) -> Option<Windows> {
    let digits = match series {
        RollingSeries::PoolUtilization(..) => UTILIZATION_DIGITS,
        _ => 2,
    };
    let shown = |reading: &Reading<f64>| reading.get().map(|value| round(value, digits));
    let windows = state.rolling(series).value()?;
    Some(Windows {
        one_minute: shown(&windows.one_minute),
        fifteen_minutes: shown(&windows.fifteen_minutes),
        one_hour: shown(&windows.one_hour),
        max: shown(&windows.max),
    })
}

/// A latency series over its windows.
pub(super) fn latency(state: &SystemState, series: LatencySeries) -> Option<LatencyWindows> {
    state.latency.get(&series).map(|windows| LatencyWindows {
        one_minute: percentiles(&windows.one_minute),
        fifteen_minutes: percentiles(&windows.fifteen_minutes),
        one_hour: percentiles(&windows.one_hour),
    })
}

fn percentiles(window: &LatencyWindow) -> LatencyPercentiles {
    LatencyPercentiles {
        count: window.count.get(),
        p50: window.p50.get(),
        p95: window.p95.get(),
        p99: window.p99.get(),
        max: window.max.get(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::state::{Cause, RollingWindows};
    use crate::platform::facts::{Component, Pool};

    #[test]
    fn percentages_have_one_decimal_and_other_series_two() {
        let pool = |series: fn(Component, Pool) -> RollingSeries| series(Component::Proc, Pool::Postgres);
        for (series, shown) in [
            (RollingSeries::SseConnections, 12.35),
            (RollingSeries::QueuePressure, 12.35),
            (RollingSeries::QueueDepth, 12.35),
            (pool(RollingSeries::PoolInUse), 12.35),
            (pool(RollingSeries::PoolUtilization), 12.3),
        ] {
            let windows = RollingWindows {
                one_minute: Reading::Value(12.3456),
                max: Reading::Value(12.3456),
                // The payload has no place for these two.
                max_one_minute: Reading::Value(99.0),
                max_fifteen_minutes: Reading::Value(99.0),
                ..RollingWindows::default()
            };
            let mut state = SystemState::default();
            state.rolling.insert(series, Reading::Value(windows));
            let expected = Windows { one_minute: Some(shown), max: Some(shown), ..Windows::default() };
            assert_eq!(rolling(&state, series), Some(expected), "{series}");
            state.rolling.insert(series, Reading::absent(Cause::NotReported));
            assert_eq!(rolling(&state, series), None, "{series}");
        }
    }
}
