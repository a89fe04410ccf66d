//! From the SDK's errors to the sink's: which of them a retry can cure, with the service's code and what to do, and never
//! with a credential.

use std::error::Error;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_cloudwatch::config::http::HttpResponse;
use aws_sdk_cloudwatch::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_cloudwatch::operation::put_metric_data::PutMetricDataError;

use super::error_codes::{ErrorClass, may_be_quoted};
use crate::base::error_chain;
use crate::outlets::push::sink::SinkError;

/// Retried, because on an instance the metadata service may answer later.
pub(super) fn no_region() -> SinkError {
    SinkError::Retry("CloudWatch: no region is known; set METRICS_CLOUDWATCH_REGION or AWS_REGION".to_owned())
}

/// There is not even a provider of credentials.
pub(super) fn no_credentials() -> SinkError {
    credentials_failure(&CredentialsError::not_loaded_no_source())
}

/// Why a request failed.
pub(super) fn request_failure(error: &SdkError<PutMetricDataError, HttpResponse>) -> SinkError {
    if let Some(error) = find_credentials_error(error) {
        return credentials_failure(error);
    }
    match error {
        SdkError::ServiceError(reply) => {
            response_failure(reply.raw(), reply.err().meta().code(), reply.err().message())
        }
        SdkError::ResponseError(reply) => response_failure(reply.raw(), None, None),
        SdkError::TimeoutError(_) => {
            SinkError::Retry("CloudWatch: no answer in time; is its endpoint reachable?".to_owned())
        }
        SdkError::DispatchFailure(_) => SinkError::Retry(format!(
            "CloudWatch: cannot be reached ({}); is its endpoint right and reachable?",
            root_cause(error)
        )),
        _ => SinkError::Denied(format!(
            "CloudWatch: the request cannot be built ({}); check the AWS configuration",
            root_cause(error)
        )),
    }
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

fn response_failure(response: &HttpResponse, code: Option<&str>, message: Option<&str>) -> SinkError {
    let status = response.status().as_u16();
    let code = code.unwrap_or_default();
    let class = ErrorClass::of(status, code);
    let name = if code.is_empty() { format!("HTTP {status}") } else { format!("{} (HTTP {status})", line(code, 80)) };
    // Signature errors quote the request's headers.
    let quoted = message.filter(|_| may_be_quoted(status, code)).map(|text| format!(": {}", line(text, 300)));
    class.error(format!("CloudWatch answers {name}{}; {}", quoted.unwrap_or_default(), class.advice()))
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
    fn missing_credentials_need_the_operator_and_a_slow_provider_does_not() {
        assert!(matches!(no_credentials(), SinkError::Denied(_)));
        assert!(credentials_failure(&CredentialsError::provider_timed_out(std::time::Duration::ZERO)).may_retry());
        assert!(no_region().may_retry());
    }
}
