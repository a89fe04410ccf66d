//! The charts of the last hour, with one time axis, and what happened meanwhile.

use maud::{Markup, html};

use super::chart::{Chart, Line};
use super::history::{History, Shows};
use crate::catalog::Unit;
use crate::engine::recent::Charted;
use crate::outlets::human;
use crate::platform::facts::Role;

pub(super) fn section(history: &History<'_>) -> Markup {
    html! {
        section {
            h2 { "Last " (history.minutes()) " minutes " small { "UTC; a gap is a gap: nothing was served" } }
            div.charts { @for chart in all(history) { (chart.figure(history)) } }
            @let marks: Vec<_> = history.marks().collect();
            @if !marks.is_empty() {
                details { summary { "Marks in the charts: " (marks.len()) }
                    ul.marks { @for mark in marks {
                        li { code { (human::time_of_day(mark.at)) } " " (mark.kind.as_str()) " " (mark.detail) }
                    } }
                }
            }
        }
    }
}

fn all(history: &History<'_>) -> [Chart; 6] {
    let chart = |title, unit, lines| Chart { title, unit, lines, steps: false };
    [
        chart("Queue by role", Unit::Count, queue(history)),
        chart("Waiting", Unit::Seconds, waiting(history)),
        chart("Tasks worked on", Unit::Count, load(history)),
        chart("Execution", Unit::Seconds, of(history, "p95", "proc.exec.p95_ms", 0.001).into_iter().collect()),
        chart("SSE connections", Unit::Count, sse(history)),
        chart("Refused in a minute", Unit::Count, refused(history)),
    ]
}

/// A line of a scalar, with a link to its explanation; `None` where the catalog has none of that key.
pub(super) fn of(history: &History<'_>, label: &str, key: &str, scale: f64) -> Option<Line> {
    let segments = history.line(Shows::scalar(key)?, scale);
    Some(Line { label: label.to_owned(), link: Some(format!("/explain/{key}")), segments, is_threshold: false })
}

fn charted(history: &History<'_>, label: String, charted: Charted, scale: f64) -> Line {
    Line { label, link: None, segments: history.line(Shows::Charted(charted), scale), is_threshold: false }
}

fn threshold(line: Line) -> Line {
    Line { is_threshold: true, ..line }
}

fn queue(history: &History<'_>) -> Vec<Line> {
    let depth = |role: Role| {
        let line = charted(history, role.as_str().to_owned(), Charted::Depth(role), 1.0);
        Line { link: Some("/explain/proc_queue_depth".to_owned()), ..line }
    };
    let limits = [Role::Anonymous, Role::Registered, Role::Paid, Role::Privileged];
    let limit = |role: Role| {
        let name = format!("refuses {}", role.as_str());
        let line = charted(history, name, Charted::Threshold(role), 1.0);
        threshold(Line { link: Some("/explain/proc_queue_threshold_tasks".to_owned()), ..line })
    };
    Role::ALL.into_iter().map(depth).chain(limits.into_iter().map(limit)).collect()
}

fn waiting(history: &History<'_>) -> Vec<Line> {
    let family = Some("/explain/proc_queue_wait_seconds".to_owned());
    let percentile = |label: &str, of| Line { link: family.clone(), ..charted(history, label.to_owned(), of, 0.001) };
    let lines = [
        of(history, "oldest now", "proc.queue.oldest_wait_seconds", 1.0),
        Some(percentile("p50", Charted::WaitP50)),
        of(history, "p95", "proc.queue.wait.p95_ms", 0.001),
        Some(percentile("p99", Charted::WaitP99)),
    ];
    lines.into_iter().flatten().collect()
}

fn load(history: &History<'_>) -> Vec<Line> {
    let lines = [
        of(history, "active", "proc.active_tasks", 1.0),
        of(history, "queued", "proc.queue.total", 1.0),
        of(history, "slots", "proc.slots", 1.0).map(threshold),
        Some(threshold(Line {
            link: Some("/explain/capacity_tasks".to_owned()),
            ..charted(history, "capacity with queue".to_owned(), Charted::Capacity, 1.0)
        })),
    ];
    lines.into_iter().flatten().collect()
}

fn sse(history: &History<'_>) -> Vec<Line> {
    let open = of(history, "open", "ingress.sse.total_connections", 1.0);
    open.into_iter().chain(of(history, "limit", "ingress.sse.max_connections", 1.0).map(threshold)).collect()
}

fn refused(history: &History<'_>) -> Vec<Line> {
    let family = Some("/explain/throttled_requests".to_owned());
    [("rate limit (429)", Charted::RateLimited), ("backpressure (503)", Charted::Backpressured)]
        .into_iter()
        .map(|(label, of)| Line { link: family.clone(), ..charted(history, label.to_owned(), of, 1.0) })
        .collect()
}
