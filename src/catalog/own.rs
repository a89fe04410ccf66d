//! The table of the server's own metrics: each declared once, with how it is read.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::catalog::{Kind, Unit};
use crate::telemetry::histogram::Histogram;
use crate::telemetry::process::ProcessStats;
use crate::telemetry::{SinkCounts, Telemetry, locked};

/// What only the asker knows at the moment of reading.
#[derive(Debug, Clone, Copy)]
pub struct Observed {
    /// The source can be read now and the snapshot is not stale.
    pub up: bool,
    /// Age of the newest snapshot, however old; `None` before the first.
    pub snapshot_age_seconds: Option<f64>,
}

/// One of the server's own metrics.
#[derive(Debug)]
pub struct OwnMetric {
    /// The whole Prometheus name; a counter's ends in `_total`.
    pub name: &'static str,
    pub kind: Kind,
    pub unit: Unit,
    pub help: &'static str,
    pub labels: &'static [&'static str],
    read: fn(&OwnFacts<'_>, &mut Vec<OwnRow>),
}

/// One line of one of them.
#[derive(Debug, Clone, PartialEq)]
pub struct OwnRow {
    /// Behind the name: `_bucket`, `_sum`, `_count` of a histogram, else empty.
    pub suffix: &'static str,
    pub labels: Vec<(&'static str, String)>,
    pub value: f64,
}

/// All that rows are read from.
#[derive(Debug)]
struct OwnFacts<'a> {
    telemetry: &'a Telemetry,
    observed: Observed,
    process: ProcessStats,
}

