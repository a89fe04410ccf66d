//! From the SDK's errors to the sink's: which of them a retry can cure, with the service's code and what to do, and never
//! with a credential.

use std::error::Error;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_cloudwatch::config::http::HttpResponse;
use aws_sdk_cloudwatch::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_cloudwatch::operation::put_metric_data::PutMetricDataError;

use super::error_codes::{ErrorClass, may_be_quoted};
use crate::base::clock::UnixSeconds;
use crate::base::error_chain;
use crate::outlets::push::sink::SinkError;
use crate::tls;

/// What the SDK says of a failed request.
pub(super) type RequestError = SdkError<PutMetricDataError, HttpResponse>;

/// Retried, because on an instance the metadata service may answer later.
pub(super) fn no_region() -> SinkError {
    SinkError::Retry("CloudWatch: no region is known; set METRICS_CLOUDWATCH_REGION or AWS_REGION".to_owned())
}

/// There is not even a provider of credentials.
pub(super) fn no_credentials() -> SinkError {
    credentials_failure(&CredentialsError::not_loaded_no_source())
}

/// Why a request failed; `now` is this machine's time.
pub(super) fn request_failure(error: &RequestError, now: UnixSeconds) -> SinkError {
    if let Some(error) = find_credentials_error(error) {
        return credentials_failure(error);
    }
    match error {
        SdkError::ServiceError(reply) => {
            response_failure(reply.raw(), reply.err().meta().code(), reply.err().message(), now)
        }
        SdkError::ResponseError(reply) => response_failure(reply.raw(), None, None, now),
        SdkError::TimeoutError(_) => {
            SinkError::Retry("CloudWatch: no answer in time; is its endpoint reachable?".to_owned())
        }
        SdkError::DispatchFailure(_) => SinkError::Retry(unreachable(&root_cause(error))),
        _ => SinkError::Denied(format!(
            "CloudWatch: the request cannot be built ({}); check the AWS configuration",
            root_cause(error)
        )),
    }
}

/// Whether the service does not accept the credentials any more: a provider may have newer ones than it announced.
pub(super) fn has_expired(error: &RequestError) -> bool {
    let SdkError::ServiceError(reply) = error else { return false };
    let code = reply.err().meta().code().unwrap_or_default();
    ErrorClass::of(reply.raw().status().as_u16(), code, "") == ErrorClass::Expired
}

fn unreachable(cause: &str) -> String {
    let hint = match tls::authority_hint(cause, None) {
        hint if hint.is_empty() => "; is its endpoint right and reachable?".to_owned(),
        hint => hint,
    };
    format!("CloudWatch: cannot be reached ({cause}){hint}")
}

/// Only the kind of a credentials error is reported: the rest may quote a provider's response.
pub(super) fn credentials_failure(error: &CredentialsError) -> SinkError {
    match error {
        CredentialsError::CredentialsNotLoaded(_) => SinkError::Denied(
            "CloudWatch: no credentials found; give AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile, or a role to \
             this machine"
                .to_owned(),
        ),
        CredentialsError::InvalidConfiguration(_) => SinkError::Denied(
            "CloudWatch: the AWS configuration is not valid; check profile files and AWS_ variables".to_owned(),
        ),
        CredentialsError::ProviderTimedOut(_) => {
            SinkError::Retry("CloudWatch: credentials were not received in time".to_owned())
        }
        _ => SinkError::Retry(
            "CloudWatch: the credentials provider failed; check role, token file and metadata service".to_owned(),
        ),
    }
}

fn find_credentials_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a CredentialsError> {
    let mut next = Some(error);
    while let Some(cause) = next {
        if let Some(found) = cause.downcast_ref::<CredentialsError>() {
            return Some(found);
        }
        next = cause.source();
    }
    None
}

fn response_failure(response: &HttpResponse, code: Option<&str>, message: Option<&str>, now: UnixSeconds) -> SinkError {
    let status = response.status().as_u16();
    let (code, message) = (code.unwrap_or_default(), message.unwrap_or_default());
    let class = ErrorClass::of(status, code, message);
    let name = if code.is_empty() { format!("HTTP {status}") } else { format!("{} (HTTP {status})", line(code, 80)) };
    // Signature errors quote the request's headers.
    let may_be_quoted = !message.is_empty() && may_be_quoted(status, code, message);
    let quoted = if may_be_quoted { format!(": {}", line(message, 300)) } else { String::new() };
    let offset = match class {
        ErrorClass::ClockSkew => response.headers().get("date").and_then(|date| clock_offset(date, now)),
        _ => None,
    };
    class.error(format!("CloudWatch answers {name}{quoted}; {}{}", class.advice(), offset.unwrap_or_default()))
}

/// How far this machine's clock is from the date of a response, where that is worth a word.
fn clock_offset(date: &str, now: UnixSeconds) -> Option<String> {
    const WORTH_A_WORD: f64 = 2.0;
    let theirs = jiff::fmt::rfc2822::parse(date).ok()?.timestamp();
    let ahead = now - theirs.as_duration().as_secs_f64();
    let direction = if ahead > 0.0 { "ahead of" } else { "behind" };
    (ahead.abs() >= WORTH_A_WORD).then(|| format!(": it is {:.0} s {direction} CloudWatch's", ahead.abs()))
}

/// The innermost cause, which is the most specific.
fn root_cause(error: &dyn Error) -> String {
    line(&error_chain::innermost(error).to_string(), 200)
}

/// A foreign text, truncated and on one line.
fn line(text: &str, max_chars: usize) -> String {
    text.chars().take(max_chars).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_foreign_text_is_truncated_to_a_line() {
        assert_eq!(line("a\nb", 9), "a b");
        assert_eq!(line("abc", 2), "ab");
    }

    #[test]
    fn the_offset_of_the_clock_is_told_from_two_seconds_on() {
        let date = "Fri, 27 Nov 2026 15:00:00 GMT";
        let at: jiff::Timestamp = "2026-11-27T15:00:00Z".parse().unwrap();
        let offset = |seconds: f64| clock_offset(date, at.as_duration().as_secs_f64() + seconds);
        assert_eq!(offset(900.0).as_deref(), Some(": it is 900 s ahead of CloudWatch's"));
        assert_eq!(offset(-3600.4).as_deref(), Some(": it is 3600 s behind CloudWatch's"));
        assert_eq!((offset(1.9), offset(-1.9), clock_offset("yesterday", 0.0)), (None, None, None));
    }

    #[test]
    fn missing_credentials_need_the_operator_and_a_slow_provider_does_not() {
        assert!(matches!(no_credentials(), SinkError::Denied(_)));
        assert!(credentials_failure(&CredentialsError::provider_timed_out(std::time::Duration::ZERO)).may_retry());
        assert!(no_region().may_retry());
    }
}
