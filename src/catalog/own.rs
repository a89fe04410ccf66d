//! The rows of the server's own metrics.
//!
//! Holds the table; how each row reads the server's state is in `read`.

mod read;

use super::{Kind, Metric, Read, Rows, Sample, Unit};
use crate::base::number::{count_u64, float_u64};
use crate::telemetry::{Observed, OwnState};

const SINK: &[&str] = &["sink"];
const UPSTREAM: &[&str] = &["upstream"];

const SERIES: &[&str] = &["series"];

const NEVER: &str = "never";
const NO_SINK: &str = "no sink is enabled";
const NO_PROXY: &str = "not in proxy mode";
const NO_CONFIG: &str = "there was no tick yet, or in proxy mode";
const NO_SERIES: &str = "the series cannot be read, or in another mode";
const NO_LEASE: &str = "METRICS_LEASE=0, in another mode, or the lease cannot be written";
const NO_PROC: &str = "the system has no `/proc`";

/// Every own metric, in the order of documents and outlets.
#[rustfmt::skip]
static TABLE: &[Metric] = &[
    gauge("kdcube_metrics_build_info", Unit::Count, "Always 1; the labels are the running version and its revision", &["version", "revision"], NEVER, read::build_info),
    gauge("kdcube_metrics_up", Unit::Count, "1 while the source is readable and the snapshot is not stale, else 0; a stale snapshot is not served", &[], NEVER, |s, rows| rows.push(&[], read::flag(s.observed.up))),
    gauge("kdcube_metrics_snapshot_age_seconds", Unit::Seconds, "Age of the newest snapshot; a /metrics response is cached for up to 0.1 s", &[], "there is no snapshot yet", |s, rows| rows.push(&[], s.observed.snapshot_age_seconds)),
    gauge("kdcube_metrics_snapshot_timestamp_seconds", Unit::Seconds, "Time of the newest snapshot, Unix time. Where another server keeps the values, such as a Pushgateway, the age has to be computed from it", &[], "there is no snapshot yet", |s, rows| rows.push(&[], s.observed.snapshot_taken_at)),
    gauge("kdcube_metrics_scope_found", Unit::Count, "1 while keys of the tenant and project are in the source; 0 when there are none: then no metric of the deployment is exported", &[], "there is no snapshot yet, or in proxy mode", |s, rows| rows.push(&[], s.observed.scope_found.map(read::flag))),
    gauge("kdcube_metrics_problem", Unit::Count, "Active problems by code: docs/problems.md has the codes, /api/v1/problems the problems", &["code"], "no problem of the code is active", read::problems),
    gauge("kdcube_metrics_leader", Unit::Count, "1 while this replica records and pushes: it holds the lease, or there is none; else 0", &[], NEVER, |s, rows| rows.push(&[], read::flag(s.lease.is_leader))),
    gauge("kdcube_metrics_lease_fence", Unit::Count, "Fencing number of the lease as last seen; it grows with each change of the holder", &[], NO_LEASE, |s, rows| rows.push(&[], s.lease.fence.map(float_u64))),
    counter("kdcube_metrics_lease_takeovers_total", Unit::Count, "Leases of other replicas that this one has taken over", &[], NO_LEASE, |s, rows| rows.push(&[], s.lease.takeovers.map(float_u64))),
    counter("kdcube_metrics_ticks_total", Unit::Count, "Ticks by result", &["result"], NEVER, read::ticks),
    histogram("kdcube_metrics_tick_duration_seconds", Unit::Seconds, "Duration of ticks", &[], NEVER, |s, rows| read::histogram(&[], &s.ticks.duration, rows)),
    counter("kdcube_metrics_source_errors_total", Unit::Count, "Failed reads of the source", &[], NEVER, |s, rows| rows.push(&[], float_u64(s.sources.errors))),
    counter("kdcube_metrics_record_errors_total", Unit::Count, "Ticks whose points could not be written to the rolling series", &[], NEVER, |s, rows| rows.push(&[], float_u64(s.ticks.record_errors))),
    gauge("kdcube_metrics_redis_round_trips", Unit::Count, "Redis round trips in the last tick", &[], NEVER, |s, rows| rows.push(&[], float_u64(s.ticks.round_trips))),
    gauge("kdcube_metrics_redis_commands", Unit::Count, "Redis commands in the last tick", &[], NEVER, |s, rows| rows.push(&[], float_u64(s.ticks.commands))),
    gauge("kdcube_metrics_clock_offset_seconds", Unit::Seconds, "This server's clock minus Redis' clock; ages and windows go by Redis'", &[], "Redis' clock cannot be read, or in another mode", |s, rows| rows.push(&[], s.sources.clock_offset_seconds)),
    gauge("kdcube_metrics_series_lag_seconds", Unit::Seconds, "How far reading a series is behind; more than 0 while more samples arrive than a tick can read", SERIES, NO_SERIES, |s, rows| read::each_series(s, |series| series.lag_seconds, rows)),
    gauge("kdcube_metrics_samples_ahead", Unit::Count, "Samples dated more than 2 s ahead of Redis' clock, which wait until their time comes", SERIES, NO_SERIES, |s, rows| read::each_series(s, |series| Some(float_u64(series.ahead)), rows)),
    counter("kdcube_metrics_samples_late_total", Unit::Count, "Samples that came more than 300 s late: no window counts them", SERIES, NO_SERIES, |s, rows| read::each_series(s, |series| Some(float_u64(series.late)), rows)),
    gauge("kdcube_metrics_upstream_up", Unit::Count, "1 if the last request to the upstream succeeded, 0 if it failed; proxy mode only", UPSTREAM, NO_PROXY, read::upstream_up),
    gauge("kdcube_metrics_upstream_payload_age_seconds", Unit::Seconds, "Age of an upstream's newest payload by the payload's own timestamp; proxy mode only", UPSTREAM, "not in proxy mode, or the payload has no timestamp", read::upstream_payload_age),
    counter("kdcube_metrics_upstream_requests_total", Unit::Count, "Requests to an upstream by result, one per tick; proxy mode only", &["upstream", "result"], NO_PROXY, read::upstream_requests),
    counter("kdcube_metrics_postgres_errors_total", Unit::Count, "Failed reads of PostgreSQL's max_connections", &[], "PostgreSQL is not queried", |s, rows| rows.push(&[], s.sources.postgres_errors.map(float_u64))),
    gauge("kdcube_metrics_gateway_config_info", Unit::Count, "Always 1; the label is where the gateway configuration in force comes from: environment, gateway_yaml, saved (in Redis), published (update)", &["source"], NO_CONFIG, read::gateway_config),
    gauge("kdcube_metrics_gateway_config_change_timestamp_seconds", Unit::Seconds, "Time of the last change of the gateway configuration in force, Unix time", &[], "it has not changed since the start", |s, rows| rows.push(&[], s.gateway_config.and_then(|config| config.changed_at))),
    counter("kdcube_metrics_malformed_total", Unit::Count, "Malformed inputs that were skipped, by kind", &["kind"], "no input of the kind was malformed", read::malformed),
    counter("kdcube_metrics_history_dropped_samples_total", Unit::Count, "Samples dropped from the history because a series was full", &[], NEVER, |s, rows| rows.push(&[], float_u64(s.sources.dropped_samples))),
    counter("kdcube_metrics_http_requests_total", Unit::Count, "HTTP requests by route and status", &["route", "status"], "no request of the route had the status", read::http_requests),
    counter("kdcube_metrics_grpc_requests_total", Unit::Count, "Requests to KEDA's external scaler by method and status code; a stream counts when it opens", &["method", "code"], "no request of the method had the code, or METRICS_KEDA_PORT is not set", read::grpc_requests),
    counter("kdcube_metrics_client_events_total", Unit::Count, "Log events sent by browsers, by level and result (received, invalid, rate_limited). The level of an event that was not received is unknown", &["level", "result"], "METRICS_CLIENT_EVENTS=0", read::client_events),
    counter("kdcube_metrics_log_lines_dropped_total", Unit::Count, "Log lines dropped because their reader is slow, stuck or gone, or a disk is full", &[], NEVER, |s, rows| rows.push(&[], float_u64(s.dropped_log_lines))),
    gauge("kdcube_metrics_open_connections", Unit::Count, "Open connections of the HTTP server and of the scaler's", &[], NEVER, |s, rows| rows.push(&[], float_u64(s.http.open_connections))),
    counter("kdcube_metrics_refused_connections_total", Unit::Count, "Connections the server closed early, by reason: full, idle (evicted), handshake (TLS failed)", &["reason"], NEVER, read::closed_early),
    counter("kdcube_metrics_reloads_total", Unit::Count, "Reloads of watched files (tls, tokens, proxy_tls, postgres_ca, redis_tls) by result. A failed reload keeps the previous contents", &["files", "result"], "the files are not watched", read::reloads),
    gauge("kdcube_metrics_tls_certificate_expiry_timestamp_seconds", Unit::Seconds, "Expiry of the server's TLS certificate, Unix time", &[], "TLS is off, or the certificate's expiry is unknown", |s, rows| rows.push(&[], s.http.certificate_expiry)),
    counter("kdcube_metrics_exports_total", Unit::Count, "Exports by sink and result; no_data: there was no fresh snapshot to push", &["sink", "result"], NO_SINK, read::exports),
    counter("kdcube_metrics_export_retries_total", Unit::Count, "Export attempts beyond the first, by sink", SINK, NO_SINK, |s, rows| read::each_sink(s, |sink| Some(float_u64(sink.retries)), rows)),
    gauge("kdcube_metrics_export_last_success_timestamp_seconds", Unit::Seconds, "Time of the last successful export to a sink, Unix time", SINK, "no export to the sink has succeeded", |s, rows| read::each_sink(s, |sink| sink.last_success, rows)),
    gauge("kdcube_metrics_export_last_failure_timestamp_seconds", Unit::Seconds, "Time of the last failed export to a sink, Unix time. /api/v1/exports shows the error", SINK, "no export to the sink has failed", |s, rows| read::each_sink(s, |sink| sink.last_failure, rows)),
    counter("kdcube_metrics_export_delivered_points_total", Unit::Count, "Points that a sink accepted", SINK, NO_SINK, |s, rows| read::each_sink(s, |sink| Some(float_u64(sink.points.delivered)), rows)),
    gauge("kdcube_metrics_export_waiting_points", Unit::Count, "Points queued for a later delivery to a sink", SINK, NO_SINK, |s, rows| read::each_sink(s, |sink| Some(float_u64(count_u64(sink.points.waiting))), rows)),
    counter("kdcube_metrics_export_dropped_points_total", Unit::Count, "Points that a sink will never receive: too old, too many, or rejected", SINK, NO_SINK, |s, rows| read::each_sink(s, |sink| Some(float_u64(sink.points.dropped)), rows)),
    histogram("kdcube_metrics_export_duration_seconds", Unit::Seconds, "Duration of exports by sink", SINK, NO_SINK, read::export_durations),
    counter("process_cpu_seconds_total", Unit::Seconds, "CPU time used by the process, user and system", &[], NO_PROC, |s, rows| rows.push(&[], s.process.cpu_seconds)),
    gauge("process_start_time_seconds", Unit::Seconds, "Start of the process, Unix time", &[], NO_PROC, |s, rows| rows.push(&[], s.process.start_time)),
    gauge("process_resident_memory_bytes", Unit::Bytes, "Resident memory", &[], NO_PROC, |s, rows| rows.push(&[], s.process.resident_bytes)),
    gauge("process_virtual_memory_bytes", Unit::Bytes, "Virtual memory", &[], NO_PROC, |s, rows| rows.push(&[], s.process.virtual_bytes)),
    gauge("process_threads", Unit::Count, "Threads of the process", &[], NO_PROC, |s, rows| rows.push(&[], s.process.threads)),
    gauge("process_open_fds", Unit::Count, "Open file descriptors", &[], NO_PROC, |s, rows| rows.push(&[], s.process.open_fds)),
    gauge("process_max_fds", Unit::Count, "Maximum number of open file descriptors", &[], "the system has no `/proc`, or there is no limit", |s, rows| rows.push(&[], s.process.max_fds)),
];

