//! The page of one metric: the same facts as the API gives, with the metric's chart.

use std::sync::Arc;
use std::time::Duration;

use maud::{Markup, html};

use super::chart::Chart;
use super::charts::of;
use super::history::History;
use super::layout;
use crate::engine::recent::{Mark, TickRecord};
use crate::outlets::explain::{Explanation, Then};
use crate::outlets::human;

pub(in crate::outlets) fn explanation(
    facts: &Explanation,
    ticks: &[Arc<TickRecord>],
    marks: &[Mark],
    gap: Duration,
) -> Markup {
    let history = History::of(ticks, marks, gap);
    let chart = Chart {
        title: "value",
        unit: facts.unit,
        lines: of(&history, facts.key, facts.key, 1.0).into_iter().collect(),
        steps: false,
    };
    layout::document(
        facts.key,
        true,
        &html! {
            p { a href="/" { "← the whole deployment" } }
            header.metric { h1 { code { (facts.key) } " " b { (facts.headline()) } } p { (facts.help) } }
            @if let Some(filled) = &facts.filled { p.formula { (filled) } }
            (operands(facts))
            @if let Some(then) = &facts.then { (earlier(then, facts)) }
            @if facts.series.is_empty() { section { (chart.figure(&history)) } }
            (series(facts))
            (origin(facts))
            (names(facts))
        },
    )
}

fn operands(facts: &Explanation) -> Markup {
    html! {
        @if !facts.operands.is_empty() { table.list { @for operand in &facts.operands { tr {
            td { code { (operand.name) } }
            td.right { @match (operand.value, &operand.absent) {
                (Some(value), _) => (human::digits(value)),
                (None, reason) => { "absent: " (reason.as_deref().unwrap_or_default()) }
            } }
            td { (operand.what) }
        } } } }
    }
}

fn earlier(then: &Then, facts: &Explanation) -> Markup {
    let value = then.value.map(|value| human::value(value, facts.unit));
    html! {
        section {
            h2 { "At " (human::time_of_day(then.asked)) " UTC: " (value.unwrap_or_else(|| "absent".to_owned())) }
            @if let Some(reason) = &then.absent { p { (reason) } }
            p { "snapshot " code { (then.snapshot) } " of " (human::time_of_day(then.time)) ", quality " (then.quality) }
            ul {
                @for change in &then.changed { li { code { (change.key) } ": " (digits(change.then)) " then, " (digits(change.now)) " now" } }
                @for mark in &then.since { li { (human::time_of_day(mark.at)) " " (mark.kind.as_str()) " " (mark.detail) } }
            }
        }
    }
}

fn digits(value: Option<f64>) -> String {
    value.map_or_else(|| "absent".to_owned(), human::digits)
}

fn series(facts: &Explanation) -> Markup {
    html! {
        @if !facts.series.is_empty() { section { h2 { "Series" } table.list { @for series in &facts.series { tr {
            td { code { (series.labels) } }
            td { @match (series.value, &series.absent) {
                (Some(value), _) => (human::value(value, facts.unit)),
                (None, reason) => { "absent: " (reason.as_deref().unwrap_or_default()) }
            } }
        } } } } }
    }
}

fn origin(facts: &Explanation) -> Markup {
    html! {
        section {
            h2 { "Where it comes from" }
            @if let Some(snapshot) = &facts.snapshot {
                p { "snapshot " code { (snapshot.id) } ", " (human::seconds(snapshot.age_seconds)) " old, quality " (snapshot.quality) }
            }
            @if let Some(window) = &facts.window {
                p { "window " (window.window) " of " (window.series) ": " (window.filled_ratio.map_or_else(|| "unknown".to_owned(), |fill| format!("{:.0} % filled", fill * 100.0))) }
            }
            div.wide { table.list { @for source in &facts.sources { tr {
                td { code { (source.source) } } td { (source.said) } td { (human::time_of_day(source.time)) " UTC" }
            } } } }
            @for loss in &facts.left_out { p.warning { "▲ left out: " (loss.times) " × " (loss.kind) ": " (loss.reason) } }
        }
    }
}

fn names(facts: &Explanation) -> Markup {
    html! {
        section {
            h2 { "Names and queries" }
            table.list {
                tr { td { "Prometheus" } td { code { (facts.names.prometheus.join(", ")) } } }
                tr { td { "CloudWatch" } td { code { (facts.names.cloudwatch) } " (" (facts.names.cloudwatch_unit) ")" @if !facts.names.cloudwatch_default { ", only with METRICS_CLOUDWATCH_INCLUDE" } } }
                tr { td { "/api/v1/signals" } td { code { (facts.names.signals) } } }
            }
            @for snippet in [&facts.snippets.promql, &facts.snippets.cloudwatch, &facts.snippets.keda] { pre { (snippet) } }
        }
    }
}
