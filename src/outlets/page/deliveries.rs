//! Where the numbers went: each sink with what it got last, each reader with when it read.

use maud::{Markup, html};

use super::PageInputs;
use crate::base::lease::{LeaseRecord, Standing};
use crate::catalog;
use crate::engine::recent::Shown;
use crate::outlets::human;
use crate::outlets::push::delivery::SinkStats;

/// The signals that are shown as they were sent.
const SIGNALS: [&str; 4] =
    ["proc.replicas.desired", "ingress.replicas.desired", "proc.queue.pressure_ratio", "ingress.sse.saturation_ratio"];

pub(super) fn section(inputs: &PageInputs<'_>) -> Markup {
    html! {
        section {
            h2 { "Outlets " small { (standing(inputs)) } }
            @if inputs.sinks.is_empty() { p { "No sink is enabled." } }
            @if inputs.readers.is_empty() { p { "Nobody has read /metrics or /api/v1/signals since this server started." } }
            div.wide { table.list {
                @for sink in inputs.sinks { (sink_row(sink, inputs)) }
                @for reader in inputs.readers { tr {
                    td { (reader.peer) }
                    td { code { (reader.route) } }
                    td { "read " (ago(Some(reader.last), inputs.now)) ", " (reader.requests) "×" }
                } }
            } }
        }
    }
}

/// Which replica records and pushes, and since when.
pub(super) fn standing(inputs: &PageInputs<'_>) -> String {
    let who = match inputs.standing {
        Standing::Alone => return "this server records and pushes".to_owned(),
        Standing::Leader => "this replica records and pushes",
        Standing::Follower => "another replica records and pushes",
    };
    let holder = |lease: &LeaseRecord| format!(": {} since {}", lease.instance, human::time_of_day(lease.since));
    who.to_owned() + &inputs.lease.map_or_else(String::new, holder)
}

fn sink_row(sink: &SinkStats, inputs: &PageInputs<'_>) -> Markup {
    html! {
        tr {
            td { b { (sink.name) } }
            td { "sent " (ago(sink.last_success, inputs.now)) @if let Some(id) = &sink.last_snapshot { ": " (sent(id, inputs)) " " small { (id) } } }
            td {
                @if let Some(error) = &sink.last_error { span.warning { "▲ " (ago(sink.last_error_at, inputs.now)) ": " (error) } }
                @else { "no error" }
            }
        }
    }
}

/// The signals of the snapshot that was sent.
fn sent(id: &str, inputs: &PageInputs<'_>) -> String {
    let Some(tick) = inputs.ticks.iter().rev().find(|tick| tick.id.to_string() == id) else { return String::new() };
    let one = |key: &str| {
        let metric = catalog::find(key)?;
        let value = tick.scalar(key).and_then(Shown::value)?;
        Some(format!("{key} {}", human::value(value, metric.unit)))
    };
    SIGNALS.into_iter().filter_map(one).collect::<Vec<_>>().join(", ")
}

fn ago(at: Option<f64>, now: f64) -> String {
    at.map_or_else(|| "never".to_owned(), |at| format!("{} ago", human::seconds((now - at).max(0.0).round())))
}
