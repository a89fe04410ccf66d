//! The pages: `/` for the whole deployment, `/explain/{key}` for one metric, and the script that refreshes them.

use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use maud::Markup;

use super::description::{HTML, texts};
use super::explain::{self, Wanted, explanation};
use super::route::{Route, RouteClass};
use super::{ROUTES, RouteState};
use crate::base::clock::{Clock, SystemClock};
use crate::outlets::http::layers::compression;
use crate::outlets::http::problem::HttpProblem;
use crate::outlets::page::{self, PageInputs, RouteLink, ServerFacts};

pub(super) const PAGE: Route = Route {
    path: "/",
    aliases: &[],
    class: RouteClass::Normal,
    summary: "this page; every worker with ?workers=all",
    methods: || get(whole).layer(compression()),
    describe: |route| {
        let route = route.body(StatusCode::OK, HTML, "the page");
        route.query("workers", texts(&[]), "`all` lists every worker")
    },
};

pub(super) const EXPLANATION: Route = Route {
    path: "/explain/{key}",
    aliases: &[],
    class: RouteClass::Normal,
    summary: "why a metric is what it is, as a page with its chart",
    methods: || get(metric).layer(compression()),
    describe: |route| explain::parameters(route).body(StatusCode::OK, HTML, "the page"),
};

pub(super) const SCRIPT: Route = Route {
    path: "/page.js",
    aliases: &[],
    class: RouteClass::Normal,
    summary: "the pages' script",
    methods: || get(script).layer(compression()),
    describe: |route| route.body(StatusCode::OK, "text/javascript", "the script"),
};

async fn whole(State(state): State<RouteState>, uri: Uri) -> Markup {
    with_inputs(&state, &uri, page::page)
}

/// What the page shows now, for the page and for what says the same.
pub(super) fn with_inputs<T>(state: &RouteState, uri: &Uri, show: impl FnOnce(&PageInputs<'_>) -> T) -> T {
    let (snapshot, recent) = (state.reader.fresh(), state.reader.recent());
    let leadership = state.telemetry.leadership();
    show(&PageInputs {
        now: SystemClock.now(),
        snapshot: snapshot.as_deref(),
        age: state.reader.latest().map(|snapshot| snapshot.age()),
        problems: &state.telemetry.problems().active(),
        ticks: &recent.ticks(),
        marks: &recent.marks(),
        gap: state.reader.stale_after(),
        sinks: &state.exports.stats(),
        readers: &state.telemetry.readers(),
        standing: leadership.standing(),
        lease: leadership.record().as_ref(),
        server: &server(state),
        routes: &routes(),
        all_workers: uri.query().is_some_and(|query| query.split('&').any(|pair| pair == "workers=all")),
    })
}

async fn metric(State(state): State<RouteState>, Path(key): Path<String>, uri: Uri) -> Result<Markup, HttpProblem> {
    let wanted = Wanted::read(uri.query().unwrap_or_default())?;
    let facts = explanation(&state, &key, wanted.at)?;
    let recent = state.reader.recent();
    Ok(page::explanation(&facts, &recent.ticks(), &recent.marks(), state.reader.stale_after()))
}

async fn script() -> Response {
    let kind = HeaderValue::from_static("text/javascript; charset=utf-8");
    ([(header::CONTENT_TYPE, kind)], page::SCRIPT).into_response()
}

fn server(state: &RouteState) -> ServerFacts {
    let config = &state.config;
    ServerFacts { scope: config.scope.clone(), place: config.place.clone(), mode: config.mode, scheme: config.scheme }
}

fn routes() -> Vec<RouteLink> {
    ROUTES.iter().map(link).collect()
}

/// Whether following a link is harmless follows from the class.
fn link(route: &Route) -> RouteLink {
    let Route { path, aliases, class, summary, .. } = route;
    let also = aliases.iter().map(|alias| format!(", {alias}"));
    let is_harmless = matches!(class, RouteClass::Normal | RouteClass::Health);
    RouteLink {
        shown: std::iter::once((*path).to_owned()).chain(also).collect(),
        link: is_harmless.then(|| path.replace("{key}", "proc.queue.total")),
        summary,
    }
}
