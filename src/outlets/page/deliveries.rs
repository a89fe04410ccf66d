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

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::outlets::page::tests::{NOW, Scene, peace, storm};
    use crate::telemetry::http::ReaderCount;

    #[tokio::test]
    async fn nobody_is_said_where_nobody_is_and_readers_are_listed_with_when_and_how_often() {
        let scene = Scene::of(peace());
        let alone = scene.inputs(false, |inputs| section(inputs).into_string());
        assert!(alone.contains("No sink is enabled.") && alone.contains("Nobody has read"), "{alone}");
        let reader =
            ReaderCount { peer: Ipv4Addr::new(10, 0, 0, 9).into(), route: "/metrics", last: NOW - 14.6, requests: 7 };
        let html = scene.inputs(false, |inputs| {
            section(&PageInputs { readers: std::slice::from_ref(&reader), ..*inputs }).into_string()
        });
        assert!(html.contains("10.0.0.9") && html.contains("read 15 s ago, 7×"), "{html}");
        assert!(!html.contains("Nobody has read"), "{html}");
    }

    #[tokio::test]
    async fn a_sink_shows_the_signals_that_it_sent_and_its_last_error_with_its_time() {
        let scene = Scene::of(storm());
        let row = |sink: SinkStats| scene.inputs(false, |inputs| sink_row(&sink, inputs).into_string());
        let sent = |id: &str| SinkStats { last_snapshot: Some(id.to_owned()), ..SinkStats::default() };
        let known = row(sent(&scene.ticks[7].id.to_string()));
        assert!(known.contains("proc.queue.pressure_ratio 2.12") && known.contains("no error"), "{known}");
        let gone = row(sent("0-0"));
        assert!(gone.contains(": ") && !gone.contains("proc.queue.pressure_ratio"), "older than an hour: {gone}");
        let (last_error, last_error_at) = (Some("refused".to_owned()), Some(NOW - 90.0));
        let failing = row(SinkStats { last_error, last_error_at, ..SinkStats::default() });
        assert!(failing.contains("sent never") && failing.contains("▲ 90 s ago: refused"), "{failing}");
    }

    #[test]
    fn a_time_that_is_ahead_of_the_clock_is_now() {
        let shown = [Some(NOW - 60.4), Some(NOW), Some(NOW + 5.0), None].map(|at| ago(at, NOW));
        assert_eq!(shown, ["60 s ago", "0 s ago", "0 s ago", "never"]);
    }
}
