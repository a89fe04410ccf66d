//! Codes of CloudWatch's answers, and failures of AWS' credential chain.

use std::error::Error;

use aws_credential_types::provider::error::CredentialsError;

use super::{Failure, Verdict};

/// Too much at once; the status is 400 with most of them.
const THROTTLED: [&str; 10] = [
    "Throttling",
    "ThrottlingException",
    "ThrottledException",
    "RequestThrottled",
    "RequestThrottledException",
    "RequestLimitExceeded",
    "LimitExceeded",
    "LimitExceededException",
    "TooManyRequestsException",
    "SlowDown",
];

const SERVER_ERROR: [&str; 7] = [
    "InternalFailure",
    "InternalServiceError",
    "InternalServiceFault",
    "ServiceUnavailable",
    "ServiceUnavailableException",
    "RequestTimeout",
    "RequestTimeoutException",
];

const NOT_ALLOWED: [&str; 5] =
    ["AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "NotAuthorized", "OptInRequired"];

const CLOCK_SKEW: [&str; 3] = ["RequestExpired", "RequestTimeTooSkewed", "RequestInTheFuture"];

const BAD_CREDENTIALS: [&str; 12] = [
    "UnrecognizedClientException",
    "UnrecognizedClient",
    "InvalidClientTokenId",
    "InvalidAccessKeyId",
    "InvalidToken",
    "SignatureDoesNotMatch",
    "InvalidSignatureException",
    "IncompleteSignature",
    "IncompleteSignatureException",
    "MissingAuthenticationToken",
    "MissingAuthenticationTokenException",
    "AuthFailure",
];

const EXPIRED: [&str; 3] = ["ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired"];

const INVALID: [&str; 12] = [
    "InvalidParameterValue",
    "InvalidParameterValueException",
    "InvalidParameterCombination",
    "InvalidParameterCombinationException",
    "InvalidParameterInput",
    "MissingParameter",
    "MissingRequiredParameterException",
    "ValidationError",
    "ValidationException",
    "InvalidFormat",
    "RequestEntityTooLarge",
    "RequestEntityTooLargeException",
];

/// What an answer means, and what to do about it.
pub(super) fn judge(status: u16, code: &str) -> (Verdict, &'static str) {
    match () {
        () if THROTTLED.contains(&code) || status == 429 => (Verdict::Retry, "too many requests for now"),
        () if SERVER_ERROR.contains(&code) || status >= 500 || status == 408 => (Verdict::Retry, "the trouble is AWS'"),
        () if NOT_ALLOWED.contains(&code) => {
            (Verdict::Denied, "allow cloudwatch:PutMetricData in this namespace to the role that is used")
        }
        () if CLOCK_SKEW.contains(&code) => (Verdict::Denied, "set this machine's clock"),
        () if EXPIRED.contains(&code) => (Verdict::Denied, "the credentials have expired; renew them"),
        () if BAD_CREDENTIALS.contains(&code) => (Verdict::Denied, "check the access key and its secret"),
        () if INVALID.contains(&code) || status == 413 => {
            (Verdict::Invalid, "points that it does not accept are dropped; please report this")
        }
        () if matches!(status, 401 | 403) => (Verdict::Denied, "check the credentials and what they allow"),
        () => (Verdict::Denied, "is the endpoint that of CloudWatch?"),
    }
}

/// Whether the service's own words may be repeated.
pub(super) fn may_be_quoted(status: u16, code: &str) -> bool {
    let about_credentials = BAD_CREDENTIALS.contains(&code) || EXPIRED.contains(&code) || CLOCK_SKEW.contains(&code);
    !about_credentials && (NOT_ALLOWED.contains(&code) || !matches!(status, 401 | 403))
}

/// The failure, if the chain of credentials is to credentials_failure. Only the kind is told: the rest of such an
/// error may quote what a provider answered.
pub(super) fn credentials(error: &(dyn Error + 'static)) -> Option<Failure> {
    let mut next = Some(error);
    while let Some(cause) = next {
        if let Some(problem) = cause.downcast_ref::<CredentialsError>() {
            return Some(credentials_failure(problem));
        }
        next = cause.source();
    }
    None
}

/// What a failure of the chain means.
pub(in crate::outlets::push::cloudwatch) fn credentials_failure(problem: &CredentialsError) -> Failure {
    let (verdict, message) = match problem {
        CredentialsError::CredentialsNotLoaded(_) => (
            Verdict::Denied,
            "no credentials found; give AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile, or a role to this machine",
        ),
        CredentialsError::InvalidConfiguration(_) => {
            (Verdict::Denied, "AWS' own configuration is not valid; check profile files and AWS_ variables")
        }
        CredentialsError::ProviderTimedOut(_) => (Verdict::Retry, "credentials did not come in time"),
        _ => (Verdict::Retry, "the provider of credentials fails; check role, token file and metadata service"),
    };
    Failure { verdict, message: format!("CloudWatch: {message}") }
}
