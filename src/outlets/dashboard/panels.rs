//! The panels, in the order in which they are read: the decision first, what it rests on, then this server itself.

/// A panel, or the heading of a row of them.
#[derive(Debug)]
pub(super) struct Panel {
    pub(super) title: &'static str,
    /// What it says, on its (i).
    pub(super) about: &'static str,
    pub(super) shape: Shape,
    /// Grafana's name; `None` = that of the first metric.
    pub(super) unit: Option<&'static str>,
    pub(super) lines: &'static [Line],
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Shape {
    /// A heading over the whole width.
    Row,
    /// The newest value.
    Number,
    Chart,
}

impl Shape {
    /// Width and height in Grafana's grid.
    pub(super) const fn size(self) -> (u32, u32) {
        match self {
            Self::Row => (24, 1),
            Self::Number => (4, 4),
            Self::Chart => (8, 8),
        }
    }
}

/// One query: a metric, by key, and how its series are combined.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) key: &'static str,
    /// Before the values of `by`.
    pub(super) legend: &'static str,
    /// A line for each of these labels' values.
    pub(super) by: &'static [&'static str],
    /// More matchers of the selector.
    pub(super) only: &'static str,
    pub(super) form: Form,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Form {
    /// The greatest of all replicas.
    Greatest,
    Sum,
    /// Of a counter, a second.
    Rate,
    /// Seconds since a time.
    Age,
    /// Of a histogram.
    Quantile(f64),
}

impl Line {
    const fn of(key: &'static str, legend: &'static str) -> Self {
        Self { key, legend, by: &[], only: "", form: Form::Greatest }
    }

    const fn by(self, by: &'static [&'static str]) -> Self {
        Self { by, ..self }
    }

    const fn only(self, only: &'static str) -> Self {
        Self { only, ..self }
    }

    const fn form(self, form: Form) -> Self {
        Self { form, ..self }
    }
}

const fn row(title: &'static str) -> Panel {
    Panel { title, about: "", shape: Shape::Row, unit: None, lines: &[] }
}

const fn number(title: &'static str, about: &'static str, lines: &'static [Line]) -> Panel {
    Panel { title, about, shape: Shape::Number, unit: None, lines }
}

const fn chart(title: &'static str, about: &'static str, lines: &'static [Line]) -> Panel {
    Panel { title, about, shape: Shape::Chart, unit: None, lines }
}

impl Panel {
    const fn unit(self, unit: &'static str) -> Self {
        Self { unit: Some(unit), ..self }
    }
}

#[rustfmt::skip]
pub(super) static PANELS: &[Panel] = &[
    row("Decision"),
    number("Snapshot age", "Of the newest snapshot: nothing of the deployment is exported when it is stale.", &[Line::of("kdcube_metrics_snapshot_age_seconds", "age").form(Form::Greatest)]),
    number("Problems", "What is wrong now; the page and /api/v1/problems say what to do.", &[Line::of("kdcube_metrics_problem", "").by(&["code"])]),
    number("Pressure", "Tasks in the queues over the capacity of the deployment.", &[Line::of("proc.queue.pressure_ratio", "pressure")]),
    number("Processors missing", "Desired less current replicas; negative where there are too many.", &[Line::of("proc.replicas.missing", "missing")]),
    number("Ingress missing", "Desired less current replicas; negative where there are too many.", &[Line::of("ingress.replicas.missing", "missing")]),
    number("Leaders", "Replicas of this server that record and push: one.", &[Line::of("kdcube_metrics_leader", "leaders").form(Form::Sum)]),
    chart("Processors: replicas", "What there is and what the load needs.", &[Line::of("proc.replicas.current", "current"), Line::of("proc.replicas.desired", "desired")]),
    chart("Ingress: replicas", "What there is and what the load needs.", &[Line::of("ingress.replicas.current", "current"), Line::of("ingress.replicas.desired", "desired")]),
    chart("Built-in hint", "1 for the decision of each component.", &[Line::of("autoscaler_decision", "").by(&["component", "decision"])]),
    row("Queue"),
    chart("Queue by role", "Tasks that wait or are claimed, and the depths from which roles are refused.", &[Line::of("proc.queue.total", "all"), Line::of("proc_queue_depth", "").by(&["role"]), Line::of("proc_queue_threshold_tasks", "refuses").by(&["role"]), Line::of("capacity_tasks", "capacity")]),
    chart("Waiting", "The oldest task that waits, and how long the started ones waited within 15 minutes.", &[Line::of("proc.queue.oldest_wait_seconds", "oldest"), Line::of("proc_queue_wait_seconds", "").by(&["percentile"]).only("window=\"15m\"")]),
    chart("Pressure", "Now, and the mean of each window.", &[Line::of("proc.queue.pressure_ratio", "now"), Line::of("proc_queue_pressure_window", "mean").by(&["window"]).only("stat=\"mean\"")]),
    row("Processors"),
    chart("Load and slots", "Tasks that are worked on, and how many could be.", &[Line::of("proc.tasks.active", "active"), Line::of("proc.slots", "slots"), Line::of("proc.jobs.waiting", "background jobs that wait")]),
    chart("Execution", "Of tasks that ended within 15 minutes.", &[Line::of("proc_exec_seconds", "").by(&["percentile"]).only("window=\"15m\"")]),
    chart("Arrivals and throughput", "Tasks a second.", &[Line::of("proc.arrivals_per_second", "arrive"), Line::of("proc.throughput_per_second", "end")]).unit("ops"),
    row("Ingress"),
    chart("SSE connections", "Open streams against their limit.", &[Line::of("ingress.sse.total_connections", "open"), Line::of("ingress.sse.max_connections", "limit")]),
    chart("REST latency", "Of requests within 15 minutes.", &[Line::of("ingress_rest_latency_seconds", "").by(&["percentile"]).only("window=\"15m\"")]),
    chart("Requests refused", "Within the last minute.", &[Line::of("throttled_requests", "").by(&["status"]).only("window=\"1m\"")]),
    row("Processes, pools and circuits"),
    chart("Processes", "By component and state.", &[Line::of("processes", "").by(&["component", "status"])]),
    chart("Pools", "Connections in use over those that there may be.", &[Line::of("pool_utilization_ratio", "").by(&["component", "pool"])]),
    chart("Circuits", "1 for the state of each circuit breaker.", &[Line::of("circuit_state", "").by(&["circuit", "state"])]),
    row("This server"),
    chart("Ticks", "A second, by result.", &[Line::of("kdcube_metrics_ticks_total", "").by(&["result"]).form(Form::Rate)]).unit("ops"),
    chart("Tick duration", "Half of the ticks, and all but one of a hundred.", &[Line::of("kdcube_metrics_tick_duration_seconds", "p50").form(Form::Quantile(0.5)), Line::of("kdcube_metrics_tick_duration_seconds", "p99").form(Form::Quantile(0.99))]).unit("s"),
    chart("Memory", "Resident, of each replica the greatest.", &[Line::of("process_resident_memory_bytes", "resident")]),
    chart("Exports", "A second, by sink and result.", &[Line::of("kdcube_metrics_exports_total", "").by(&["sink", "result"]).form(Form::Rate)]).unit("ops"),
    chart("Time since the last export", "By sink.", &[Line::of("kdcube_metrics_export_last_success_timestamp_seconds", "").by(&["sink"]).form(Form::Age)]),
    chart("Requests", "A second, by status.", &[Line::of("kdcube_metrics_http_requests_total", "").by(&["status"]).form(Form::Rate)]).unit("reqps"),
];
