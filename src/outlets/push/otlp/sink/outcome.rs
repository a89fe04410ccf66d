//! What an answer means: delivered, in part, to be sent again, or never; by the rules of OTLP.

use std::time::Duration;

use prost::Message;
use prost_types::Any;
use reqwest::StatusCode;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use tonic::{Code, Status};

use crate::outlets::push::sink::SinkError;

/// What a receiver made of a request that it accepted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Accepted {
    /// Points that it will not keep.
    pub(super) rejected: u64,
    /// Why, or a warning; empty where there is neither.
    pub(super) message: String,
}

/// Why a request failed, and when the receiver wants it again.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Failure {
    pub(super) error: SinkError,
    pub(super) wait: Option<Duration>,
}

impl From<SinkError> for Failure {
    fn from(error: SinkError) -> Self {
        Self { error, wait: None }
    }
}

/// Longest wait that is honoured: points expire meanwhile.
const MAX_WAIT: Duration = Duration::from_secs(300);

/// Characters of a receiver's text that are quoted.
const MAX_QUOTED: usize = 200;

/// `google.rpc.Status` and `RetryInfo`, as far as they are read.
#[derive(Clone, PartialEq, Message)]
struct RpcStatus {
    #[prost(message, repeated, tag = "3")]
    details: Vec<Any>,
}

#[derive(Clone, PartialEq, Message)]
struct RetryInfo {
    #[prost(message, optional, tag = "1")]
    retry_delay: Option<prost_types::Duration>,
}

/// What a gRPC status other than OK means.
pub(super) fn of_status(status: &Status, place: &str) -> Failure {
    let wait = retry_info(status.details());
    let message = format!("OTLP receiver at {place} answers {:?} ({})", status.code(), quoted(status.message()));
    let error = match status.code() {
        Code::Cancelled
        | Code::DeadlineExceeded
        | Code::Aborted
        | Code::OutOfRange
        | Code::Unavailable
        | Code::DataLoss => SinkError::Retry(format!("{message}; will retry")),
        // It can recover, and says when; otherwise it cannot.
        Code::ResourceExhausted if wait.is_some() => SinkError::Retry(format!("{message}; will retry")),
        Code::Unauthenticated | Code::PermissionDenied => {
            SinkError::Denied(format!("{message}; check METRICS_OTLP_HEADERS_JSON"))
        }
        Code::Unimplemented => {
            SinkError::Denied(format!("{message}; check METRICS_OTLP_ENDPOINT: it takes no metrics by gRPC"))
        }
        _ => SinkError::Invalid(format!("{message}; it does not accept these points")),
    };
    Failure { error, wait }
}

/// What an HTTP status other than success means.
pub(super) fn of_http(status: StatusCode, headers: &HeaderMap, text: &str, place: &str) -> Failure {
    let message = format!("OTLP receiver at {place} answers {status} ({})", quoted(text));
    let error = match status.as_u16() {
        429 | 502..=504 => SinkError::Retry(format!("{message}; will retry")),
        401 | 403 => SinkError::Denied(format!("{message}; check METRICS_OTLP_HEADERS_JSON")),
        300..=399 | 404 | 405 => SinkError::Denied(format!("{message}; check METRICS_OTLP_ENDPOINT")),
        _ => SinkError::Invalid(format!("{message}; it does not accept these points")),
    };
    let seconds = headers.get(RETRY_AFTER).and_then(|after| after.to_str().ok()?.trim().parse().ok());
    Failure { error, wait: seconds.map(|seconds| Duration::from_secs(seconds).min(MAX_WAIT)) }
}

fn retry_info(details: &[u8]) -> Option<Duration> {
    let status = RpcStatus::decode(details).ok()?;
    let info = status.details.iter().find(|any| any.type_url.ends_with("google.rpc.RetryInfo"))?;
    let delay = RetryInfo::decode(&info.value[..]).ok()?.retry_delay?;
    Some(Duration::try_from(delay).unwrap_or_default().min(MAX_WAIT))
}

/// A receiver's text on one line.
pub(super) fn quoted(text: &str) -> String {
    let text: String = text.chars().take(MAX_QUOTED).map(|c| if c.is_control() { ' ' } else { c }).collect();
    text.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn exhausted(seconds: Option<i64>) -> Status {
        let info = RetryInfo { retry_delay: seconds.map(|seconds| prost_types::Duration { seconds, nanos: 0 }) };
        let any = Any { type_url: "type.googleapis.com/google.rpc.RetryInfo".to_owned(), value: info.encode_to_vec() };
        let details = RpcStatus { details: seconds.map(|_| any).into_iter().collect() };
        Status::with_details(Code::ResourceExhausted, "slow down", details.encode_to_vec().into())
    }

    #[test]
    fn a_status_is_retried_by_the_rules_of_otlp() {
        use Code::{
            Aborted, Cancelled, DataLoss, DeadlineExceeded, Internal, InvalidArgument, NotFound, OutOfRange,
            PermissionDenied, Unauthenticated, Unavailable, Unimplemented, Unknown,
        };
        let error = |code| of_status(&Status::new(code, "why\nnot"), "http://x/").error;
        for code in [Cancelled, DeadlineExceeded, Aborted, OutOfRange, Unavailable, DataLoss] {
            assert!(error(code).may_retry(), "{code:?}");
        }
        for code in [Unauthenticated, PermissionDenied, Unimplemented] {
            assert!(matches!(error(code), SinkError::Denied(_)), "{code:?}");
        }
        for code in [InvalidArgument, NotFound, Internal, Unknown] {
            assert!(matches!(error(code), SinkError::Invalid(_)), "{code:?}");
        }
        assert!(error(Internal).to_string().contains("(why not)"));
    }

    #[test]
    fn an_exhausted_receiver_is_asked_again_only_if_it_says_when() {
        let failure = of_status(&exhausted(Some(7)), "x");
        assert!(failure.error.may_retry() && failure.wait == Some(Duration::from_secs(7)));
        assert!(matches!(of_status(&exhausted(None), "x").error, SinkError::Invalid(_)));
        assert_eq!(of_status(&exhausted(Some(i64::MAX)), "x").wait, Some(MAX_WAIT));
    }

    #[test]
    fn http_statuses_are_retried_likewise_after_the_time_that_is_asked_for() {
        let headers = |text: &str| HeaderMap::from_iter([(RETRY_AFTER, text.parse().unwrap())]);
        let failure = |status: u16, after: &str| {
            of_http(StatusCode::from_u16(status).unwrap(), &headers(after), "text", "http://x/")
        };
        for status in [429, 502, 503, 504] {
            assert!(failure(status, "3").error.may_retry());
            assert_eq!(failure(status, "3").wait, Some(Duration::from_secs(3)));
        }
        assert_eq!((failure(503, "9999").wait, failure(503, "tomorrow").wait), (Some(MAX_WAIT), None));
        assert!([301, 401, 403, 404].iter().all(|status| matches!(failure(*status, "").error, SinkError::Denied(_))));
        assert!([400, 413, 500].iter().all(|status| matches!(failure(*status, "").error, SinkError::Invalid(_))));
    }

    proptest! {
        #[test]
        fn no_details_panic(details in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = retry_info(&details);
        }
    }
}
