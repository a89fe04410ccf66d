//! Access control and counting of requests: the middleware that is ours. Limits and headers are in `layers`.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::auth::Tokens;
use super::problem::HttpProblem;
use crate::base::clock::{Clock, SystemClock};
use crate::problems::code::code;
use crate::problems::{ProblemCode, ProblemRegistry};
use crate::telemetry::Telemetry;

const UNAUTHORIZED_REQUESTS: ProblemCode = code("unauthorized_requests");

/// The label of requests to paths that are not routes: labelling with the path itself would be unbounded.
const OTHER: &str = "other";

/// Request extension: whether the connection's client presented a certificate that verified.
#[derive(Debug, Clone, Copy)]
pub(super) struct ClientVerified(pub(super) bool);

/// Request extension: the address at the other end of the connection, which may be a reverse proxy's.
#[derive(Debug, Clone, Copy)]
pub(in crate::outlets) struct PeerAddress(pub(in crate::outlets) IpAddr);

/// What a request to any route that is not public needs; cheap to clone.
#[derive(Debug, Clone)]
pub struct AccessRule {
    tokens: Tokens,
    needs_certificate: bool,
}

/// Why a request is rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AccessRejection {
    NoCertificate,
    NoToken,
    InvalidToken,
}

impl AccessRule {
    /// Needs one of the tokens, if there are any, and where wanted a client certificate.
    #[must_use]
    pub const fn new(tokens: Tokens, needs_certificate: bool) -> Self {
        Self { tokens, needs_certificate }
    }

    fn check(&self, request: &Request) -> Result<(), AccessRejection> {
        let verified = request.extensions().get().is_some_and(|ClientVerified(verified)| *verified);
        if self.needs_certificate && !verified {
            return Err(AccessRejection::NoCertificate);
        }
        self.check_token(request.headers())
    }

    fn check_token(&self, headers: &HeaderMap) -> Result<(), AccessRejection> {
        match self.tokens.admit(headers) {
            true => Ok(()),
            false if headers.contains_key(header::AUTHORIZATION) => Err(AccessRejection::InvalidToken),
            false => Err(AccessRejection::NoToken),
        }
    }
}

impl AccessRejection {
    const fn status(self) -> StatusCode {
        match self {
            Self::NoCertificate => StatusCode::FORBIDDEN,
            Self::NoToken | Self::InvalidToken => StatusCode::UNAUTHORIZED,
        }
    }

    const fn detail(self) -> &'static str {
        match self {
            Self::NoCertificate => {
                "this route needs a client certificate of an authority in METRICS_TLS_CLIENT_CA_FILE"
            }
            Self::NoToken | Self::InvalidToken => {
                "this route needs `Authorization: Bearer <token>` with a token of METRICS_AUTH_TOKEN"
            }
        }
    }

    /// What was missing, for the log.
    const fn reason(self) -> &'static str {
        match self {
            Self::NoCertificate => "the last request came without a client certificate",
            Self::NoToken => "the last request came without a token",
            Self::InvalidToken => "the last request came with an invalid token",
        }
    }

    /// RFC 6750 distinguishes an invalid token from none.
    const fn challenge(self) -> Option<&'static str> {
        match self {
            Self::NoCertificate => None,
            Self::NoToken => Some("Bearer realm=\"kdcube-metrics\""),
            Self::InvalidToken => Some("Bearer realm=\"kdcube-metrics\", error=\"invalid_token\""),
        }
    }
}

impl IntoResponse for AccessRejection {
    fn into_response(self) -> Response {
        let mut response = HttpProblem::new(self.status(), self.detail()).into_response();
        if let Some(challenge) = self.challenge() {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        response
    }
}

/// The rule, and where rejections are reported.
#[derive(Debug, Clone)]
pub(super) struct AccessCheck {
    pub(super) rule: AccessRule,
    pub(super) problems: Arc<ProblemRegistry>,
}

/// Rejects a request that the rule does not admit, before anything else is done with it.
pub(super) async fn check_access(State(check): State<AccessCheck>, request: Request, next: Next) -> Response {
    match check.rule.check(&request) {
        Ok(()) => next.run(request).await,
        Err(rejection) => {
            let peer = request.extensions().get().map(|PeerAddress(peer)| peer.to_string()).unwrap_or_default();
            check.problems.event(UNAUTHORIZED_REQUESTS, &peer, rejection.reason(), SystemClock.now());
            rejection.into_response()
        }
    }
}

/// Counts responses by route and status.
#[derive(Debug, Clone)]
pub(in crate::outlets) struct RequestCounter {
    telemetry: Arc<Telemetry>,
    paths: Arc<[&'static str]>,
}

impl RequestCounter {
    /// `paths` are the labels.
    pub(in crate::outlets) fn new(telemetry: Arc<Telemetry>, paths: Arc<[&'static str]>) -> Self {
        Self { telemetry, paths }
    }

    /// A redirect from a slash counts for the route that it leads to.
    fn label(&self, matched: Option<&MatchedPath>) -> &'static str {
        let matched = matched.map_or("", MatchedPath::as_str);
        let is_it = |path: &&str| matched == *path || matched.strip_suffix('/') == Some(*path);
        self.paths.iter().copied().find(is_it).unwrap_or(OTHER)
    }
}

pub(super) async fn count(State(counter): State<RequestCounter>, request: Request, next: Next) -> Response {
    let label = counter.label(request.extensions().get());
    let response = next.run(request).await;
    counter.telemetry.http_request(label, response.status().as_u16());
    response
}
