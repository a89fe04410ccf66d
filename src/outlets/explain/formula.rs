//! How each metric comes about: a formula with a place for each operand, and what it is read from.

use super::origin::Origin;
use crate::analysis::SystemState;
use crate::analysis::state::{LatencyWindow, Reading, ThrottledWindow};
use crate::base::number::float;
use crate::platform::facts::{LatencySeries, Role, RollingSeries};

/// A row: `{name}` in the text stands for an operand of the row or for the scalar of that key.
#[derive(Debug)]
pub(super) struct Formula {
    pub(super) key: &'static str,
    pub(super) text: &'static str,
    pub(super) operands: &'static [Operand],
    pub(super) origins: &'static [Origin],
}

/// A number that a formula works with.
#[derive(Debug)]
pub(super) struct Operand {
    pub(super) name: &'static str,
    pub(super) what: &'static str,
    pub(super) read: fn(&SystemState) -> Reading<f64>,
}

impl Formula {
    /// The row of a metric; families have origins and no text.
    pub(super) fn of(key: &str) -> Option<&'static Self> {
        TABLE.iter().find(|row| row.key == key)
    }

    /// The names in the text, each once, in its order.
    pub(super) fn places(&self) -> Vec<&'static str> {
        let mut names: Vec<&'static str> = Vec::new();
        for part in self.text.split('{').skip(1) {
            let name = part.split('}').next().unwrap_or_default();
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }
}

const fn row(
    key: &'static str,
    text: &'static str,
    operands: &'static [Operand],
    origins: &'static [Origin],
) -> Formula {
    Formula { key, text, operands, origins }
}

const QUEUED: Operand = Operand {
    name: "queued",
    what: "tasks in the queues of all roles, waiting or claimed",
    read: |s| s.queue.total.clone().map(float),
};
const CAPACITY: Operand = Operand {
    name: "capacity",
    what: "tasks that the processors take, worked on and queued",
    read: |s| s.capacity.total.clone().map(float),
};
const OPEN: Operand = Operand {
    name: "open",
    what: "open SSE connections over all ingress workers",
    read: |s| s.sse.as_ref().and_then(|sse| sse.connections.clone()).map(float),
};
const LIMIT: Operand = Operand {
    name: "limit",
    what: "SSE connections that all ingress workers accept together",
    read: |s| s.sse.as_ref().and_then(|sse| sse.max.clone()).map(float),
};
const SSE_WORKERS: Operand = Operand {
    name: "workers",
    what: "ingress workers whose count is known",
    read: |s| s.sse.as_ref().map(|sse| float(sse.workers)),
};
const REQUESTS: Operand = Operand {
    name: "samples",
    what: "requests that ended in the last minute",
    read: |s| count(s, LatencySeries::IngressRest),
};
const WAITS: Operand = Operand {
    name: "samples",
    what: "tasks that left their queue in the last minute",
    read: |s| count(s, LatencySeries::QueueWait),
};
const EXECUTIONS: Operand = Operand {
    name: "samples",
    what: "tasks that ended in the last minute",
    read: |s| count(s, LatencySeries::TaskExec),
};
const RATE_LIMITED: Operand =
    Operand { name: "minute", what: "of them in the last minute", read: |s| throttled(s, |window| &window.rate_limit) };
const BACKPRESSURED: Operand = Operand {
    name: "minute",
    what: "of them in the last minute",
    read: |s| throttled(s, |window| &window.backpressure),
};

fn count(state: &SystemState, series: LatencySeries) -> Reading<f64> {
    let read = |window: &LatencyWindow| window.count.clone().map(float);
    state.latency.get(&series).map(|windows| read(&windows.one_minute)).unwrap_or_default()
}

fn throttled(state: &SystemState, read: fn(&ThrottledWindow) -> &Reading<i64>) -> Reading<f64> {
    state.throttling.as_ref().and_then(|throttling| read(&throttling.windows.one_minute).clone()).map(float)
}

const QUEUES: &[Origin] = &[Origin::Queues];
const PRESSURE: &[Origin] = &[Origin::Queues, Origin::Processors, Origin::Gateway];
const FLEET: &[Origin] = &[Origin::Ingress, Origin::Processors];
const SSE: &[Origin] = &[Origin::Sse];
const REST_SERIES: &[Origin] = &[Origin::Latency(LatencySeries::IngressRest)];
const WAIT_SERIES: &[Origin] = &[Origin::Latency(LatencySeries::QueueWait)];
const EXEC_SERIES: &[Origin] = &[Origin::Latency(LatencySeries::TaskExec)];
const THROTTLING: &[Origin] = &[Origin::Throttling];
const POOLS: &[Origin] = FLEET;
const SCALING: &[Origin] = &[Origin::Queues, Origin::Processors, Origin::Latency(LatencySeries::TaskExec)];

