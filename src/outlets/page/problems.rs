//! What is wrong now: reason, subject, since when, how often, and what to do.

use maud::{Markup, html};

use crate::base::clock::UnixSeconds;
use crate::outlets::human;
use crate::problems::{ActiveProblem, Severity};

/// Most problems that are listed; the API has the others.
const MOST: usize = 50;

pub(super) fn section(problems: &[ActiveProblem], now: UnixSeconds) -> Markup {
    html! {
        @if !problems.is_empty() {
            section.problems {
                h2 { "Problems: " (problems.len()) }
                ul { @for problem in problems.iter().take(MOST) { (row(problem, now)) } }
                @if problems.len() > MOST { p { a href="/api/v1/problems" { "the other " (problems.len() - MOST) } } }
            }
        }
    }
}

fn row(problem: &ActiveProblem, now: UnixSeconds) -> Markup {
    let (class, shape) = match problem.severity {
        Severity::Critical => ("critical", "■"),
        Severity::Warning => ("warning", "▲"),
        Severity::Info => ("info", "●"),
    };
    let lasts = human::seconds((now - problem.since).max(0.0).round());
    html! {
        li.(class) {
            span.shape aria-hidden="true" { (shape) }
            div {
                b { (problem.code.as_str()) } " " code { (problem.subject) }
                small { " " (problem.severity.as_str()) " since " (human::time_of_day(problem.since)) ", " (lasts) ", seen " (problem.count) "×" }
                p { (problem.detail) }
                p.remedy { (problem.remedy) }
            }
        }
    }
}
