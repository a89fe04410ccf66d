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
