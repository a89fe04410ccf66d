//! The page for the person on call: one screen that says how the deployment is, what is wrong, how many replicas are wanted
//! and why, and how it came about. Server-rendered; a script only refreshes it and moves a crosshair.
//!
//! Pure: [`PageInputs`] in, HTML out. The routes collect the inputs.

mod cards;
mod chart;
mod charts;
mod deliveries;
mod explanation;
mod gateway;
mod history;
mod layout;
pub(super) mod login;
mod numbers;
pub(crate) mod overview;
mod problems;
mod verdict;
mod workers;

use std::sync::Arc;
use std::time::Duration;

use maud::{Markup, html};

pub(super) use self::explanation::explanation;
use self::history::History;
pub(super) use self::layout::SCRIPT;
use self::verdict::Verdict;
use crate::base::clock::UnixSeconds;
use crate::base::lease::{LeaseRecord, Standing};
use crate::engine::recent::{Mark, TickRecord};
use crate::engine::snapshot::Snapshot;
use crate::outlets::push::delivery::SinkStats;
use crate::problems::ActiveProblem;
use crate::telemetry::http::ReaderCount;

/// Everything that the page shows.
#[derive(Debug)]
pub(super) struct PageInputs<'a> {
    /// The wall clock.
    pub(super) now: UnixSeconds,
    pub(super) snapshot: Option<&'a Snapshot>,
    /// Age of the newest snapshot, however old; `None` before the first.
    pub(super) age: Option<Duration>,
    pub(super) problems: &'a [ActiveProblem],
    pub(super) ticks: &'a [Arc<TickRecord>],
    pub(super) marks: &'a [Mark],
    /// A longer pause between two ticks is a gap: nothing was served.
    pub(super) gap: Duration,
    pub(super) sinks: &'a [SinkStats],
    pub(super) readers: &'a [ReaderCount],
    pub(super) standing: Standing,
    /// The lease as last seen, of any replica.
    pub(super) lease: Option<&'a LeaseRecord>,
    pub(super) server: &'a ServerFacts,
    pub(super) routes: &'a [RouteLink],
    /// Every worker has a row, however many there are.
    pub(super) all_workers: bool,
}

/// What does not change while the server runs.
#[derive(Debug, Clone, Default)]
pub(super) struct ServerFacts {
    /// `acme/chat`; empty where the source has no scope.
    pub(super) scope: String,
    /// Where the facts come from, without secrets.
    pub(super) place: String,
    pub(super) mode: &'static str,
    pub(super) scheme: &'static str,
}

/// A route in the list at the end.
#[derive(Debug, Clone)]
pub(super) struct RouteLink {
    /// The path and its aliases.
    pub(super) shown: String,
    /// `None` where following a link would have an effect.
    pub(super) link: Option<String>,
    pub(super) summary: &'static str,
}

/// The whole page.
pub(super) fn page(inputs: &PageInputs<'_>) -> Markup {
    let history = History::of(inputs.ticks, inputs.marks, inputs.gap);
    let verdict = Verdict::of(inputs, &history);
    let title = format!("{} · {}", verdict.word(), inputs.server.scope);
    let state = inputs.snapshot.map(|snapshot| &*snapshot.state);
    layout::document(
        &title,
        true,
        &html! {
            (verdict.bar())
            (problems::section(inputs.problems, inputs.now))
            @if let Some(state) = state {
                (cards::section(state, &history))
            }
            (charts::section(&history))
            @if let Some(state) = state {
                (workers::section(state, inputs.all_workers))
            }
            (deliveries::section(inputs))
            @if let Some(state) = state {
                (gateway::section(state, inputs.marks))
                (numbers::section(state))
            }
            (routes(inputs))
        },
    )
}

fn routes(inputs: &PageInputs<'_>) -> Markup {
    let (version, server) = (env!("CARGO_PKG_VERSION"), inputs.server);
    html! {
        details { summary { "Routes" }
            table.list { @for route in inputs.routes { tr {
                td { @match &route.link {
                    Some(link) => a href=(link) { code { (route.shown) } },
                    None => code { (route.shown) },
                } }
                td { (route.summary) }
            } } }
        }
        footer { "kdcube-metrics " (version) " · mode " (server.mode) " · " (server.scheme) " · " (server.place) }
    }
}

#[cfg(test)]
mod tests;