/// Every own metric, in the order of documents and outlets.
#[rustfmt::skip]
pub static TABLE: &[OwnMetric] = &[
    own("kdcube_metrics_build_info", Kind::Gauge, Unit::Count, "1, with the version that runs", &["version", "revision"], |_, rows| rows.push(build_info())),
    own("kdcube_metrics_up", Kind::Gauge, Unit::Count, "1 while the source can be read and the snapshot is not stale; a snapshot that is stale is not served", &[], |f, rows| plain(f64::from(u8::from(f.observed.up)), rows)),
    own("kdcube_metrics_snapshot_age_seconds", Kind::Gauge, Unit::Seconds, "Age of the newest snapshot; absent before the first. Answers are cached for up to 0.1 s", &[], |f, rows| some(f.observed.snapshot_age_seconds, rows)),
    own("kdcube_metrics_leader", Kind::Gauge, Unit::Count, "1: this replica records and pushes, as each does that runs", &[], |f, rows| some(leader(f.telemetry), rows)),
    own("kdcube_metrics_ticks_total", Kind::Counter, Unit::Count, "Ticks that ended, by result", &["result"], |f, rows| results(f.telemetry, rows)),
    own("kdcube_metrics_tick_duration_seconds", Kind::Histogram, Unit::Seconds, "How long a tick took", &[], |f, rows| histogram(&[], &f.telemetry.tick_duration, rows)),
    own("kdcube_metrics_source_errors_total", Kind::Counter, Unit::Count, "Times that the source could not be read", &[], |f, rows| counter(&f.telemetry.source_errors, rows)),
    own("kdcube_metrics_record_errors_total", Kind::Counter, Unit::Count, "Ticks whose points could not be written to the rolling series", &[], |f, rows| counter(&f.telemetry.record_errors, rows)),
    own("kdcube_metrics_redis_round_trips", Kind::Gauge, Unit::Count, "Round trips to Redis of the last tick", &[], |f, rows| counter(&f.telemetry.round_trips, rows)),
    own("kdcube_metrics_redis_commands", Kind::Gauge, Unit::Count, "Redis commands of the last tick", &[], |f, rows| counter(&f.telemetry.commands, rows)),
    own("kdcube_metrics_upstream_up", Kind::Gauge, Unit::Count, "1 if the upstream told its payload in the last tick; proxy mode only", &["upstream"], |f, rows| upstreams_up(f.telemetry, rows)),
    own("kdcube_metrics_upstream_payload_age_seconds", Kind::Gauge, Unit::Seconds, "Age of an upstream's newest payload by the time in it; proxy mode only", &["upstream"], |f, rows| upstream_ages(f.telemetry, rows)),
    own("kdcube_metrics_upstream_requests_total", Kind::Counter, Unit::Count, "Ticks by how an upstream's part of them went; proxy mode only", &["upstream", "result"], |f, rows| upstream_results(f.telemetry, rows)),
    own("kdcube_metrics_postgres_errors_total", Kind::Counter, Unit::Count, "Times that PostgreSQL was asked for its limit in vain; absent where it is not asked", &[], |f, rows| some(postgres_errors(f.telemetry), rows)),
    own("kdcube_metrics_malformed_total", Kind::Counter, Unit::Count, "Inputs that could not be read and were skipped, by kind", &["kind"], |f, rows| malformed(f.telemetry, rows)),
    own("kdcube_metrics_history_dropped_samples_total", Kind::Counter, Unit::Count, "Samples that the history dropped because a series was full", &[], |f, rows| counter(&f.telemetry.dropped, rows)),
    own("kdcube_metrics_http_requests_total", Kind::Counter, Unit::Count, "HTTP requests answered, by route and status", &["route", "status"], |f, rows| requests(f.telemetry, rows)),
    own("kdcube_metrics_open_connections", Kind::Gauge, Unit::Count, "HTTP connections that are open", &[], |f, rows| plain(float(f.telemetry.door.read_open()), rows)),
    own("kdcube_metrics_refused_connections_total", Kind::Counter, Unit::Count, "Connections that were closed before their client was done: all were busy (full), another one needed the place (idle), no TLS (handshake)", &["reason"], |f, rows| refusals(f.telemetry, rows)),
    own("kdcube_metrics_reloads_total", Kind::Counter, Unit::Count, "Reloads of watched files (tls, tokens, proxy_tls, postgres_ca) by result. A failed reload keeps the previous contents", &["files", "result"], |f, rows| reloads(f.telemetry, rows)),
    own("kdcube_metrics_tls_certificate_expiry_timestamp_seconds", Kind::Gauge, Unit::Seconds, "When the certificate that the server shows ends, Unix time; absent without TLS", &[], |f, rows| some(f.telemetry.door.read_certificate_ends(), rows)),
    own("kdcube_metrics_exports_total", Kind::Counter, Unit::Count, "Exports that ended, by sink and result; no_data: there was nothing true to push", &["sink", "result"], |f, rows| exports(f.telemetry, rows)),
    own("kdcube_metrics_export_retries_total", Kind::Counter, Unit::Count, "Attempts beyond the first of an export, by sink", &["sink"], |f, rows| each_sink(f.telemetry, |counts| Some(float(counts.retries)), rows)),
    own("kdcube_metrics_export_last_success_timestamp_seconds", Kind::Gauge, Unit::Seconds, "When the last export to a sink succeeded, Unix time; absent before the first", &["sink"], |f, rows| each_sink(f.telemetry, |counts| counts.last_success, rows)),
    own("kdcube_metrics_export_last_failure_timestamp_seconds", Kind::Gauge, Unit::Seconds, "When the last export to a sink failed, Unix time; absent before the first. /api/v1/exports says why", &["sink"], |f, rows| each_sink(f.telemetry, |counts| counts.last_failure, rows)),
    own("kdcube_metrics_export_delivered_points_total", Kind::Counter, Unit::Count, "Points that a sink has taken", &["sink"], |f, rows| each_sink(f.telemetry, |counts| Some(float(counts.points.delivered)), rows)),
    own("kdcube_metrics_export_waiting_points", Kind::Gauge, Unit::Count, "Points that wait for a later delivery to a sink", &["sink"], |f, rows| each_sink(f.telemetry, |counts| Some(float(counts.points.waiting as u64)), rows)),
    own("kdcube_metrics_export_dropped_points_total", Kind::Counter, Unit::Count, "Points that a sink will never get: too old, too many, or refused", &["sink"], |f, rows| each_sink(f.telemetry, |counts| Some(float(counts.points.dropped)), rows)),
    own("kdcube_metrics_export_duration_seconds", Kind::Histogram, Unit::Seconds, "How long an export took, by sink", &["sink"], |f, rows| export_durations(f.telemetry, rows)),
    own("process_cpu_seconds_total", Kind::Counter, Unit::Seconds, "CPU time that the process used, user and system", &[], |f, rows| some(f.process.cpu_seconds, rows)),
    own("process_start_time_seconds", Kind::Gauge, Unit::Seconds, "When the process started, Unix time", &[], |f, rows| some(f.process.start_time, rows)),
    own("process_resident_memory_bytes", Kind::Gauge, Unit::Bytes, "Resident memory", &[], |f, rows| some(f.process.resident_bytes, rows)),
    own("process_virtual_memory_bytes", Kind::Gauge, Unit::Bytes, "Virtual memory", &[], |f, rows| some(f.process.virtual_bytes, rows)),
    own("process_threads", Kind::Gauge, Unit::Count, "Threads of the process", &[], |f, rows| some(f.process.threads, rows)),
    own("process_open_fds", Kind::Gauge, Unit::Count, "Open file descriptors", &[], |f, rows| some(f.process.open_fds, rows)),
    own("process_max_fds", Kind::Gauge, Unit::Count, "File descriptors that the process may open", &[], |f, rows| some(f.process.max_fds, rows)),
];