type ReadOwn = fn(&OwnState, &mut Rows<'_>);
type Names = &'static [&'static str];

const fn gauge(
    key: &'static str,
    unit: Unit,
    help: &'static str,
    labels: Names,
    absent: &'static str,
    read: ReadOwn,
) -> Metric {
    Metric {
        key,
        unit,
        kind: Kind::Gauge,
        help,
        labels,
        aliases: &[],
        absent,
        cloudwatch_default: false,
        read: Read::Own(read),
    }
}

/// Its key ends in `_total`.
const fn counter(
    key: &'static str,
    unit: Unit,
    help: &'static str,
    labels: Names,
    absent: &'static str,
    read: ReadOwn,
) -> Metric {
    Metric { kind: Kind::Counter, ..gauge(key, unit, help, labels, absent, read) }
}

const fn histogram(
    key: &'static str,
    unit: Unit,
    help: &'static str,
    labels: Names,
    absent: &'static str,
    read: ReadOwn,
) -> Metric {
    Metric { kind: Kind::Histogram, ..gauge(key, unit, help, labels, absent, read) }
}

/// Every own metric, in a stable order.
pub fn all() -> impl Iterator<Item = &'static Metric> {
    TABLE.iter()
}

/// Every value of every own metric, in table order.
#[must_use]
pub fn samples(state: &OwnState) -> Vec<Sample> {
    let mut out = Vec::with_capacity(128);
    all().for_each(|metric| sample(metric, state, &mut out));
    out
}

/// The metrics that say whether the deployment's are up to date, for a sink that takes no other own metrics.
#[must_use]
pub fn of_snapshot(observed: Observed) -> Vec<Sample> {
    const OF_SNAPSHOT: [&str; 4] = [
        "kdcube_metrics_up",
        "kdcube_metrics_snapshot_age_seconds",
        "kdcube_metrics_snapshot_timestamp_seconds",
        "kdcube_metrics_scope_found",
    ];
    let state = OwnState { observed, ..OwnState::default() };
    let mut out = Vec::with_capacity(OF_SNAPSHOT.len());
    all().filter(|metric| OF_SNAPSHOT.contains(&metric.key)).for_each(|metric| sample(metric, &state, &mut out));
    out
}

fn sample(metric: &'static Metric, state: &OwnState, out: &mut Vec<Sample>) {
    if let Read::Own(read) = metric.read {
        read(state, &mut Rows { metric, scope: None, out, absent: None });
    }
}

#[cfg(test)]
mod tests;
