//! One route: its paths and handlers, and the class from which access and limits follow.

use std::time::Duration;

use axum::Router;
use axum::http::Uri;
use axum::response::Redirect;
use axum::routing::{MethodRouter, any};
use utoipa::openapi::HttpMethod;

use super::RouteState;
use super::description::Description;
use crate::outlets::http::gate::Sessions;
use crate::outlets::http::limits::Budget;

/// Declared by the file that holds its handlers and listed once, in `routes.rs`: the router, access rule, limits, metric
/// label, the page at `/` and `/openapi.json` all follow from it.
pub(super) struct Route {
    pub(super) path: &'static str,
    /// Other paths with the same answer.
    pub(super) aliases: &'static [&'static str],
    pub(super) class: RouteClass,
    /// What it answers, for the page at `/`.
    pub(super) summary: &'static str,
    pub(super) methods: fn() -> MethodRouter<RouteState>,
    /// What `/openapi.json` says of it, beside what follows from its class.
    pub(super) describe: fn(Description) -> Description,
}

/// Access and budget together, so that no route can be public and use up what others need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RouteClass {
    /// Public, and answered at once however many requests are in flight: probes must neither need a token nor wait.
    Health,
    /// Needs access; may wait for one request to a dependency.
    Normal,
    /// Needs access; starts an export, which takes longer. A GET has an effect: the page does not link to it.
    Export,
    /// Public, because browsers send through the deployment's reverse proxy and have no token; takes a body, and has
    /// limits of its own so that nothing sent here is missed elsewhere. POST only: the page does not link to it.
    ClientEvents,
    /// Public, because access begins here; takes a token, and is POST only.
    Login,
}

impl RouteClass {
    pub(super) const ALL: [Self; 5] = [Self::Health, Self::Normal, Self::Export, Self::ClientEvents, Self::Login];

    pub(super) const fn needs_access(self) -> bool {
        !matches!(self, Self::Health | Self::ClientEvents | Self::Login)
    }

    /// The methods that its routes answer; HEAD comes with GET.
    pub(super) const fn methods(self) -> &'static [(&'static str, HttpMethod)] {
        match self {
            Self::Health | Self::Normal => &[("get", HttpMethod::Get)],
            Self::Export => &[("get", HttpMethod::Get), ("post", HttpMethod::Post)],
            Self::ClientEvents | Self::Login => &[("post", HttpMethod::Post)],
        }
    }

    /// A session is for looking: what has an effect needs the token itself.
    pub(super) fn sessions(self) -> Sessions {
        if self == Self::Normal { Sessions::Accepted } else { Sessions::Ignored }
    }

    pub(super) fn budget(self, request_timeout: Duration) -> Budget {
        match self {
            Self::Health => Budget::health(),
            Self::Normal => Budget::normal(request_timeout),
            Self::Export => Budget::export(request_timeout),
            Self::ClientEvents => Budget::client_events(),
            Self::Login => Budget::login(),
        }
    }
}

impl Route {
    pub(super) fn paths(&self) -> impl Iterator<Item = &'static str> {
        std::iter::once(self.path).chain(self.aliases.iter().copied())
    }

    /// Adds every path and, for each, a redirect from the path with a slash at its end.
    pub(super) fn add_to(&self, router: Router<RouteState>) -> Router<RouteState> {
        self.paths().fold(router, |router, path| {
            let router = router.route(path, (self.methods)());
            if path == "/" { router } else { router.route(&format!("{path}/"), any(without_slash)) }
        })
    }
}

/// 307, which keeps the method; the query stays.
async fn without_slash(uri: Uri) -> Redirect {
    let path = uri.path().trim_end_matches('/');
    match uri.query() {
        Some(query) => Redirect::temporary(&format!("{path}?{query}")),
        None => Redirect::temporary(path),
    }
}
