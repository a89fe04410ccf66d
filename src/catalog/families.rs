//! The family rows: labelled metrics, in base units; "now" and windows apart.
//!
//! Holds the table; how each row reads the state is in `read`.

mod read;

use super::{Kind, Metric, Read, Rows, Unit};
use crate::analysis::SystemState;

const LATENCY: &[&str] = &["percentile", "window"];
const WINDOW: &[&str] = &["window", "stat"];
const POOL: &[&str] = &["component", "pool"];
const POOL_WINDOW: &[&str] = &["component", "pool", "window", "stat"];

const NO_VALUES: &str = "the window holds no value";
const NO_POINT: &str = "the window holds no point, or the value is unknown now";
const NO_QUEUE: &str = "a queue could not be read";
const NO_STATES: &str = "a queue could not be read, or the source is an upstream, which sends no states";
const NO_POOL: &str = "no process reports the pool";
const NO_REPORT: &str = "the processor does not say it";
const PROCESSOR: &[&str] = &["processor"];
const NO_SOURCE: &str = "an upstream does not send it";

/// Every family, in the order of documents and outlets.
#[rustfmt::skip]
pub(super) static TABLE: &[Metric] = &[
    row("ingress_rest_latency_seconds", Unit::Seconds, "Duration of ingress REST requests, exact percentiles and maximum", LATENCY, NO_VALUES, read::rest_latency),
    row("proc_queue_wait_seconds", Unit::Seconds, "Time that tasks waited in a queue, exact percentiles and maximum", LATENCY, NO_VALUES, read::queue_wait),
    row("proc_exec_seconds", Unit::Seconds, "Time that tasks took to execute, exact percentiles and maximum", LATENCY, NO_VALUES, read::exec),
    row("latency_samples", Unit::Count, "Values that the percentiles of a series rest on", &["series", "window"], "the series cannot be read", read::latency_samples),
    row("ingress_sse_connections_window", Unit::Count, "Open SSE connections, mean and maximum over 1 m, 15 m and 1 h", WINDOW, NO_POINT, read::sse_window),
    row("ingress_sse_unknown_workers", Unit::Count, "Ingress workers whose number of SSE connections is unknown, because it may have changed while nobody looked; the totals are without them", &[], NO_SOURCE, read::sse_unknown_workers),
    row("proc_queue_depth", Unit::Count, "Tasks of a role, waiting or claimed", &["role"], NO_QUEUE, read::queue_depth),
    row("proc_queue_role_oldest_wait_seconds", Unit::Seconds, "Age of the oldest task of a role among those that are claimed next; 0 where none waits", &["role"], "a task does not say when it was created", read::oldest_wait),
    row("proc_queue_role_jobs_waiting", Unit::Count, "Background jobs of a role that are not done", &["role"], "the stream cannot be read, or Redis does not know how many of its jobs wait", read::jobs),
    row("proc_processor_oldest_active_seconds", Unit::Seconds, "Time since the longest-running task of a processor instance was claimed; `other` is the greatest of those beyond 100", PROCESSOR, NO_REPORT, read::oldest_active),
    row("proc_processor_max_idle_seconds", Unit::Seconds, "Time since the quietest running task of a processor instance last did anything; `other` likewise", PROCESSOR, NO_REPORT, read::max_idle),
    row("proc_processor_queue_loop_lag_seconds", Unit::Seconds, "Time since a processor instance last looked at the queue; `other` likewise", PROCESSOR, NO_REPORT, read::queue_loop_lag),
    row("proc_queue_tasks", Unit::Count, "Tasks of a role by state: ready to be claimed, claimed, or continuing a conversation", &["role", "state"], NO_STATES, read::queue_tasks),
    row("proc_queue_threshold_tasks", Unit::Count, "Queued tasks from which a role's new tasks are turned away", &["role"], NO_SOURCE, read::queue_thresholds),
    row("proc_queue_depth_window", Unit::Count, "Queued tasks, mean and maximum over 1 m, 15 m and 1 h", WINDOW, NO_POINT, read::depth_window),
    row("proc_queue_pressure_window", Unit::Ratio, "Queue pressure, mean and maximum over 1 m, 15 m and 1 h", WINDOW, NO_POINT, read::pressure_window),
    row("window_filled_ratio", Unit::Ratio, "How full the windows of a series are: less than 1 after a start or a gap, while reading is behind, and where samples were lost", &["series", "window"], "the series cannot be read, or the source is an upstream", read::window_fill),
    row("pool_utilization_ratio", Unit::Ratio, "Connections in use over the pool's size, summed over a component's processes", POOL, NO_POOL, read::pool_utilization),
    row("pool_utilization_ratio_window", Unit::Ratio, "Pool utilization, mean and maximum over 1 m, 15 m and 1 h", POOL_WINDOW, NO_POOL, read::pool_utilization_window),
    row("pool_in_use_connections", Unit::Count, "Pool connections in use, summed over a component's processes", POOL, NO_POOL, read::pool_in_use),
    row("pool_in_use_connections_window", Unit::Count, "Pool connections in use, mean and maximum over 1 m, 15 m and 1 h", POOL_WINDOW, NO_POOL, read::pool_in_use_window),
    row("instances", Unit::Count, "Instances that run a component", &["component"], NO_SOURCE, read::instances),
    row("processes", Unit::Count, "Processes of a component by status", &["component", "status"], NO_SOURCE, read::processes),
    row("capacity_tasks", Unit::Count, "Tasks that the processors take in all, worked on and queued", &[], NO_SOURCE, read::capacity),
    row("writer_clock_offset_seconds", Unit::Seconds, "Clock of an instance that writes, minus Redis' clock, the least that it is off by; below 0 it is behind", &["writer"], "the clock agrees with Redis' within 2 s, as far as is known", read::writer_offsets),
    row("load_tasks", Unit::Count, "Requests that a component is working on", &["component"], NO_SOURCE, read::load),
    row("throttled_requests", Unit::Count, "Requests turned away in a window, by status", &["status", "window"], "the throttling events cannot be read", read::throttled),
    row("circuit_state", Unit::Count, "1 for the state that a circuit breaker is in, 0 for the others", &["circuit", "state"], "its state cannot be read", read::circuits),
    row("db_connections_estimated", Unit::Count, "Postgres connections that the configured pools can open in all", &[], NO_SOURCE, read::db_estimated),
    row("db_connections_max", Unit::Count, "Postgres connections that the database accepts", &[], "neither configured nor asked for", read::db_max),
    row("autoscaler_decision", Unit::Count, "1 for the decision that the built-in hint takes, 0 for the others", &["component", "decision"], NO_SOURCE, read::decisions),
];

const fn row(
    key: &'static str,
    unit: Unit,
    help: &'static str,
    labels: &'static [&'static str],
    absent: &'static str,
    read: fn(&SystemState, &mut Rows<'_>),
) -> Metric {
    Metric {
        key,
        unit,
        kind: Kind::Gauge,
        help,
        labels,
        aliases: &[],
        absent,
        // A family is dozens of series, each of which costs.
        cloudwatch_default: false,
        read: Read::Family(read),
    }
}
