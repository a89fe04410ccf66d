//! `/api/v1/explain/{key}`: why a metric is what it is, now or at an earlier time of the last hour, as JSON or text.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use url::form_urlencoded;

use super::RouteState;
use super::description::{Description, TEXT, texts, unix_seconds};
use super::route::{Route, RouteClass};
use crate::base::clock::UnixSeconds;
use crate::outlets::explain::{self, Explanation, Then};
use crate::outlets::http::layers::compression;
use crate::outlets::http::problem::HttpProblem;

pub(super) const EXPLAIN: Route = Route {
    path: "/api/v1/explain/{key}",
    aliases: &[],
    class: RouteClass::Normal,
    summary: "why a metric is what it is: formula, sources, names; what was shown earlier with ?at=UNIX, as text with ?format=text",
    methods: || get(explained).layer(compression()),
    describe: |route| {
        let route = parameters(route).query("format", texts(&["json", "text"]), "`json` unless given");
        route.json::<Explanation>(StatusCode::OK, "the explanation").body(StatusCode::OK, TEXT, "the same for people")
    },
};

/// What the API and the page have in common.
pub(super) fn parameters(route: Description) -> Description {
    route
        .path("key", "proc.queue.total", "a metric's key, or its name in any outlet")
        .query("at", unix_seconds(), "also what was shown at this time of the last hour, Unix seconds")
        .problem(StatusCode::BAD_REQUEST, "a parameter that cannot be parsed")
        .problem(StatusCode::NOT_FOUND, "an unknown metric, or a time of which nothing is kept")
}

/// What the query asks for.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Wanted {
    pub(super) at: Option<UnixSeconds>,
    text: bool,
}

async fn explained(
    State(state): State<RouteState>,
    Path(key): Path<String>,
    uri: Uri,
) -> Result<Response, HttpProblem> {
    let wanted = Wanted::read(uri.query().unwrap_or_default())?;
    let explanation = explanation(&state, &key, wanted.at)?;
    Ok(if wanted.text { explanation.text().into_response() } else { Json(explanation).into_response() })
}

/// Explains by the newest snapshot: what a caller asks about is what it was shown, so no tick is requested.
pub(super) fn explanation(state: &RouteState, key: &str, at: Option<UnixSeconds>) -> Result<Explanation, HttpProblem> {
    let metric = explain::nearest(key, &state.config.mapping).map_err(|near| unknown(key, &near))?;
    let mut explanation = explain::explain(metric, state.reader.fresh().as_ref(), &state.config.mapping);
    if let Some(at) = at {
        let (recent, stale_after) = (state.reader.recent(), state.reader.stale_after().as_secs_f64());
        let then = Then::of(metric, &explanation, recent, at, stale_after);
        explanation.then = Some(then.map_err(|problem| HttpProblem::new(StatusCode::NOT_FOUND, problem))?);
    }
    Ok(explanation)
}

fn unknown(key: &str, near: &[&str]) -> HttpProblem {
    let key: String = key.chars().take(100).collect();
    let near =
        if near.is_empty() { "docs/metrics.md lists them".to_owned() } else { format!("near: {}", near.join(", ")) };
    HttpProblem::new(StatusCode::NOT_FOUND, format!("no metric of the deployment is called {key:?}; {near}"))
}

impl Wanted {
    /// Other parameters are left to proxies on the way.
    pub(super) fn read(query: &str) -> Result<Self, HttpProblem> {
        let mut wanted = Self::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match (&*name, &*value) {
                ("at", time) => wanted.at = Some(moment(time)?),
                ("format", "text") => wanted.text = true,
                ("format", "json") => wanted.text = false,
                ("format", _) => return Err(bad("the parameter format accepts json and text")),
                _ => {}
            }
        }
        Ok(wanted)
    }
}

fn moment(text: &str) -> Result<UnixSeconds, HttpProblem> {
    let moment = text.parse().ok().filter(|moment: &f64| moment.is_finite() && *moment >= 0.0);
    moment.ok_or_else(|| bad("the parameter at accepts Unix seconds, such as 1767225600"))
}

fn bad(detail: &str) -> HttpProblem {
    HttpProblem::new(StatusCode::BAD_REQUEST, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_asks_for_a_time_and_a_format() {
        let read = |query: &str| Wanted::read(query).ok();
        assert_eq!(read(""), Some(Wanted::default()));
        assert_eq!(read("at=7.5&format=text&x=y"), Some(Wanted { at: Some(7.5), text: true }));
        assert_eq!(read("at=7e%2B3&format=%74ext"), Some(Wanted { at: Some(7000.0), text: true }));
        for bad in ["at=soon", "at=-1", "at=inf", "at=", "format=xml"] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
