//! Readers of the own rows: the server's state in, labelled values out; what is unknown stays out.

use crate::base::number::float_u64;
use crate::catalog::{Part, Rows};
use crate::telemetry::OwnState;
use crate::telemetry::client_events::ClientEventOutcome;
use crate::telemetry::exports::SinkCounts;
use crate::telemetry::histogram::Histogram;
use crate::telemetry::http::CloseReason;
use crate::telemetry::sources::SeriesCounts;

/// 1 for yes, 0 for no.
pub(super) fn flag(value: bool) -> f64 {
    f64::from(u8::from(value))
}

pub(super) fn build_info(_: &OwnState, rows: &mut Rows<'_>) {
    let revision = option_env!("KDCUBE_METRICS_REVISION").unwrap_or("unknown");
    rows.push(&[env!("CARGO_PKG_VERSION"), revision], 1.0);
}

pub(super) fn problems(state: &OwnState, rows: &mut Rows<'_>) {
    for (code, active) in &state.problems {
        rows.push(&[code.as_str()], float_u64(*active));
    }
}

pub(super) fn ticks(state: &OwnState, rows: &mut Rows<'_>) {
    rows.push(&["ok"], float_u64(state.ticks.ok));
    rows.push(&["failed"], float_u64(state.ticks.failed));
}

pub(super) fn upstream_up(state: &OwnState, rows: &mut Rows<'_>) {
    for (upstream, counts) in &state.upstreams {
        rows.push(&[upstream], counts.up.map(flag));
    }
}

pub(super) fn upstream_payload_age(state: &OwnState, rows: &mut Rows<'_>) {
    for (upstream, counts) in &state.upstreams {
        rows.push(&[upstream], counts.payload_age_seconds);
    }
}

pub(super) fn upstream_requests(state: &OwnState, rows: &mut Rows<'_>) {
    for (upstream, counts) in &state.upstreams {
        rows.push(&[upstream, "ok"], float_u64(counts.ok));
        rows.push(&[upstream, "failed"], float_u64(counts.failed));
    }
}

pub(super) fn gateway_config(state: &OwnState, rows: &mut Rows<'_>) {
    if let Some(config) = state.gateway_config {
        rows.push(&[config.source], 1.0);
    }
}

pub(super) fn malformed(state: &OwnState, rows: &mut Rows<'_>) {
    for (kind, inputs) in &state.sources.malformed {
        rows.push(&[kind.as_str()], float_u64(*inputs));
    }
}

pub(super) fn http_requests(state: &OwnState, rows: &mut Rows<'_>) {
    for ((route, status), requests) in &state.http.requests {
        rows.push(&[route, &status.to_string()], float_u64(*requests));
    }
}

pub(super) fn grpc_requests(state: &OwnState, rows: &mut Rows<'_>) {
    for ((method, code), requests) in &state.http.grpc_requests {
        rows.push(&[method, code], float_u64(*requests));
    }
}

pub(super) fn client_events(state: &OwnState, rows: &mut Rows<'_>) {
    let Some(counts) = &state.client_events else { return };
    for outcome in ClientEventOutcome::ALL {
        rows.push(&[outcome.level(), outcome.result()], float_u64(counts.of(outcome)));
    }
}

pub(super) fn closed_early(state: &OwnState, rows: &mut Rows<'_>) {
    for reason in CloseReason::ALL {
        rows.push(&[reason.as_str()], float_u64(state.http.closed_early(reason)));
    }
}

pub(super) fn reloads(state: &OwnState, rows: &mut Rows<'_>) {
    for (files, counts) in &state.http.reloads {
        rows.push(&[files.as_str(), "ok"], float_u64(counts.ok));
        rows.push(&[files.as_str(), "failed"], float_u64(counts.failed));
    }
}

pub(super) fn exports(state: &OwnState, rows: &mut Rows<'_>) {
    for (sink, counts) in &state.exports {
        rows.push(&[sink, "ok"], float_u64(counts.ok));
        rows.push(&[sink, "no_data"], float_u64(counts.no_data));
        rows.push(&[sink, "failed"], float_u64(counts.failed));
    }
}

pub(super) fn each_sink(state: &OwnState, read: fn(&SinkCounts) -> Option<f64>, rows: &mut Rows<'_>) {
    for (sink, counts) in &state.exports {
        rows.push(&[sink], read(counts));
    }
}

pub(super) fn export_durations(state: &OwnState, rows: &mut Rows<'_>) {
    for (sink, counts) in &state.exports {
        histogram(&[sink], &counts.duration, rows);
    }
}

pub(super) fn each_series(state: &OwnState, read: fn(&SeriesCounts) -> Option<f64>, rows: &mut Rows<'_>) {
    for (series, counts) in &state.sources.series {
        rows.push(&[&series.to_string()], read(counts));
    }
}

/// Every part of a histogram, in the order of the text formats.
pub(super) fn histogram(labels: &[&str], histogram: &Histogram, rows: &mut Rows<'_>) {
    for (le, observations) in histogram.cumulative() {
        rows.push_part(labels, Part::Bucket { le }, Some(float_u64(observations)));
    }
    rows.push_part(labels, Part::Sum, Some(histogram.sum_seconds()));
    rows.push_part(labels, Part::Count, Some(float_u64(histogram.count())));
}
