//! The frame of every page: head, style, script, and links to explanations.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::catalog::{self, Metric};
use crate::outlets::human;

/// In every page, which must be readable as a mail too.
const STYLE: &str = include_str!("page.css");
/// Served at `/page.js`.
pub(in crate::outlets) const SCRIPT: &str = include_str!("page.js");

/// Seconds between two reloads where no script runs.
const RELOAD: u32 = 5;

/// A page with this title; one that `refreshes` shows what is now.
pub(super) fn document(title: &str, refreshes: bool, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) }
                style { (PreEscaped(STYLE)) }
                @if refreshes {
                    noscript { meta http-equiv="refresh" content=(RELOAD); }
                    script src="/page.js" defer {}
                }
            }
            body { main { (body) } }
        }
    }
}

/// A value of a scalar that leads to its explanation; a dash with the reason where it is absent.
pub(super) fn number(key: &str, state: &crate::analysis::SystemState) -> Markup {
    let Some((metric, reading)) = catalog::scalars(state).find(|(metric, _)| metric.key == key) else {
        return html! { "–" };
    };
    let reason = reading.reason().map(ToString::to_string);
    html! {
        a.n href=(explain(metric)) title=[reason] {
            @match reading.value() { Some(value) => (human::value(value, metric.unit)), None => "–" }
        }
    }
}

/// Where a metric is explained.
pub(super) fn explain(metric: &Metric) -> String {
    format!("/explain/{}", metric.key)
}
