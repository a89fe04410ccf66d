//! The scalar rows: flat keys that every outlet exports by default and a mapping can rename.

use super::{Kind, Metric, Read, Unit};
use crate::analysis::SystemState;
use crate::analysis::state::{LatencyWindow, PerWindow, Reading, RollingWindows, SseTotals, ThrottledWindow};
use crate::base::number::{float, round};
use crate::platform::facts::{LatencySeries, Role, RollingSeries};

const NO_SSE: &str = "no ingress worker has a fresh SSE sample";
const NO_SSE_LIMIT: &str = "no fresh SSE sample, or no connection limit is configured";
const NO_REQUESTS: &str = "no request finished in the last minute";
const NO_QUEUE: &str = "a queue could not be read";
const NO_WAIT: &str = "no task left its queue in the last minute";
const NO_EXEC: &str = "no task finished in the last minute";
const NO_POINT: &str = "a queue could not be read, or the window holds no point";
const NO_ANALYTICS: &str = "the platform's queue analytics are switched off or unreadable";
const NO_LOAD: &str = "an upstream does not send it";
const NO_FRONT: &str = "a queue could not be read, or a task in it does not say when it was created";
const NO_BEAT: &str = "a processor's heartbeat could not be read, or an upstream does not send it";
const NO_SLOTS: &str = "there is no slot, or something of the load could not be read";
const NO_JOBS: &str = "a stream could not be read, or Redis does not know how many of its jobs wait";
const NO_REPORT: &str = "no processor says it";
const NO_SERIES: &str = "the series could not be read, or reading it is behind";
const NO_GROWTH: &str = "the series, a queue or a heartbeat could not be read, or the server has not run for a minute";
const NO_DRAIN: &str = "something waits and nothing ended in the last minute";
const NO_DESIRED: &str = "a queue or a heartbeat could not be read, or an upstream does not send it";
const NO_THROTTLING: &str = "the throttling events could not be read";

