//! How fast tasks come and go.

use crate::analysis::state::{Cause, Demand, Flow, LatencyWindow, Reading, Reason};
use crate::analysis::{Analysis, windows};
use crate::base::number::float;
use crate::history::{History, Window};
use crate::platform::facts::{LatencySeries, SeriesId};

const MINUTE: f64 = 60.0;
/// Tasks that wait are done in twice the time that a task takes, unless something is wrong; where that time is unknown, in an
/// hour. A short one is no measure: heartbeats and series take some seconds.
const UNKNOWN_SECONDS: f64 = 3600.0;
const LEAST_SECONDS: f64 = 60.0;

pub(super) fn flow(tick: &Analysis<'_>, demand: &Demand, history: &History) -> Flow {
    let ended = per_second(tick, history, LatencySeries::TaskExec);
    let growth = Reading::or_absent(history.growth_per_second(), || Cause::EmptyWindow);
    let known = demand.active.clone().zip(demand.waiting.clone()).and_then(|_| growth);
    Flow {
        arrivals_per_second: ended.clone().zip(known).map(|(ended, growth)| (ended + growth).max(0.0)),
        drain_seconds: demand.waiting.clone().and_then(|waiting| drain(waiting, &ended)),
        ended_per_second: ended,
        mean_exec_seconds: mean_exec(tick, history),
        requests_per_second: per_second(tick, history, LatencySeries::IngressRest),
    }
}

/// Samples of the last minute, per second. A window that is not complete has too few.
fn per_second(tick: &Analysis<'_>, history: &History, series: LatencySeries) -> Reading<f64> {
    let window = window(tick, history, series, Window::OneMinute);
    let facts = tick.inputs.facts;
    let is_behind = facts.series.get(&SeriesId::Latency(series)).and_then(|facts| facts.lag_seconds) > Some(0.0);
    let behind = || Reason::of(Cause::Incomplete, tick.keys.latency(series));
    window.count.filter(|_| !is_behind, behind).map(|count| float(count) / MINUTE)
}

fn window(tick: &Analysis<'_>, history: &History, series: LatencySeries, window: Window) -> LatencyWindow {
    windows::of_latency(tick.inputs.facts, history, &tick.keys, series, window)
}

fn drain(waiting: i64, ended: &Reading<f64>) -> Reading<f64> {
    if waiting <= 0 {
        return Reading::Value(0.0);
    }
    let ended = ended.clone().filter(|ended| *ended > 0.0, || Cause::NothingEnded);
    ended.map(|ended| float(waiting) / ended)
}

fn mean_exec(tick: &Analysis<'_>, history: &History) -> Reading<f64> {
    let mean = |length| window(tick, history, LatencySeries::TaskExec, length).mean;
    let mean = match mean(Window::FifteenMinutes) {
        Reading::Absent(_) => mean(Window::OneHour),
        mean => mean,
    };
    mean.map(|milliseconds| milliseconds / 1000.0)
}

/// Seconds since which tasks wait and none ended, if that is too long.
pub(super) fn nothing_ends(tick: &Analysis<'_>, demand: &Demand, history: &History) -> Option<f64> {
    let now = tick.inputs.now;
    demand.waiting.get().filter(|waiting| *waiting > 0)?;
    // Where the series cannot be read, nobody knows.
    demand.flow.ended_per_second.get().filter(|ended| *ended <= 0.0)?;
    let longest = demand.flow.mean_exec_seconds.get().map_or(UNKNOWN_SECONDS, |mean| 2.0 * mean).max(LEAST_SECONDS);
    let ended = history.newest(LatencySeries::TaskExec).map_or(f64::INFINITY, |at| now - at);
    let seconds = history.waiting_seconds(now)?.min(ended);
    (seconds > longest).then_some(seconds)
}
