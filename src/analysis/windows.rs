//! Rolling windows and percentiles, rounded as the payload shows them.

use super::Inputs;
use crate::base::clock::UnixSeconds;
use crate::base::number::{count, round};
use crate::history::{History, LatencyStats, Window};
use crate::payload::shapes::{LatencyPercentiles, LatencyWindows, Windows};
use crate::platform::facts::{LatencySeries, RollingSeries, Unreadable};

/// Decimals of pool utilization; every other series has two.
const UTILIZATION_DIGITS: usize = 1;

/// A rolling series over its windows.
pub(super) fn rolling(history: &History, series: RollingSeries, now: UnixSeconds) -> Windows {
    let digits = match series {
        RollingSeries::PoolUtilization(..) => UTILIZATION_DIGITS,
        _ => 2,
    };
    let stats = history.rolling(series, now);
    let shown = |value: Option<f64>| value.map(|value| round(value, digits));
    Windows {
        one_minute: shown(stats.one_minute),
        fifteen_minutes: shown(stats.fifteen_minutes),
        one_hour: shown(stats.one_hour),
        max: shown(stats.max),
    }
}

/// A latency series over its windows; all unknown where it cannot be read.
pub(super) fn latency(inputs: &Inputs<'_>, series: LatencySeries) -> LatencyWindows {
    if inputs.signals.unreadable.contains(&Unreadable::Latency(series)) {
        return LatencyWindows::default();
    }
    let over = |window| percentiles(inputs.history.latency(series, window));
    LatencyWindows {
        one_minute: over(Window::OneMinute),
        fifteen_minutes: over(Window::FifteenMinutes),
        one_hour: over(Window::OneHour),
    }
}

fn percentiles(stats: LatencyStats) -> LatencyPercentiles {
    LatencyPercentiles {
        count: Some(count(stats.count)),
        p50: stats.p50,
        p95: stats.p95,
        p99: stats.p99,
        max: stats.max,
    }
}