/// Every scalar, in the order of documents and outlets.
#[rustfmt::skip]
pub(super) static TABLE: &[Metric] = &[
    default_row(&[], "ingress.sse.total_connections", Unit::Count, "Open SSE connections over all ingress workers", NO_SSE, |s| sse(s, |sse| sse.connections.clone())),
    default_row(&[], "ingress.sse.max_connections", Unit::Count, "SSE connections that all ingress workers accept together; 0 where no limit is configured", NO_SSE, |s| sse(s, |sse| sse.max.clone())),
    default_row(&[], "ingress.sse.sessions", Unit::Count, "Distinct sessions with an SSE connection", NO_SSE, |s| sse(s, |sse| sse.sessions.clone())),
    default_row(&[], "ingress.sse.saturation_percent", Unit::Percent, "Open SSE connections in percent of the accepted ones", NO_SSE_LIMIT, |s| saturation(s).map(|(open, max)| 100.0 * open / max)),
    default_row(&[], "ingress.sse.saturation_ratio", Unit::Ratio, "Open SSE connections over the accepted ones", NO_SSE_LIMIT, |s| saturation(s).map(|(open, max)| open / max)),
    default_row(&[], "ingress.rest.latency.p50", Unit::Milliseconds, "Median duration of ingress REST requests, last minute", NO_REQUESTS, |s| latency(s, LatencySeries::IngressRest, |ms| &ms.p50)),
    default_row(&["ingress.rest.latency.p95_ms"], "ingress.rest.latency.p95", Unit::Milliseconds, "95th percentile of the duration of ingress REST requests, last minute", NO_REQUESTS, |s| latency(s, LatencySeries::IngressRest, |ms| &ms.p95)),
    default_row(&[], "ingress.rest.latency.p99", Unit::Milliseconds, "99th percentile of the duration of ingress REST requests, last minute", NO_REQUESTS, |s| latency(s, LatencySeries::IngressRest, |ms| &ms.p99)),
    default_row(&["proc.queue.depth"], "proc.queue.total", Unit::Count, "Tasks in the queues of all roles, waiting or claimed", NO_QUEUE, |s| s.queue.total.clone().map(float)),
    default_row(&[], "proc.queue.utilization_percent", Unit::Percent, "Queued tasks in percent of the processors' capacity; 100 where something is queued and there is no capacity", NO_QUEUE, utilization_percent),
    default_row(&["proc.capacity.utilization"], "proc.queue.utilization_ratio", Unit::Ratio, "Queued tasks over the processors' capacity; 1 where something is queued and there is no capacity", NO_QUEUE, |s| utilization_percent(s).map(|percent| percent / 100.0)),
    default_row(&[], "proc.pressure_ratio_percent", Unit::Percent, "Queue pressure in percent; 100 where there is no capacity", NO_QUEUE, pressure_percent),
    default_row(&[], "proc.queue.pressure_ratio", Unit::Ratio, "Queue pressure: queued tasks over the processors' capacity, unrounded; 1 where there is no capacity", NO_QUEUE, |s| s.queue.pressure.clone()),
    default_row(&["proc.queue.wait.p95", "proc.queue.wait_ms_p95"], "proc.queue.wait.p95_ms", Unit::Milliseconds, "95th percentile of the time that tasks waited in a queue, last minute", NO_WAIT, |s| latency(s, LatencySeries::QueueWait, |ms| &ms.p95)),
    default_row(&["proc.exec.p95"], "proc.exec.p95_ms", Unit::Milliseconds, "95th percentile of the time that tasks took to execute, last minute", NO_EXEC, |s| latency(s, LatencySeries::TaskExec, |ms| &ms.p95)),
    row("proc.active_tasks", Unit::Count, "Tasks that the processors are working on, as their heartbeats report it", NO_LOAD, |s| s.proc.as_ref().and_then(|proc| proc.load.clone()).map(float)),
    default_row(&[], "proc.queue.depth.1m", Unit::Count, "Queued tasks, mean of the last minute", NO_POINT, |s| last_minute(s, RollingSeries::QueueDepth)),
    default_row(&[], "proc.queue.pressure_ratio.1m", Unit::Ratio, "Queue pressure, mean of the last minute", NO_POINT, |s| last_minute(s, RollingSeries::QueuePressure)),
    default_row(&[], "proc.queue.avg_wait_seconds.anonymous", Unit::Seconds, "Average wait of anonymous users' tasks, as the platform keeps it", NO_ANALYTICS, |s| s.queue.average_wait.get(Role::Anonymous).clone()),
    default_row(&[], "proc.queue.avg_wait_seconds.registered", Unit::Seconds, "Average wait of registered users' tasks, as the platform keeps it", NO_ANALYTICS, |s| s.queue.average_wait.get(Role::Registered).clone()),
    default_row(&[], "proc.queue.avg_wait_seconds.paid", Unit::Seconds, "Average wait of paying users' tasks, as the platform keeps it", NO_ANALYTICS, |s| s.queue.average_wait.get(Role::Paid).clone()),
    default_row(&[], "proc.queue.avg_wait_seconds.privileged", Unit::Seconds, "Average wait of privileged users' tasks, as the platform keeps it", NO_ANALYTICS, |s| s.queue.average_wait.get(Role::Privileged).clone()),
    default_row(&["ingress.throttling.rate_limit_429"], "throttling.rate_limit_429", Unit::Count, "Requests turned away by a rate limit (429), last hour", NO_THROTTLING, |s| throttled(s, |windows| &windows.one_hour.rate_limit)),
    default_row(&[], "throttling.backpressure_503", Unit::Count, "Requests turned away by backpressure (503), last hour", NO_THROTTLING, |s| throttled(s, |windows| &windows.one_hour.backpressure)),
    row("proc.queue.waiting", Unit::Count, "Tasks that no processor has claimed, over all roles", NO_QUEUE, |s| s.demand.waiting.clone().map(float)),
    row("proc.queue.oldest_wait_seconds", Unit::Seconds, "Age of the oldest task among those that are claimed next; 0 where none waits", NO_FRONT, |s| s.demand.longest_wait()),
    row("proc.tasks.active", Unit::Count, "Tasks that processors are working on, draining ones too; a process counts for no more than its slots", NO_BEAT, |s| s.demand.active.clone().map(float)),
    row("proc.slots", Unit::Count, "Tasks that the processors which take new work can work on at once", NO_BEAT, |s| s.demand.slots.total.clone().map(float)),
    row("proc.slots.free", Unit::Count, "Slots of processors that take new work and have nothing to do", NO_BEAT, |s| s.demand.slots.free.clone().map(float)),
    row("proc.load_ratio", Unit::Ratio, "Tasks that are worked on or wait, and jobs that wait, over the slots: falls as capacity rises", NO_SLOTS, |s| s.demand.slots.load_ratio.clone()),
    row("proc.jobs.waiting", Unit::Count, "Background jobs that are not done, over all roles", NO_JOBS, |s| s.demand.waiting_jobs.clone().map(float)),
    row("proc.tasks.oldest_active_seconds", Unit::Seconds, "Time since the longest-running task was claimed", NO_REPORT, |s| s.demand.ages.oldest_active.clone()),
    row("proc.tasks.max_idle_seconds", Unit::Seconds, "Time since the quietest running task last did anything", NO_REPORT, |s| s.demand.ages.max_idle.clone()),
    row("proc.queue_loop_lag_seconds", Unit::Seconds, "Longest time since a processor last looked at the queue", NO_REPORT, |s| s.demand.ages.queue_loop_lag.clone()),
    row("proc.throughput_per_second", Unit::Ratio, "Tasks that ended per second, mean of the last minute", NO_SERIES, |s| s.demand.flow.ended_per_second.clone()),
    row("proc.arrivals_per_second", Unit::Ratio, "Tasks that came per second, mean of the last minute: those that ended, and the growth of those that wait or are worked on", NO_GROWTH, |s| s.demand.flow.arrivals_per_second.clone()),
    row("proc.drain_seconds", Unit::Seconds, "Time in which what waits is done at the throughput of the last minute; 0 where nothing waits", NO_DRAIN, |s| s.demand.flow.drain_seconds.clone()),
    row("proc.replicas.desired", Unit::Count, "Processor replicas (instances) that there should be", NO_DESIRED, |s| s.scaling.proc.desired.clone().map(float)),
    row("proc.replicas.current", Unit::Count, "Processor replicas (instances) that take new work", NO_BEAT, |s| s.scaling.proc.current.clone().map(float)),
    row("proc.replicas.missing", Unit::Count, "Desired minus current processor replicas: below 0 where there are too many", NO_DESIRED, |s| s.scaling.proc.missing().map(float)),
    row("ingress.rest.requests_per_second", Unit::Ratio, "REST requests that ended per second, mean of the last minute", NO_SERIES, |s| s.demand.flow.requests_per_second.clone()),
    row("ingress.replicas.desired", Unit::Count, "Ingress replicas (instances) that there should be", NO_SSE_LIMIT, |s| s.scaling.ingress.desired.clone().map(float)),
    row("ingress.replicas.current", Unit::Count, "Ingress replicas (instances) that run", NO_LOAD, |s| s.scaling.ingress.current.clone().map(float)),
    row("ingress.replicas.missing", Unit::Count, "Desired minus current ingress replicas: below 0 where there are too many", NO_SSE_LIMIT, |s| s.scaling.ingress.missing().map(float)),
    row("throttling.rate_limit_429.1m", Unit::Count, "Requests turned away by a rate limit (429), last minute", NO_THROTTLING, |s| throttled(s, |windows| &windows.one_minute.rate_limit)),
    row("throttling.backpressure_503.1m", Unit::Count, "Requests turned away by backpressure (503), last minute", NO_THROTTLING, |s| throttled(s, |windows| &windows.one_minute.backpressure)),
];