const fn own(
    name: &'static str,
    kind: Kind,
    unit: Unit,
    help: &'static str,
    labels: &'static [&'static str],
    read: fn(&OwnFacts<'_>, &mut Vec<OwnRow>),
) -> OwnMetric {
    OwnMetric { name, kind, unit, help, labels, read }
}

impl Telemetry {
    /// Every own metric with its rows now; metrics without a row are left out.
    #[must_use]
    pub fn read(&self, observed: Observed) -> Vec<(&'static OwnMetric, Vec<OwnRow>)> {
        let facts = OwnFacts { telemetry: self, observed, process: ProcessStats::read() };
        let read = |metric: &'static OwnMetric| {
            let mut rows = Vec::new();
            (metric.read)(&facts, &mut rows);
            (metric, rows)
        };
        TABLE.iter().map(read).filter(|(_, rows)| !rows.is_empty()).collect()
    }
}

/// The two that say whether the others may be believed, for a sink that pushes nothing else of these.
#[must_use]
pub fn of_snapshot(observed: Observed) -> Vec<(&'static OwnMetric, Vec<OwnRow>)> {
    const UP_AND_AGE: [&str; 2] = ["kdcube_metrics_up", "kdcube_metrics_snapshot_age_seconds"];
    let mut own = Telemetry::default().read(observed);
    own.retain(|(metric, _)| UP_AND_AGE.contains(&metric.name));
    own
}

