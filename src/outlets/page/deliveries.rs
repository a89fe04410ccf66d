//! Where the numbers went: each sink with what it got last, each reader with when it read.

use maud::{Markup, html};

use super::PageInputs;
use crate::catalog;
use crate::engine::recent::Shown;
use crate::outlets::human;
use crate::outlets::push::delivery::SinkStats;

/// The signals that are shown as they were sent.
const SIGNALS: [&str; 4] =
    ["proc.replicas.desired", "ingress.replicas.desired", "proc.queue.pressure_ratio", "ingress.sse.saturation_ratio"];

pub(super) fn section(inputs: &PageInputs<'_>) -> Markup {
    let standing = match inputs.standing {
        crate::base::lease::Standing::Alone => "this server records and pushes",
        crate::base::lease::Standing::Leader => "this replica leads: it records and pushes",
        crate::base::lease::Standing::Follower => "another replica records and pushes",
    };
    html! {
        section {
            h2 { "Outlets " small { (standing) } }
            @if inputs.sinks.is_empty() && inputs.readers.is_empty() { p { "No sink is enabled, and nobody has read yet." } }
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