type ReadScalar = fn(&SystemState) -> Reading<f64>;

/// A scalar that CloudWatch gets where it is included: a new one costs nobody money by itself.
const fn row(key: &'static str, unit: Unit, help: &'static str, absent: &'static str, read: ReadScalar) -> Metric {
    Metric { cloudwatch_default: false, ..default_row(&[], key, unit, help, absent, read) }
}

/// A scalar of the set that CloudWatch gets by default, as from the service that this one replaces.
const fn default_row(
    aliases: &'static [&'static str],
    key: &'static str,
    unit: Unit,
    help: &'static str,
    absent: &'static str,
    read: ReadScalar,
) -> Metric {
    Metric {
        key,
        unit,
        kind: Kind::Gauge,
        help,
        labels: &[],
        aliases,
        absent,
        cloudwatch_default: true,
        read: Read::Scalar(read),
    }
}

fn sse(state: &SystemState, read: fn(&SseTotals) -> Reading<i64>) -> Reading<f64> {
    state.sse.as_ref().and_then(read).map(float)
}

fn saturation(state: &SystemState) -> Reading<(f64, f64)> {
    state.sse.as_ref().and_then(SseTotals::against_limit)
}

fn latency(state: &SystemState, series: LatencySeries, read: fn(&LatencyWindow) -> &Reading<f64>) -> Reading<f64> {
    state.latency.get(&series).map(|windows| read(&windows.one_minute).clone()).unwrap_or_default()
}

/// The platform publishes it with one decimal, and the ratio made of that.
fn utilization_percent(state: &SystemState) -> Reading<f64> {
    state.queue.utilization.clone().map(|ratio| round(ratio * 100.0, 1))
}

/// 100 · total / capacity where the pressure is their ratio: 29 tasks of 100 are 29 %, and 100 · 0.29 is not.
fn pressure_percent(state: &SystemState) -> Reading<f64> {
    let measured = state.queue.total.get().zip(state.capacity.total.get()).filter(|(_, capacity)| *capacity > 0);
    let measured = measured.map(|(total, capacity)| (float(total), float(capacity)));
    state.queue.pressure.clone().map(|pressure| match measured {
        Some((total, capacity)) if total / capacity == pressure => 100.0 * total / capacity,
        _ => 100.0 * pressure,
    })
}

/// The platform publishes it with two decimals.
fn last_minute(state: &SystemState, series: RollingSeries) -> Reading<f64> {
    let one_minute = |windows: RollingWindows| windows.one_minute;
    state.rolling(series).and_then(one_minute).map(|mean| round(mean, 2))
}

fn throttled(state: &SystemState, read: fn(&PerWindow<ThrottledWindow>) -> &Reading<i64>) -> Reading<f64> {
    state.throttling.as_ref().and_then(|throttling| read(&throttling.windows).clone()).map(float)
}
