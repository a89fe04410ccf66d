//! `POST /login`: a browser's token becomes a session. Public, because it is where access begins.

use axum::extract::{Extension, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::post;
use serde_json::json;
use utoipa::ToSchema;

use super::RouteState;
use super::description::HTML;
use super::route::{Route, RouteClass};
use crate::base::clock::{Clock, SystemClock};
use crate::outlets::http::gate::PeerAddress;
use crate::outlets::page::login;
use crate::problems::ProblemCode;
use crate::problems::code::code;

pub(super) const LOGIN: Route = Route {
    path: "/login",
    aliases: &[],
    class: RouteClass::Login,
    summary: "POST of a token from the form that a browser gets; answers with a session cookie",
    methods: || post(sign_in),
    describe: |route| {
        route
            .takes::<LoginForm>("application/x-www-form-urlencoded", json!({"token": "…", "next": "/"}))
            .empty(StatusCode::SEE_OTHER, "the token is right: a cookie, and the way to `next`")
            .body(StatusCode::UNAUTHORIZED, HTML, "it is not: the form again")
    },
};

/// What a browser sends. A missing field is an empty one.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the body, which is read field by field")]
struct LoginForm {
    token: Option<String>,
    /// A path of this server, to which the answer leads.
    next: Option<String>,
}

const UNAUTHORIZED_REQUESTS: ProblemCode = code("unauthorized_requests");

async fn sign_in(
    State(state): State<RouteState>,
    peer: Option<Extension<PeerAddress>>,
    body: axum::body::Bytes,
) -> Response {
    let field = |name: &str| {
        let pairs = url::form_urlencoded::parse(&body);
        pairs.into_iter().find(|(key, _)| key == name).map(|(_, value)| value.into_owned()).unwrap_or_default()
    };
    let (next, now) = (local(&field("next")), SystemClock.now());
    let is_tls = state.config.scheme == "https";
    let Some(cookie) = state.config.access.session(field("token").trim(), now, is_tls) else {
        let peer = peer.map(|Extension(PeerAddress(peer))| peer.to_string()).unwrap_or_default();
        state.telemetry.problems().event(UNAUTHORIZED_REQUESTS, &peer, "the form came with an invalid token", now);
        return (StatusCode::UNAUTHORIZED, login::form(&next, true)).into_response();
    };
    let mut response = Redirect::to(&next).into_response();
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    response
}

/// A path of this server; anything else would lead a browser elsewhere.
fn local(next: &str) -> String {
    let is_path = next.starts_with('/') && !next.starts_with("//") && next.bytes().all(|byte| byte.is_ascii_graphic());
    if is_path && !next.contains('\\') { next.to_owned() } else { "/".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_leads_nowhere_but_to_this_server() {
        for path in ["/", "/explain/proc.queue.total?at=5", "/?workers=all"] {
            assert_eq!(local(path), path);
        }
        for other in ["", "//evil.example", "https://evil.example", "/\\evil.example", "/a\r\nb", "/ä", "javascript:1"]
        {
            assert_eq!(local(other), "/", "{other:?}");
        }
    }
}