const fn row(labels: Vec<(&'static str, String)>, value: f64) -> OwnRow {
    OwnRow { suffix: "", labels, value }
}

fn plain(value: f64, rows: &mut Vec<OwnRow>) {
    rows.push(row(Vec::new(), value));
}

fn some(value: Option<f64>, rows: &mut Vec<OwnRow>) {
    rows.extend(value.map(|value| row(Vec::new(), value)));
}

/// Counts stay far below 2^53, where a float is still exact.
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
const fn float(value: u64) -> f64 {
    value as f64
}

fn counter(value: &AtomicU64, rows: &mut Vec<OwnRow>) {
    plain(float(value.load(Relaxed)), rows);
}

fn build_info() -> OwnRow {
    let revision = option_env!("KDCUBE_METRICS_REVISION").unwrap_or("unknown");
    row(vec![("version", env!("CARGO_PKG_VERSION").to_owned()), ("revision", revision.to_owned())], 1.0)
}

fn leader(telemetry: &Telemetry) -> Option<f64> {
    let leader = telemetry.leader.load(Relaxed);
    (leader >= 0).then(|| f64::from(leader))
}

fn postgres_errors(telemetry: &Telemetry) -> Option<f64> {
    telemetry.postgres_errors.get().map(|errors| float(errors.load(Relaxed)))
}

fn results(telemetry: &Telemetry, rows: &mut Vec<OwnRow>) {
    for (result, count) in [("ok", &telemetry.ticks_ok), ("failed", &telemetry.ticks_failed)] {
        rows.push(row(vec![("result", result.to_owned())], float(count.load(Relaxed))));
    }
}

fn upstreams_up(telemetry: &Telemetry, rows: &mut Vec<OwnRow>) {
    for (upstream, counts) in locked(&telemetry.upstreams).iter() {
        let up = counts.up.map(|up| f64::from(u8::from(up)));
        rows.extend(up.map(|up| row(vec![("upstream", (*upstream).to_owned())], up)));
    }
}

fn upstream_ages(telemetry: &Telemetry, rows: &mut Vec<OwnRow>) {
    for (upstream, counts) in locked(&telemetry.upstreams).iter() {
        rows.extend(counts.age.map(|age| row(vec![("upstream", (*upstream).to_owned())], age)));
    }
}

fn upstream_results(telemetry: &Telemetry, rows: &mut Vec<OwnRow>) {
    for (upstream, counts) in locked(&telemetry.upstreams).iter() {
        for (result, n) in [("ok", counts.ok), ("failed", counts.failed)] {
            rows.push(row(vec![("upstream", (*upstream).to_owned()), ("result", result.to_owned())], float(n)));
        }
    }
}

fn malformed(telemetry: &Telemetry, rows: &mut Vec<OwnRow>) {
    let counts = locked(&telemetry.malformed);
    rows.extend(counts.iter().map(|(kind, n)| row(vec![("kind", kind.as_str().to_owned())], float(*n))));
}

fn requests(telemetry: &Telemetry, rows: &mut Vec<OwnRow>) {
    let counts = locked(&telemetry.requests);
    rows.extend(counts.iter().map(|((route, status), n)| {
        row(vec![("route", (*route).to_owned()), ("status", status.to_string())], float(*n))
    }));
}

fn refusals(telemetry: &Telemetry, rows: &mut Vec<OwnRow>) {
    let counts = telemetry.door.read_closed_early();
    rows.extend(counts.into_iter().map(|(why, n)| row(vec![("reason", why.to_owned())], float(n))));
}

fn reloads(telemetry: &Telemetry, rows: &mut Vec<OwnRow>) {
    for (files, result, n) in telemetry.door.read_reloads() {
        rows.push(row(vec![("files", files.to_owned()), ("result", result.to_owned())], float(n)));
    }
}

fn exports(telemetry: &Telemetry, rows: &mut Vec<OwnRow>) {
    for (sink, counts) in locked(&telemetry.exports).iter() {
        for (result, n) in [("ok", counts.ok), ("no_data", counts.no_data), ("failed", counts.failed)] {
            rows.push(row(vec![("sink", (*sink).to_owned()), ("result", result.to_owned())], float(n)));
        }
    }
}

fn each_sink(telemetry: &Telemetry, read: fn(&SinkCounts) -> Option<f64>, rows: &mut Vec<OwnRow>) {
    for (sink, counts) in locked(&telemetry.exports).iter() {
        rows.extend(read(counts).map(|value| row(vec![("sink", (*sink).to_owned())], value)));
    }
}

fn export_durations(telemetry: &Telemetry, rows: &mut Vec<OwnRow>) {
    for (sink, counts) in locked(&telemetry.exports).iter() {
        histogram(&[("sink", sink)], &counts.duration, rows);
    }
}

fn histogram(labels: &[(&'static str, &str)], histogram: &Histogram, rows: &mut Vec<OwnRow>) {
    let reading = histogram.read();
    let labels: Vec<_> = labels.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    for (bound, count) in reading.buckets {
        let bound = if bound.is_finite() { bound.to_string() } else { "+Inf".to_owned() };
        let labels = labels.iter().cloned().chain([("le", bound)]).collect();
        rows.push(OwnRow { suffix: "_bucket", labels, value: float(count) });
    }
    rows.push(OwnRow { suffix: "_sum", labels: labels.clone(), value: reading.sum_seconds });
    rows.push(OwnRow { suffix: "_count", labels, value: float(reading.count) });
}

#[cfg(test)]
mod tests;
