//! The scalar rows: flat keys that every outlet exports by default and a mapping can rename.

use super::{Kind, Metric, Read, Unit};
use crate::analysis::SystemPayload;
use crate::payload::shapes::{LatencyPercentiles, QueueWindows, SseConnections};

const NO_SSE: &str = "no ingress worker has a fresh SSE sample";
const NO_SSE_LIMIT: &str = "no fresh SSE sample, or no connection limit is configured";
const NO_REQUESTS: &str = "no request finished in the last minute";
const NO_QUEUE: &str = "a queue could not be read";
const NO_WAIT: &str = "no task left its queue in the last minute";
const NO_EXEC: &str = "no task finished in the last minute";
const NO_POINT: &str = "a queue could not be read, or the window holds no point";
const NO_ANALYTICS: &str = "the platform's queue analytics are switched off or unreadable";
const NO_LOAD: &str = "an upstream does not send it";
const NO_THROTTLING: &str = "the throttling events could not be read";

/// Every scalar, in the order of documents and outlets.
#[rustfmt::skip]
pub(super) static TABLE: &[Metric] = &[
    row("ingress.sse.total_connections", Unit::Count, "Open SSE connections over all ingress workers", NO_SSE, |m| count(sse(m)?.total_connections)),
    row("ingress.sse.max_connections", Unit::Count, "SSE connections that all ingress workers accept together; 0 where no limit is configured", NO_SSE, |m| count(sse(m)?.max_connections)),
    row("ingress.sse.sessions", Unit::Count, "Distinct sessions with an SSE connection", NO_SSE, |m| count(sse(m)?.sessions)),
    row("ingress.sse.saturation_percent", Unit::Percent, "Open SSE connections in percent of the accepted ones", NO_SSE_LIMIT, |m| Some(saturation(m)? * 100.0)),
    row("ingress.sse.saturation_ratio", Unit::Ratio, "Open SSE connections over the accepted ones", NO_SSE_LIMIT, saturation),
    aliased(&[], "ingress.rest.latency.p50", Unit::Milliseconds, "Median duration of ingress REST requests, last minute", NO_REQUESTS, |m| rest(m)?.p50),
    aliased(&["ingress.rest.latency.p95_ms"], "ingress.rest.latency.p95", Unit::Milliseconds, "95th percentile of the duration of ingress REST requests, last minute", NO_REQUESTS, |m| rest(m)?.p95),
    aliased(&[], "ingress.rest.latency.p99", Unit::Milliseconds, "99th percentile of the duration of ingress REST requests, last minute", NO_REQUESTS, |m| rest(m)?.p99),
    aliased(&["proc.queue.depth"], "proc.queue.total", Unit::Count, "Tasks in the queues of all roles, waiting or claimed", NO_QUEUE, |m| count(m.queue_stats.total)),
    row("proc.queue.utilization_percent", Unit::Percent, "Queued tasks in percent of the processors' capacity; 100 where something is queued and there is no capacity", NO_QUEUE, |m| m.queue_utilization),
    aliased(&["proc.capacity.utilization"], "proc.queue.utilization_ratio", Unit::Ratio, "Queued tasks over the processors' capacity; 1 where something is queued and there is no capacity", NO_QUEUE, |m| Some(m.queue_utilization? / 100.0)),
    row("proc.pressure_ratio_percent", Unit::Percent, "Queue pressure in percent; 100 where there is no capacity", NO_QUEUE, |m| Some(pressure(m)? * 100.0)),
    row("proc.queue.pressure_ratio", Unit::Ratio, "Queue pressure: queued tasks over the processors' capacity, unrounded; 1 where there is no capacity", NO_QUEUE, pressure),
    aliased(&["proc.queue.wait.p95", "proc.queue.wait_ms_p95"], "proc.queue.wait.p95_ms", Unit::Milliseconds, "95th percentile of the time that tasks waited in a queue, last minute", NO_WAIT, |m| wait(m)?.p95),
    aliased(&["proc.exec.p95"], "proc.exec.p95_ms", Unit::Milliseconds, "95th percentile of the time that tasks took to execute, last minute", NO_EXEC, |m| exec(m)?.p95),
    row("proc.active_tasks", Unit::Count, "Tasks that the processors are working on, as their heartbeats report it", NO_LOAD, |m| count(m.components.proc.as_ref()?.load)),
    row("proc.queue.depth.1m", Unit::Count, "Queued tasks, mean of the last minute", NO_POINT, |m| windows(m)?.depth?.one_minute),
    row("proc.queue.pressure_ratio.1m", Unit::Ratio, "Queue pressure, mean of the last minute", NO_POINT, |m| windows(m)?.pressure_ratio?.one_minute),
    row("proc.queue.avg_wait_seconds.anonymous", Unit::Seconds, "Average wait of anonymous users' tasks, as the platform keeps it", NO_ANALYTICS, |m| avg_wait(m, "anonymous")),
    row("proc.queue.avg_wait_seconds.registered", Unit::Seconds, "Average wait of registered users' tasks, as the platform keeps it", NO_ANALYTICS, |m| avg_wait(m, "registered")),
    row("proc.queue.avg_wait_seconds.paid", Unit::Seconds, "Average wait of paying users' tasks, as the platform keeps it", NO_ANALYTICS, |m| avg_wait(m, "paid")),
    row("proc.queue.avg_wait_seconds.privileged", Unit::Seconds, "Average wait of privileged users' tasks, as the platform keeps it", NO_ANALYTICS, |m| avg_wait(m, "privileged")),
    aliased(&["ingress.throttling.rate_limit_429"], "throttling.rate_limit_429", Unit::Count, "Requests turned away by a rate limit (429), last hour", NO_THROTTLING, |m| count(m.throttling_windows.one_hour?.rate_limit_429)),
    row("throttling.backpressure_503", Unit::Count, "Requests turned away by backpressure (503), last hour", NO_THROTTLING, |m| count(m.throttling_windows.one_hour?.backpressure_503)),
];

