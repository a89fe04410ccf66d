//! Why an upstream's payload could not be read.

use std::time::Duration;

use reqwest::StatusCode;

/// Why an upstream's payload could not be read: what, where and what to do, never a secret. `upstream` is its component
/// and URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UpstreamError {
    /// The authentication header cannot be read from its file; nothing was sent.
    #[error("{0}")]
    NoToken(String),
    #[error("{upstream} cannot be reached ({cause}); is {variable} right?")]
    Unreachable { upstream: String, cause: String, variable: &'static str },
    /// It redirects in a way that is not followed.
    #[error("{upstream} cannot be used ({cause}); is {variable} right?")]
    Redirected { upstream: String, cause: String, variable: &'static str },
    /// It answered with another status than 200.
    #[error("{upstream} answers {status}; {advice}")]
    Status { upstream: String, status: StatusCode, advice: &'static str },
    /// It answered 200 with something else than a payload.
    #[error("{upstream}: {problem}")]
    BadReply { upstream: String, problem: String },
    /// Its circuit breaker is open: nothing was sent.
    #[error("{last} (next request in {left:.1?})")]
    CircuitOpen { last: Box<Self>, left: Duration },
}

impl UpstreamError {
    /// Its HTTP status, if it answered with an error.
    #[must_use]
    pub fn status(&self) -> Option<StatusCode> {
        match self {
            Self::Status { status, .. } => Some(*status).filter(|s| s.is_client_error() || s.is_server_error()),
            Self::CircuitOpen { last, .. } => last.status(),
            Self::NoToken(_) | Self::Unreachable { .. } | Self::Redirected { .. } | Self::BadReply { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_error_has_a_status_and_an_open_circuit_keeps_it() {
        let answered = |status| UpstreamError::Status { upstream: "proc at http://p".into(), status, advice: "look" };
        assert_eq!(answered(StatusCode::NO_CONTENT).status(), None);
        let open = UpstreamError::CircuitOpen {
            last: Box::new(answered(StatusCode::FORBIDDEN)),
            left: Duration::from_millis(2_040),
        };
        assert_eq!(open.status(), Some(StatusCode::FORBIDDEN));
        assert_eq!(open.to_string(), "proc at http://p answers 403 Forbidden; look (next request in 2.0s)");
    }
}
