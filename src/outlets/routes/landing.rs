//! The page at `/`: what is wrong, the routes and the current numbers. One request, no script.

use std::fmt::Write;

use axum::extract::State;
use axum::response::Html;
use axum::routing::get;

use super::route::{Route, RouteClass};
use super::{ROUTES, RouteState};
use crate::analysis::state::Reading;
use crate::catalog::{self, Unit};
use crate::engine::snapshot::Snapshot;
use crate::outlets::http::layers::compression;
use crate::problems::ActiveProblem;

pub(super) const PAGE: Route = Route {
    path: "/",
    aliases: &[],
    class: RouteClass::Normal,
    summary: "this page",
    methods: || get(page).layer(compression()),
};

const STYLE: &str = "\
body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1c2530;background:#fff}\
h1{font-size:1.4rem;margin:0}h2{font-size:1rem;margin:2rem 0 .5rem}p{margin:.2rem 0;color:#5a6776}\
table{border-collapse:collapse;width:100%}td{padding:.25rem .5rem;border-bottom:1px solid #e4e8ee;vertical-align:top}\
td.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}td.a{color:#8a95a3}\
code{font:13px ui-monospace,monospace}a{color:#0b5cad}\
@media(prefers-color-scheme:dark){body{background:#12171d;color:#d7dee7}td{border-color:#28313b}a{color:#6db3ff}}";

async fn page(State(state): State<RouteState>) -> Html<String> {
    let snapshot = state.reader.fresh();
    let mut page = head(&state, snapshot.as_deref());
    problems(&state.telemetry.problems().active(), &mut page);
    page.push_str("<h2>Routes</h2><table>");
    ROUTES.iter().for_each(|route| row(route, &mut page));
    page.push_str("</table>");
    if let Some(snapshot) = snapshot {
        numbers(&snapshot, &mut page);
    }
    Html(page)
}

fn head(state: &RouteState, snapshot: Option<&Snapshot>) -> String {
    format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta http-equiv=\"refresh\" content=\"5\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>kdcube-metrics</title><style>{STYLE}</style>\
         <h1>kdcube-metrics</h1><p>version {} · mode {} · {} · {}</p>",
        env!("CARGO_PKG_VERSION"),
        state.config.mode,
        state.config.scheme,
        snapshot.map_or_else(|| "no fresh snapshot".to_owned(), describe),
    )
}

fn row(route: &Route, page: &mut String) {
    let Route { path, aliases, class, summary, .. } = route;
    let also = if aliases.is_empty() { String::new() } else { format!(" (also {})", aliases.join(", ")) };
    // Writing to a String cannot fail.
    let _ = match class {
        RouteClass::Export | RouteClass::ClientEvents => write!(page, "<tr><td><code>{path}</code><td>{summary}{also}"),
        RouteClass::Normal | RouteClass::Health => {
            let link = path.replace("{key}", "proc.queue.total");
            write!(page, "<tr><td><a href=\"{link}\"><code>{path}</code></a><td>{summary}{also}")
        }
    };
}

fn describe(snapshot: &Snapshot) -> String {
    let quality = snapshot.state.quality.as_str();
    let capacity = snapshot.state.gateway.known().map_or_else(String::new, |gateway| {
        let arithmetic = gateway.capacity_arithmetic();
        format!("<p>gateway configuration from {}: capacity of an instance {arithmetic}", gateway.origin().as_str())
    });
    let age = snapshot.age().as_secs_f64();
    format!("snapshot <code>{}</code>, {age:.1} s old, quality {quality}{capacity}", snapshot.id)
}

/// Most problems that are listed; the API has the others.
const MOST: usize = 50;

fn problems(active: &[ActiveProblem], page: &mut String) {
    if active.is_empty() {
        return;
    }
    let _ = write!(page, "<h2>Problems: {}</h2><table>", active.len());
    for problem in active.iter().take(MOST) {
        let ActiveProblem { code, severity, subject, detail, remedy, .. } = problem;
        let (code, severity) = (code.as_str(), severity.as_str());
        let (subject, detail, remedy) = (escaped(subject), escaped(detail), escaped(remedy));
        let _ = write!(page, "<tr><td><code>{code}</code><td>{severity}<td>{subject}<td>{detail}<td>{remedy}");
    }
    page.push_str("</table>");
}

