//! The page at `/`: what there is, and what the numbers are now. One request, no script.

use std::fmt::Write;

use axum::extract::State;
use axum::response::Html;

use super::RouteState;
use crate::analysis::state::Reading;
use crate::catalog::{self, Unit};
use crate::engine::snapshot::Snapshot;

/// What each route answers, in the order of the page.
const ROUTES: [(&str, &str); 8] = [
    ("/metrics", "Prometheus text, or OpenMetrics when asked for"),
    ("/api/v1/signals", "every number as nested JSON, null where absent"),
    ("/metrics/combined", "the whole system payload with its envelope"),
    ("/metrics/proc/system", "the payload alone (also /metrics/ingress/system)"),
    ("/api/v1/exports", "how pushes went (POST /metrics/export pushes now)"),
    ("/health", "the process answers"),
    ("/livez", "a tick began within three intervals (also /healthz, /-/healthy)"),
    ("/readyz", "a fresh snapshot exists (also /-/ready)"),
];

const STYLE: &str = "\
body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1c2530;background:#fff}\
h1{font-size:1.4rem;margin:0}h2{font-size:1rem;margin:2rem 0 .5rem}p{margin:.2rem 0;color:#5a6776}\
table{border-collapse:collapse;width:100%}td{padding:.25rem .5rem;border-bottom:1px solid #e4e8ee;vertical-align:top}\
td.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}td.a{color:#8a95a3}\
code{font:13px ui-monospace,monospace}a{color:#0b5cad}\
@media(prefers-color-scheme:dark){body{background:#12171d;color:#d7dee7}td{border-color:#28313b}a{color:#6db3ff}}";

pub(super) async fn page(State(state): State<RouteState>) -> Html<String> {
    let truth = state.reader.truth();
    let mut page = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta http-equiv=\"refresh\" content=\"5\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>kdcube-metrics</title><style>{STYLE}</style>\
         <h1>kdcube-metrics</h1><p>version {} · mode {} · {} · {}</p><h2>Routes</h2><table>",
        env!("CARGO_PKG_VERSION"),
        state.config.mode,
        state.config.scheme,
        truth.as_ref().map_or_else(|| "no fresh snapshot".to_owned(), |snapshot| describe(snapshot)),
    );
    for (route, answers) in ROUTES {
        // Writing to a String cannot fail.
        let _ = write!(page, "<tr><td><a href=\"{route}\"><code>{route}</code></a><td>{answers}");
    }
    page.push_str("</table>");
    if let Some(snapshot) = truth {
        numbers(&snapshot, &mut page);
    }
    Html(page)
}

fn describe(snapshot: &Snapshot) -> String {
    format!("snapshot <code>{}</code>, {:.1} s old", snapshot.id, snapshot.age().as_secs_f64())
}

/// Behind a number.
const fn sign(unit: Unit) -> &'static str {
    match unit {
        Unit::Count | Unit::Ratio => "",
        Unit::Percent => " %",
        Unit::Milliseconds => " ms",
        Unit::Seconds => " s",
        Unit::Bytes => " B",
    }
}

/// A reason may name a key or a path, whose letters are the outside's.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn numbers(snapshot: &Snapshot, page: &mut String) {
    page.push_str("<h2>Now</h2><table>");
    for (metric, reading) in catalog::scalars(&snapshot.state) {
        let (class, shown) = match reading {
            Reading::Value(value) => {
                let text = format!("{value:.3}");
                ("n", format!("{}{}", text.trim_end_matches('0').trim_end_matches('.'), sign(metric.unit)))
            }
            Reading::Absent(why) => ("a", format!("absent: {}", escaped(&why.to_string()))),
        };
        let _ = write!(page, "<tr><td><code>{}</code><td class=\"{class}\">{shown}<td>{}", metric.key, metric.help);
    }
    page.push_str("</table>");
}
