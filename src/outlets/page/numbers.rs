//! Every number by key, with the reason of those that are absent.

use maud::{Markup, html};

use super::layout::explain;
use crate::analysis::SystemState;
use crate::analysis::state::Reading;
use crate::catalog;
use crate::outlets::human;

pub(super) fn section(state: &SystemState) -> Markup {
    html! {
        details { summary { "All numbers" }
            div.wide { table.list { @for (metric, reading) in catalog::scalars(state) { tr {
                td { a href=(explain(metric)) { code { (metric.key) } } }
                @match reading {
                    Reading::Value(value) => td.right { (human::value(value, metric.unit)) },
                    Reading::Absent(reason) => td.absent { "absent: " (reason) },
                }
                td { (metric.help) }
            } } } }
        }
    }
}