/// The suffix of a number.
const fn suffix(unit: Unit) -> &'static str {
    match unit {
        Unit::Count | Unit::Ratio => "",
        Unit::Percent => " %",
        Unit::Milliseconds => " ms",
        Unit::Seconds => " s",
        Unit::Bytes => " B",
    }
}

/// At most three decimals. What is too small for them is not shown as nothing.
fn decimal(value: f64) -> String {
    if value != 0.0 && value.abs() < 0.0005 {
        return format!("{value:.0e}");
    }
    format!("{value:.3}").trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A reason may name a key or a path, whose letters are the outside's.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn numbers(snapshot: &Snapshot, page: &mut String) {
    page.push_str("<h2>Now</h2><table>");
    for (metric, reading) in catalog::scalars(&snapshot.state) {
        let (class, shown) = match reading {
            Reading::Value(value) => ("n", format!("{}{}", decimal(value), suffix(metric.unit))),
            Reading::Absent(why) => ("a", format!("absent: {}", escaped(&why.to_string()))),
        };
        let _ = write!(page, "<tr><td><code>{}</code><td class=\"{class}\">{shown}<td>{}", metric.key, metric.help);
    }
    page.push_str("</table>");
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::analysis::SystemState;
    use crate::engine::snapshot::RunId;
    use crate::problems::code::code;
    use crate::problems::{Problem, ProblemRegistry};

    fn snapshot(state: SystemState) -> Snapshot {
        let taken = tokio::time::Instant::now();
        Snapshot { id: RunId::random().snapshot(1), taken_at: 0.0, taken, state: Arc::new(state) }
    }

    #[test]
    fn what_comes_from_outside_is_text_and_no_markup() {
        let registry = ProblemRegistry::new("a/b");
        let (subject, detail) = ("<b>&amp;", "</table><script>alert(1)</script>");
        registry.report("tick", vec![Problem::new(code("malformed_input"), subject, detail)], 1.0);
        let mut page = String::new();
        problems(&registry.active(), &mut page);
        assert!(
            page.contains("<td>&lt;b&gt;&amp;amp;<td>&lt;/table&gt;&lt;script&gt;alert(1)&lt;/script&gt;<td>"),
            "{page}"
        );
        assert!(!page.contains("<script>") && page.matches("</table>").count() == 1, "{page}");
    }

    #[test]
    fn without_problems_there_is_no_list_and_of_many_the_first_fifty_are_shown_with_the_number_of_all() {
        let mut page = String::new();
        problems(&[], &mut page);
        assert_eq!(page, "");
        let registry = ProblemRegistry::new("a/b");
        let many = (0..MOST + 10).map(|number| Problem::new(code("malformed_input"), number.to_string(), "bad"));
        registry.report("tick", many.collect(), 1.0);
        problems(&registry.active(), &mut page);
        assert!(page.contains("<h2>Problems: 60</h2>"), "{page}");
        assert_eq!(page.matches("<tr>").count(), MOST);
    }

    #[tokio::test]
    async fn numbers_have_at_most_three_decimals_and_absent_ones_their_reason() {
        let mut state = SystemState::default();
        for (value, shown) in [
            (0.5, "0.5"),
            (2.0, "2"),
            (1.0 / 3.0, "0.333"),
            (100.0, "100"),
            (0.0, "0"),
            (0.0004, "4e-4"),
            (0.0006, "0.001"),
        ] {
            state.queue.pressure = Reading::Value(value);
            let mut page = String::new();
            numbers(&snapshot(state.clone()), &mut page);
            let row = "<code>proc.queue.pressure_ratio</code><td class=";
            assert!(page.contains(&format!("{row}\"n\">{shown}<td>")), "{shown} in {page}");
            assert!(page.contains("<td class=\"a\">absent: "), "{page}");
        }
    }

    #[tokio::test]
    async fn a_snapshot_is_described_by_id_age_and_quality() {
        let snapshot = snapshot(SystemState::default());
        let text = describe(&snapshot);
        assert!(text.contains(&snapshot.id.to_string()) && text.contains("0.0 s old, quality "), "{text}");
        assert!(!text.contains("capacity"), "there is no gateway configuration: {text}");
    }
}
