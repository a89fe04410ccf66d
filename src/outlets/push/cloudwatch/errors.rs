//! What the SDK's errors mean for the points, and how they are told: with the service's code and what
//! to do, and never with a credential.

mod codes;

use std::error::Error;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_cloudwatch::config::http::HttpResponse;
use aws_sdk_cloudwatch::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_cloudwatch::operation::put_metric_data::PutMetricDataError;

pub(super) use self::codes::credentials_failure;
use crate::base::error_chain;
use crate::outlets::push::sink::SinkError;

/// What becomes of the points.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// An outage or a throttle: the same again may succeed.
    Retry,
    /// We are not let in: somebody has to act, then the same succeeds.
    Denied,
    /// Not with these points.
    Invalid,
}

/// Why a request failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) verdict: Verdict,
    message: String,
}

impl From<Failure> for SinkError {
    fn from(failure: Failure) -> Self {
        Self { message: failure.message, may_retry: failure.verdict == Verdict::Retry }
    }
}

/// Nothing says where to push.
pub(super) fn no_region() -> Failure {
    let message = "CloudWatch: no region is known; set METRICS_CLOUDWATCH_REGION or AWS_REGION".to_owned();
    // On an instance its metadata service may yet say.
    Failure { verdict: Verdict::Retry, message }
}

/// Nothing gives credentials, not even a chain that could be asked.
pub(super) fn no_credentials() -> Failure {
    credentials_failure(&CredentialsError::not_loaded_no_source())
}

pub(super) fn failure(error: &SdkError<PutMetricDataError, HttpResponse>) -> Failure {
    if let Some(failure) = codes::credentials(error) {
        return failure;
    }
    match error {
        SdkError::ServiceError(answer) => answered(answer.raw(), answer.err().meta().code(), answer.err().message()),
        SdkError::ResponseError(answer) => answered(answer.raw(), None, None),
        SdkError::TimeoutError(_) => Failure {
            verdict: Verdict::Retry,
            message: "CloudWatch: no answer in time; is its endpoint reachable?".to_owned(),
        },
        SdkError::DispatchFailure(_) => Failure {
            verdict: Verdict::Retry,
            message: format!("CloudWatch: cannot be reached ({}); is its endpoint right and reachable?", root(error)),
        },
        _ => Failure {
            verdict: Verdict::Denied,
            message: format!("CloudWatch: the request cannot be made ({}); check AWS' own settings", root(error)),
        },
    }
}

fn answered(response: &HttpResponse, code: Option<&str>, message: Option<&str>) -> Failure {
    let status = response.status().as_u16();
    let code = code.unwrap_or_default();
    let (verdict, advice) = codes::judge(status, code);
    let name = if code.is_empty() { format!("HTTP {status}") } else { format!("{} (HTTP {status})", line(code, 80)) };
    // Refusals of a signature quote the request's headers.
    let said = message.filter(|_| codes::may_be_quoted(status, code)).map(|text| format!(": {}", line(text, 300)));
    Failure { verdict, message: format!("CloudWatch answers {name}{}; {advice}", said.unwrap_or_default()) }
}

/// The innermost cause, which says most.
fn root(error: &dyn Error) -> String {
    line(&error_chain::innermost(error).to_string(), 200)
}

/// Enough of a foreign text, on one line.
fn line(text: &str, longest: usize) -> String {
    text.chars().take(longest).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests;
