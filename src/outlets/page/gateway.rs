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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::state::Reading;
    use crate::outlets::page::tests::{NOW, peace};

    #[test]
    fn the_capacity_is_that_of_the_workers_which_take_work_or_a_number_where_the_sum_is_another() {
        let mut state = peace();
        let total = state.capacity.total.get().unwrap();
        assert_eq!(capacity(&state), Some(format!("1 × {total} = {total}")));
        state.capacity.total = Reading::Value(total * 1000);
        assert_eq!(capacity(&state), Some(human::digits(float(total * 1000))));
        state.capacity.total = Reading::Value(0);
        let Reading::Value(fleet) = &mut state.fleet else { panic!("no fleet") };
        fleet.groups.iter_mut().flat_map(|group| &mut group.processes).for_each(|process| process.draining = true);
        assert_eq!(capacity(&state), Some(format!("0 × {total} = 0")), "nobody takes work");
    }

    #[test]
    fn changes_are_listed_the_newest_first_and_other_marks_are_not() {
        let mark = |at, kind, detail: &str| Mark { at, kind, detail: detail.to_owned() };
        let marks = [
            mark(NOW - 120.0, MarkKind::ConfigurationChanged, "first"),
            mark(NOW - 60.0, MarkKind::SourceLost, "lost"),
            mark(NOW, MarkKind::ConfigurationChanged, "second"),
        ];
        let html = section(&peace(), &marks).into_string();
        let places = ["00:00:00: second", "23:58:00: first"].map(|text| html.find(text));
        assert!(places[0].is_some() && places.is_sorted() && !html.contains("lost"), "{html}");
        assert_eq!(section(&SystemState::default(), &marks).into_string(), "");
    }
}
