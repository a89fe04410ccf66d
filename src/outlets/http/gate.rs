//! Access control and counting of requests: the middleware that is ours. Limits and headers are in `layers`.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::sync::watch;

use super::auth::Tokens;
use super::problem::HttpProblem;
use crate::base::clock::{Clock, SystemClock, UnixSeconds};
use crate::outlets::page::login;
use crate::problems::code::code;
use crate::problems::{ProblemCode, ProblemRegistry};
use crate::telemetry::Telemetry;

const UNAUTHORIZED_REQUESTS: ProblemCode = code("unauthorized_requests");

/// The label of requests to paths that are not routes: labelling with the path itself would be unbounded.
const OTHER: &str = "other";

/// Request extension: the common name in the certificate of the connection's client, which verified; empty where it has
/// none, `None` without a certificate.
#[derive(Debug, Clone)]
pub(super) struct ClientName(pub(super) Option<Arc<str>>);

/// Common names that a client's certificate may have; none = any. They may change while the server runs.
pub type AllowedNames = watch::Receiver<Arc<[String]>>;

/// Request extension: the address at the other end of the connection, which may be a reverse proxy's.
#[derive(Debug, Clone, Copy)]
pub(in crate::outlets) struct PeerAddress(pub(in crate::outlets) IpAddr);

/// What a request to any route that is not public needs; cheap to clone.
#[derive(Debug, Clone)]
pub struct AccessRule {
    tokens: Tokens,
    needs_certificate: bool,
    /// `None` = any.
    names: Option<AllowedNames>,
}

/// Why a request is rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AccessRejection {
    NoCertificate,
    OtherName,
    NoToken,
    InvalidToken,
}

impl AccessRule {
    /// Needs one of the tokens, if there are any, and where wanted a client certificate.
    #[must_use]
    pub const fn new(tokens: Tokens, needs_certificate: bool) -> Self {
        Self { tokens, needs_certificate, names: None }
    }

    /// The same rule, for clients whose certificate has one of these names.
    #[must_use]
    pub(super) fn with_names(self, names: AllowedNames) -> Self {
        Self { names: Some(names), needs_certificate: true, ..self }
    }

    /// The cookie of a session for a browser that sent one of the tokens; `None` with any other text.
    pub(in crate::outlets) fn session(&self, token: &str, now: UnixSeconds, is_tls: bool) -> Option<String> {
        self.tokens.session(token, now, is_tls)
    }

    /// The same rule for clients that cannot send a token.
    #[cfg(feature = "keda")]
    pub(super) fn without_tokens(&self) -> Self {
        Self::new(Vec::new().into(), self.needs_certificate)
    }

    fn check(&self, request: &Request, sessions: Sessions, now: UnixSeconds) -> Result<(), AccessRejection> {
        self.check_certificate(request.extensions().get().and_then(|ClientName(name)| name.as_deref()))?;
        // A browser sends its cookie along with whatever a page asks for: it is good for reading only.
        let reads = matches!(*request.method(), Method::GET | Method::HEAD) && sessions == Sessions::Accepted;
        if reads && self.tokens.admit_session(request.headers(), now) {
            return Ok(());
        }
        self.check_token(request.headers())
    }

    fn check_certificate(&self, name: Option<&str>) -> Result<(), AccessRejection> {
        if !self.needs_certificate {
            return Ok(());
        }
        let name = name.ok_or(AccessRejection::NoCertificate)?;
        let is_allowed = self.names.as_ref().is_none_or(|names| {
            let names = names.borrow();
            names.is_empty() || names.iter().any(|allowed| allowed == name)
        });
        if is_allowed { Ok(()) } else { Err(AccessRejection::OtherName) }
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
            Self::NoCertificate | Self::OtherName => StatusCode::FORBIDDEN,
            Self::NoToken | Self::InvalidToken => StatusCode::UNAUTHORIZED,
        }
    }

    const fn detail(self) -> &'static str {
        match self {
            Self::NoCertificate => {
                "this route needs a client certificate of an authority in METRICS_TLS_CLIENT_CA_FILE"
            }
            Self::OtherName => "this route needs a client certificate with another common name",
            Self::NoToken | Self::InvalidToken => {
                "this route needs `Authorization: Bearer <token>` with a token of METRICS_AUTH_TOKEN"
            }
        }
    }

    /// What was missing, for the log.
    const fn reason(self) -> &'static str {
        match self {
            Self::NoCertificate => "the last request came without a client certificate",
            Self::OtherName => "the last request came with a client certificate of a name that is not allowed",
            Self::NoToken => "the last request came without a token",
            Self::InvalidToken => "the last request came with an invalid token",
        }
    }

    /// RFC 6750 distinguishes an invalid token from none.
    const fn challenge(self) -> Option<&'static str> {
        match self {
            Self::NoCertificate | Self::OtherName => None,
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

/// Whether a browser's session is as good as a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::outlets) enum Sessions {
    Accepted,
    /// The routes have an effect.
    Ignored,
}

