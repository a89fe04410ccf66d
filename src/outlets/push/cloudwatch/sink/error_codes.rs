//! Classes of CloudWatch's error responses, by code and HTTP status.

use crate::outlets::push::sink::SinkError;

/// The status of most of them is 400.
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

/// What an error response is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ErrorClass {
    Throttled,
    ServerError,
    NotAllowed,
    ClockSkew,
    Expired,
    BadCredentials,
    Invalid,
    Unauthorized,
    /// Not an answer of CloudWatch.
    Unknown,
}

impl ErrorClass {
    /// The class of a response: by code where it has a known one, otherwise by status.
    pub(super) fn of(status: u16, code: &str) -> Self {
        match () {
            () if THROTTLED.contains(&code) || status == 429 => Self::Throttled,
            () if SERVER_ERROR.contains(&code) || status >= 500 || status == 408 => Self::ServerError,
            () if NOT_ALLOWED.contains(&code) => Self::NotAllowed,
            () if CLOCK_SKEW.contains(&code) => Self::ClockSkew,
            () if EXPIRED.contains(&code) => Self::Expired,
            () if BAD_CREDENTIALS.contains(&code) => Self::BadCredentials,
            () if INVALID.contains(&code) || status == 413 => Self::Invalid,
            () if matches!(status, 401 | 403) => Self::Unauthorized,
            () => Self::Unknown,
        }
    }

    /// What it means, or what to do.
    pub(super) const fn advice(self) -> &'static str {
        match self {
            Self::Throttled => "too many requests for now, will retry",
            Self::ServerError => "AWS-side error, will retry",
            Self::NotAllowed => "allow cloudwatch:PutMetricData in this namespace to the role that is used",
            Self::ClockSkew => "set this machine's clock",
            Self::Expired => "the credentials have expired; renew them",
            Self::BadCredentials => "check the access key and its secret",
            Self::Invalid => "the rejected points are dropped; please report this",
            Self::Unauthorized => "check the credentials and their permissions",
            Self::Unknown => "is the endpoint that of CloudWatch?",
        }
    }

    /// A sink's error of this class.
    pub(super) const fn error(self, message: String) -> SinkError {
        match self {
            Self::Throttled | Self::ServerError => SinkError::Retry(message),
            Self::Invalid => SinkError::Invalid(message),
            Self::NotAllowed
            | Self::ClockSkew
            | Self::Expired
            | Self::BadCredentials
            | Self::Unauthorized
            | Self::Unknown => SinkError::Denied(message),
        }
    }
}

/// Whether the service's message may be logged: those about credentials quote the request.
pub(super) fn may_be_quoted(status: u16, code: &str) -> bool {
    let about_credentials = BAD_CREDENTIALS.contains(&code) || EXPIRED.contains(&code) || CLOCK_SKEW.contains(&code);
    !about_credentials && (NOT_ALLOWED.contains(&code) || !matches!(status, 401 | 403))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(status: u16, code: &str) -> SinkError {
        ErrorClass::of(status, code).error(String::new())
    }

    #[test]
    fn throttles_and_outages_may_be_retried() {
        let responses = [(400, "Throttling"), (400, "ThrottlingException"), (400, "RequestLimitExceeded"), (429, "")];
        let outages = [(500, "InternalFailure"), (503, ""), (400, "InternalServiceError"), (408, "")];
        for (status, code) in responses.into_iter().chain(outages) {
            assert!(error(status, code).may_retry(), "{status} {code}");
        }
    }

    #[test]
    fn rejections_may_not() {
        for (status, code) in
            [(403, "AccessDenied"), (403, "SignatureDoesNotMatch"), (400, "ExpiredToken"), (403, ""), (404, "")]
        {
            assert!(matches!(error(status, code), SinkError::Denied(_)), "{status} {code}");
        }
        for (status, code) in [(400, "InvalidParameterValue"), (400, "MissingParameter"), (413, "")] {
            assert!(matches!(error(status, code), SinkError::Invalid(_)), "{status} {code}");
        }
    }

    #[test]
    fn messages_about_credentials_are_not_quoted() {
        assert!(!may_be_quoted(400, "IncompleteSignature") && !may_be_quoted(403, "SomethingNew"));
        assert!(may_be_quoted(403, "AccessDenied") && may_be_quoted(400, "InvalidParameterValue"));
    }
}