type ReadScalar = fn(&SystemPayload) -> Option<f64>;

const fn row(key: &'static str, unit: Unit, help: &'static str, absent: &'static str, read: ReadScalar) -> Metric {
    aliased(&[], key, unit, help, absent, read)
}

const fn aliased(
    aliases: &'static [&'static str],
    key: &'static str,
    unit: Unit,
    help: &'static str,
    absent: &'static str,
    read: ReadScalar,
) -> Metric {
    Metric { key, unit, kind: Kind::Gauge, help, labels: &[], aliases, absent, read: Read::Scalar(read) }
}

/// Counts stay far below 2^53, where a float is still exact.
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
fn count(value: Option<i64>) -> Option<f64> {
    value.map(|value| value as f64)
}

fn sse(m: &SystemPayload) -> Option<&SseConnections> {
    m.sse_connections.as_ref()
}

fn saturation(m: &SystemPayload) -> Option<f64> {
    let max = count(sse(m)?.max_connections).filter(|max| *max > 0.0)?;
    Some(count(sse(m)?.total_connections)? / max)
}

fn pressure(m: &SystemPayload) -> Option<f64> {
    m.queue_stats.capacity_context.pressure_ratio
}

fn rest(m: &SystemPayload) -> Option<LatencyPercentiles> {
    Some(m.components.ingress.as_ref()?.latency.rest_ms?.one_minute)
}

fn wait(m: &SystemPayload) -> Option<LatencyPercentiles> {
    Some(m.components.proc.as_ref()?.latency.queue_wait_ms?.one_minute)
}

fn exec(m: &SystemPayload) -> Option<LatencyPercentiles> {
    Some(m.components.proc.as_ref()?.latency.exec_ms?.one_minute)
}

fn windows(m: &SystemPayload) -> Option<&QueueWindows> {
    Some(&m.components.proc.as_ref()?.queue.as_ref()?.windows)
}

fn avg_wait(m: &SystemPayload, role: &str) -> Option<f64> {
    m.queue_stats.analytics.avg_wait_times.get(role).copied()
}