/// The rule, and where rejections are reported.
#[derive(Debug, Clone)]
pub(super) struct AccessCheck {
    pub(super) rule: AccessRule,
    pub(super) sessions: Sessions,
    pub(super) problems: Arc<ProblemRegistry>,
}

/// Rejects a request that the rule does not admit, before anything else is done with it.
pub(super) async fn check_access(State(check): State<AccessCheck>, request: Request, next: Next) -> Response {
    match check.rule.check(&request, check.sessions, SystemClock.now()) {
        Ok(()) => next.run(request).await,
        // Somebody who opens the page is asked for a token, which is nothing to report.
        Err(AccessRejection::NoToken) if is_browser(&request) => {
            let next = request.uri().path_and_query().map_or("/", |path| path.as_str());
            (StatusCode::UNAUTHORIZED, login::form(next, false)).into_response()
        }
        Err(rejection) => {
            let peer = request.extensions().get().map(|PeerAddress(peer)| peer.to_string()).unwrap_or_default();
            check.problems.event(UNAUTHORIZED_REQUESTS, &peer, rejection.reason(), SystemClock.now());
            rejection.into_response()
        }
    }
}

/// Whether a person looks at it: programs do not ask for HTML.
fn is_browser(request: &Request) -> bool {
    let accepts = request.headers().get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    request.method() == Method::GET && accepts.is_some_and(|accept| accept.contains("text/html"))
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
    let peer = request.extensions().get().map(|PeerAddress(peer)| *peer);
    let response = next.run(request).await;
    counter.telemetry.http_request(label, response.status().as_u16());
    if let Some(peer) = peer.filter(|_| response.status().is_success()) {
        counter.telemetry.has_read(label, peer, SystemClock.now());
    }
    response
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::body::Body;
    use axum::routing::get;
    use tower::ServiceExt;

    use super::*;
    use crate::telemetry::Observed;

    const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 7));

    /// The answer to a request with this certificate and this `Authorization`, and what was reported.
    async fn ask(rule: &AccessRule, verified: Option<bool>, token: Option<&str>) -> (Response, Vec<(String, String)>) {
        let problems = Arc::new(ProblemRegistry::new("a/b"));
        let check = AccessCheck { rule: rule.clone(), sessions: Sessions::Accepted, problems: Arc::clone(&problems) };
        let router = Router::new().route("/", get(|| async { "served" }));
        let router = router.layer(axum::middleware::from_fn_with_state(check, check_access));
        let mut request = Request::get("/").body(Body::empty()).unwrap();
        request.extensions_mut().insert(PeerAddress(PEER));
        let name = verified.map(|verified| ClientName(verified.then(|| "front".into())));
        name.map(|name| request.extensions_mut().insert(name));
        if let Some(token) = token {
            request.headers_mut().insert(header::AUTHORIZATION, HeaderValue::from_str(token).unwrap());
        }
        let response = router.oneshot(request).await.unwrap();
        let reported = problems.active().into_iter().map(|problem| (problem.subject, problem.detail));
        (response, reported.collect())
    }

    #[tokio::test]
    async fn a_request_needs_what_the_rule_says_and_a_certificate_before_a_token() {
        let rule = |tokens: &[&str], needs_certificate| {
            let tokens: Vec<secrecy::SecretString> = tokens.iter().map(|token| (*token).into()).collect();
            AccessRule::new(Tokens::from(tokens), needs_certificate)
        };
        let (open, token, both) = (rule(&[], false), rule(&["hunter2"], false), rule(&["hunter2"], true));
        let certificate = rule(&[], true);
        let (good, bad) = (Some("Bearer hunter2"), Some("Bearer hunter3"));
        for (rule, verified, given, status, challenge) in [
            (&open, None, None, 200, None),
            (&open, Some(false), bad, 200, None),
            (&token, None, good, 200, None),
            (&token, Some(true), None, 401, Some("Bearer realm=\"kdcube-metrics\"")),
            (&token, None, bad, 401, Some("Bearer realm=\"kdcube-metrics\", error=\"invalid_token\"")),
            (&certificate, Some(true), None, 200, None),
            (&certificate, Some(false), None, 403, None),
            (&certificate, None, None, 403, None),
            (&both, Some(true), good, 200, None),
            (&both, Some(false), good, 403, None),
            (&both, Some(false), bad, 403, None),
            (&both, Some(true), bad, 401, Some("Bearer realm=\"kdcube-metrics\", error=\"invalid_token\"")),
        ] {
            let (response, reported) = ask(rule, verified, given).await;
            let shown = response.headers().get(header::WWW_AUTHENTICATE).map(|shown| shown.to_str().unwrap());
            assert_eq!((response.status().as_u16(), shown), (status, challenge), "{rule:?} {verified:?} {given:?}");
            assert_eq!(reported.is_empty(), status == 200, "{reported:?}");
        }
    }

    #[tokio::test]
    async fn a_certificate_needs_an_allowed_name_and_the_names_may_change() {
        let (sender, names) = watch::channel(Arc::from(["other".to_owned()]));
        let rule = AccessRule::new(Vec::new().into(), false).with_names(names);
        let status = async || {
            [ask(&rule, Some(true), None).await, ask(&rule, None, None).await].map(|(it, _)| it.status().as_u16())
        };
        assert_eq!(status().await, [403, 403]);
        let (_, reported) = ask(&rule, Some(true), None).await;
        assert!(reported[0].1.contains("a name that is not allowed"), "{reported:?}");
        for allowed in [["other", "front"].as_slice(), &[]] {
            sender.send_replace(allowed.iter().map(|name| (*name).to_owned()).collect());
            assert_eq!(status().await, [200, 403], "{allowed:?}");
        }
    }

    #[tokio::test]
    async fn a_rejection_is_reported_by_its_peer_with_what_was_missing_and_without_the_token() {
        let rule = AccessRule::new(Tokens::from(vec!["hunter2".into()]), true);
        for (verified, token, missing) in [
            (false, None, "without a client certificate"),
            (true, None, "without a token"),
            (true, Some("Bearer hunter3"), "with an invalid token"),
            (true, Some("Basic hunter3"), "with an invalid token"),
        ] {
            let (_, reported) = ask(&rule, Some(verified), token).await;
            assert_eq!(reported, [(PEER.to_string(), format!("the last request came {missing}"))]);
        }
    }

    #[tokio::test]
    async fn responses_are_counted_by_route_and_those_of_other_paths_together() {
        let telemetry = Arc::new(Telemetry::default());
        let counter = RequestCounter::new(Arc::clone(&telemetry), Arc::from(["/", "/a", "/a/b"]));
        let router = ["/", "/a", "/a/", "/a/b/", "/secret", "/a/b/c"]
            .into_iter()
            .fold(Router::new(), |router, path| router.route(path, get(|| async { StatusCode::IM_A_TEAPOT })));
        let router = router.fallback(|| async { StatusCode::NOT_FOUND });
        let router = router.layer(axum::middleware::from_fn_with_state(counter, count));
        for (path, label, status) in [
            ("/", "/", 418),
            ("/a", "/a", 418),
            ("/a?b=c", "/a", 418),
            ("/a/", "/a", 418),
            ("/a/b/", "/a/b", 418),
            ("/secret", OTHER, 418),
            ("/a/b/c", OTHER, 418),
            ("/nowhere", OTHER, 404),
            ("/a/nowhere/", OTHER, 404),
        ] {
            let counted = || telemetry.own_state(Observed::default()).http.requests.get(&(label, status)).copied();
            let before = counted().unwrap_or(0);
            router.clone().oneshot(Request::get(path).body(Body::empty()).unwrap()).await.unwrap();
            assert_eq!(counted(), Some(before + 1), "{path}");
        }
    }

    #[tokio::test]
    async fn only_a_person_without_a_token_is_asked_for_one_and_is_nothing_to_report() {
        let rule = AccessRule::new(Tokens::from(vec!["hunter2".into()]), false);
        for (method, accept, token, is_asked) in [
            ("GET", "text/html,application/xml;q=0.9", None, true),
            ("GET", "text/html", Some("Bearer hunter3"), false),
            ("POST", "text/html", None, false),
            ("HEAD", "text/html", None, false),
            ("GET", "application/json", None, false),
            ("GET", "*/*", None, false),
        ] {
            let problems = Arc::new(ProblemRegistry::new("a/b"));
            let (rule, reported) = (rule.clone(), Arc::clone(&problems));
            let check = AccessCheck { rule, sessions: Sessions::Accepted, problems };
            let router = Router::new().fallback(async || "served");
            let router = router.layer(axum::middleware::from_fn_with_state(check, check_access));
            let request = Request::builder().method(method).uri("/x?y=1").header(header::ACCEPT, accept);
            let request = token.into_iter().fold(request, |request, token| request.header("authorization", token));
            let response = router.oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
            let is_form = response.headers()[header::CONTENT_TYPE].to_str().unwrap().starts_with("text/html");
            assert_eq!((response.status().as_u16(), is_form), (401, is_asked), "{method} {accept} {token:?}");
            assert_eq!(reported.active().is_empty(), is_asked, "{method} {accept} {token:?}");
        }
    }

    #[test]
    fn a_session_is_for_reading_where_sessions_count_and_no_certificate() {
        let rule = |needs_certificate| AccessRule::new(Tokens::from(vec!["hunter2".into()]), needs_certificate);
        let cookie = rule(false).session("hunter2", 1000.0, false).unwrap();
        let check = |rule: &AccessRule, method: &str, sessions, now| {
            let request = Request::builder().method(method).header(header::COOKIE, cookie.split(';').next().unwrap());
            rule.check(&request.body(Body::empty()).unwrap(), sessions, now).err()
        };
        for (method, sessions, now, expected) in [
            ("GET", Sessions::Accepted, 1000.0, None),
            ("HEAD", Sessions::Accepted, 1000.0, None),
            ("POST", Sessions::Accepted, 1000.0, Some(AccessRejection::NoToken)),
            ("GET", Sessions::Ignored, 1000.0, Some(AccessRejection::NoToken)),
            ("GET", Sessions::Accepted, 1e6, Some(AccessRejection::NoToken)),
        ] {
            assert_eq!(check(&rule(false), method, sessions, now), expected, "{method} {sessions:?} {now}");
        }
        let rejected = check(&rule(true), "GET", Sessions::Accepted, 1000.0);
        assert_eq!(rejected, Some(AccessRejection::NoCertificate));
    }

    #[tokio::test]
    async fn a_reader_is_who_got_an_answer_and_not_who_was_refused() {
        let telemetry = Arc::new(Telemetry::default());
        let counter = RequestCounter::new(Arc::clone(&telemetry), Arc::from(["/metrics"]));
        let router = Router::new().route("/metrics", get(async || "served").post(async || StatusCode::NOT_FOUND));
        let router = router.layer(axum::middleware::from_fn_with_state(counter, count));
        for (method, peer, readers) in [("POST", Some(PEER), 0), ("GET", None, 0), ("GET", Some(PEER), 1)] {
            let mut request = Request::builder().method(method).uri("/metrics").body(Body::empty()).unwrap();
            peer.map(|peer| request.extensions_mut().insert(PeerAddress(peer)));
            router.clone().oneshot(request).await.unwrap();
            let found = telemetry.readers();
            assert_eq!(found.len(), readers, "{method} {peer:?}");
            assert!(found.iter().all(|reader| (reader.peer, reader.requests) == (PEER, 1)), "{found:?}");
        }
    }
}
