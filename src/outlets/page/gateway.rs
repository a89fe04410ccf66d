//! The gateway configuration in force: where it comes from, the capacity that follows, and what changed.

use maud::{Markup, html};

use crate::analysis::SystemState;
use crate::base::number::float;
use crate::engine::recent::{Mark, MarkKind};
use crate::outlets::human;

pub(super) fn section(state: &SystemState, marks: &[Mark]) -> Markup {
    let Some(gateway) = state.gateway.known() else { return Markup::default() };
    let changes = marks.iter().rev().filter(|mark| mark.kind == MarkKind::ConfigurationChanged);
    html! {
        section {
            h2 { "Configuration in force" }
            p { "gateway configuration from " b { (gateway.origin().as_str()) } ": capacity of an instance " (gateway.capacity_arithmetic()) }
            @if let Some(total) = capacity(state) { p { "capacity of all: " (total) } }
            @for mark in changes { p { "changed at " (human::time_of_day(mark.at)) ": " (mark.detail) } }
        }
    }
}

/// `3 × 14 = 42`: instances that take work, what each takes, and the sum.
fn capacity(state: &SystemState) -> Option<String> {
    let (gateway, total) = (state.gateway.known()?, state.capacity.total.get()?);
    let source = state.capacity.source.known()?;
    let fleet = state.fleet.known()?;
    let processes: Vec<i64> = fleet
        .running(&source.service)
        .map(|(_, processes)| processes.iter().filter(|process| process.accepts_work()).count())
        .map(crate::base::number::count)
        .filter(|processes| *processes > 0)
        .collect();
    let sum = gateway.settings().capacity_sum(&processes);
    let is_it = sum.ends_with(&format!(" = {total}"));
    Some(if is_it { sum } else { human::digits(float(total)) })
}