/// Every scalar, then the families.
#[rustfmt::skip]
static TABLE: &[Formula] = &[
    row("ingress.sse.total_connections", "the sum over {workers} workers", &[SSE_WORKERS], SSE),
    row("ingress.sse.max_connections", "the sum over {workers} workers", &[SSE_WORKERS], SSE),
    row("ingress.sse.sessions", "the sum over {workers} workers", &[SSE_WORKERS], SSE),
    row("ingress.sse.saturation_percent", "100 × {open} / {limit}", &[OPEN, LIMIT], SSE),
    row("ingress.sse.saturation_ratio", "{open} / {limit}", &[OPEN, LIMIT], SSE),
    row("ingress.rest.latency.p50", "the median of {samples} durations", &[REQUESTS], REST_SERIES),
    row("ingress.rest.latency.p95", "the 95th percentile of {samples} durations", &[REQUESTS], REST_SERIES),
    row("ingress.rest.latency.p99", "the 99th percentile of {samples} durations", &[REQUESTS], REST_SERIES),
    row("ingress.rest.requests_per_second", "{samples} / 60", &[REQUESTS], REST_SERIES),
    row("proc.queue.total", "ready + claimed + continuations, over all roles", &[], QUEUES),
    row("proc.queue.utilization_percent", "100 × {queued} / {capacity}, to one decimal", &[QUEUED, CAPACITY], PRESSURE),
    row("proc.queue.utilization_ratio", "{queued} / {capacity}, to three decimals", &[QUEUED, CAPACITY], PRESSURE),
    row("proc.pressure_ratio_percent", "100 × {queued} / {capacity}; 100 without capacity", &[QUEUED, CAPACITY], PRESSURE),
    row("proc.queue.pressure_ratio", "{queued} / {capacity}; 1 without capacity", &[QUEUED, CAPACITY], PRESSURE),
    row("proc.queue.wait.p95_ms", "the 95th percentile of {samples} waits", &[WAITS], WAIT_SERIES),
    row("proc.exec.p95_ms", "the 95th percentile of {samples} executions", &[EXECUTIONS], EXEC_SERIES),
    row("proc.active_tasks", "the sum of the processors' loads", &[], &[Origin::Processors]),
    row("proc.queue.depth.1m", "the mean of the last minute's points, to two decimals", &[], &[Origin::Rolling(RollingSeries::QueueDepth)]),
    row("proc.queue.pressure_ratio.1m", "the mean of the last minute's points, to two decimals", &[], &[Origin::Rolling(RollingSeries::QueuePressure)]),
    row("proc.queue.avg_wait_seconds.anonymous", "as the platform keeps it", &[], &[Origin::Analytics(Role::Anonymous)]),
    row("proc.queue.avg_wait_seconds.registered", "as the platform keeps it", &[], &[Origin::Analytics(Role::Registered)]),
    row("proc.queue.avg_wait_seconds.paid", "as the platform keeps it", &[], &[Origin::Analytics(Role::Paid)]),
    row("proc.queue.avg_wait_seconds.privileged", "as the platform keeps it", &[], &[Origin::Analytics(Role::Privileged)]),
    row("throttling.rate_limit_429", "events of the last hour with status 429; {minute} of them in the last minute", &[RATE_LIMITED], THROTTLING),
    row("throttling.backpressure_503", "events of the last hour with status 503; {minute} of them in the last minute", &[BACKPRESSURED], THROTTLING),
    row("throttling.rate_limit_429.1m", "events of the last minute with status 429", &[], THROTTLING),
    row("throttling.backpressure_503.1m", "events of the last minute with status 503", &[], THROTTLING),
    row("proc.queue.oldest_wait_seconds", "now − the least time of creation at the head of the ready queues; 0 where all are empty", &[], QUEUES),
    row("proc.queue.waiting", "ready + continuations, over all roles", &[], QUEUES),
    row("proc.tasks.active", "the sum of the processors' loads, draining ones included", &[], &[Origin::Processors]),
    row("proc.slots", "the sum of the capacities of processors that accept work", &[], &[Origin::Processors]),
    row("proc.slots.free", "the slots of processors that accept work − their load", &[], &[Origin::Processors]),
    row("proc.load_ratio", "({proc.tasks.active} + {proc.queue.waiting} + {proc.jobs.waiting}) / {proc.slots}", &[], SCALING),
    row("proc.jobs.waiting", "lag + pending, over all background streams", &[], &[Origin::Jobs]),
    row("proc.tasks.oldest_active_seconds", "the greatest over all processors", &[], &[Origin::Processors]),
    row("proc.tasks.max_idle_seconds", "the greatest over all processors", &[], &[Origin::Processors]),
    row("proc.queue_loop_lag_seconds", "the greatest over all processors", &[], &[Origin::Processors]),
    row("proc.throughput_per_second", "{samples} / 60", &[EXECUTIONS], EXEC_SERIES),
    row("proc.arrivals_per_second", "{proc.throughput_per_second} + the growth of waiting and active tasks in the last minute / 60, at least 0", &[], SCALING),
    row("proc.drain_seconds", "{proc.queue.waiting} / {proc.throughput_per_second}; 0 where nothing waits", &[], SCALING),
    row("proc.replicas.desired", "see /api/v1/recommendation for each step", &[], SCALING),
    row("proc.replicas.current", "processor instances that are live", &[], &[Origin::Processors]),
    row("proc.replicas.missing", "{proc.replicas.desired} − {proc.replicas.current}", &[], SCALING),
    row("ingress.replicas.desired", "see /api/v1/recommendation for each step", &[], &[Origin::Sse, Origin::Ingress]),
    row("ingress.replicas.current", "ingress instances that are live", &[], &[Origin::Ingress]),
    row("ingress.replicas.missing", "{ingress.replicas.desired} − {ingress.replicas.current}", &[], &[Origin::Sse, Origin::Ingress]),
    row("ingress_rest_latency_seconds", "", &[], REST_SERIES),
    row("proc_queue_wait_seconds", "", &[], WAIT_SERIES),
    row("proc_exec_seconds", "", &[], EXEC_SERIES),
    row("latency_samples", "", &[], &[Origin::Latency(LatencySeries::IngressRest), Origin::Latency(LatencySeries::QueueWait), Origin::Latency(LatencySeries::TaskExec)]),
    row("ingress_sse_connections_window", "", &[], &[Origin::Rolling(RollingSeries::SseConnections)]),
    row("ingress_sse_unknown_workers", "", &[], SSE),
    row("proc_queue_depth", "", &[], QUEUES),
    row("proc_queue_tasks", "", &[], QUEUES),
    row("proc_queue_threshold_tasks", "", &[], &[Origin::Processors, Origin::Gateway]),
    row("proc_queue_depth_window", "", &[], &[Origin::Rolling(RollingSeries::QueueDepth)]),
    row("proc_queue_pressure_window", "", &[], &[Origin::Rolling(RollingSeries::QueuePressure)]),
    row("pool_utilization_ratio", "", &[], POOLS),
    row("pool_in_use_connections", "", &[], POOLS),
    row("instances", "", &[], FLEET),
    row("processes", "", &[], FLEET),
    row("capacity_tasks", "", &[], &[Origin::Processors, Origin::Gateway]),
    row("load_tasks", "", &[], FLEET),
    row("throttled_requests", "", &[], THROTTLING),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::catalog;

    #[test]
    fn no_metric_has_two_rows_and_every_place_is_filled_by_an_operand_or_a_scalar() {
        let mut keys = BTreeSet::new();
        for row in TABLE {
            assert!(keys.insert(row.key), "{} twice", row.key);
            for place in row.places() {
                let is_known = row.operands.iter().any(|operand| operand.name == place)
                    || TABLE.iter().any(|row| row.key == place && !row.text.is_empty());
                assert!(is_known, "{}: {place}", row.key);
            }
            let places = row.places();
            assert!(row.operands.iter().all(|operand| places.contains(&operand.name)), "{}", row.key);
        }
    }

    #[test]
    fn every_scalar_has_a_formula() {
        let scalars = catalog::all().filter(|metric| metric.is_scalar());
        let without: Vec<_> =
            scalars.filter(|metric| Formula::of(metric.key).is_none()).map(|metric| metric.key).collect();
        assert_eq!(without, [""; 0], "a row in outlets::explain::formula is missing");
    }

    #[test]
    fn names_are_found_in_the_order_of_the_text() {
        let row = row("x", "{b} + {a} / {b}", &[], &[]);
        assert_eq!(row.places(), ["b", "a"]);
    }
}
