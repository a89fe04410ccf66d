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
    /// The class of a response: by code where it has a known one, otherwise by status. Services report a wrong clock as a
    /// wrong signature, and only the message says which.
    pub(super) fn of(status: u16, code: &str, message: &str) -> Self {
        match () {
            () if BAD_CREDENTIALS.contains(&code) && is_about_time(message) => Self::ClockSkew,
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

/// Whether a message is about the time in a signature. Such a message holds times and nothing else.
fn is_about_time(message: &str) -> bool {
    ["Signature expired: ", "Signature not yet current: "].iter().any(|beginning| message.starts_with(beginning))
}

/// Whether the service's message may be logged: those about credentials quote the request.
pub(super) fn may_be_quoted(status: u16, code: &str, message: &str) -> bool {
    if is_about_time(message) {
        return true;
    }
    let about_credentials = BAD_CREDENTIALS.contains(&code) || EXPIRED.contains(&code) || CLOCK_SKEW.contains(&code);
    !about_credentials && (NOT_ALLOWED.contains(&code) || !matches!(status, 401 | 403))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(status: u16, code: &str) -> SinkError {
        ErrorClass::of(status, code, "").error(String::new())
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
    fn a_signature_that_is_too_old_or_too_new_is_a_matter_of_the_clock() {
        let late =
            "Signature expired: 20261127T010000Z is now earlier than 20261127T011500Z (20261127T012000Z - 5 min.)";
        let early = "Signature not yet current: 20261127T013000Z is still later than 20261127T012500Z";
        for (message, expected) in
            [(late, ErrorClass::ClockSkew), (early, ErrorClass::ClockSkew), ("no match", ErrorClass::BadCredentials)]
        {
            for code in ["SignatureDoesNotMatch", "InvalidSignatureException"] {
                assert_eq!(ErrorClass::of(400, code, message), expected, "{code}: {message}");
            }
            let is_clock = expected == ErrorClass::ClockSkew;
            assert_eq!(may_be_quoted(400, "SignatureDoesNotMatch", message), is_clock, "{message}");
        }
    }

    #[test]
    fn messages_about_credentials_are_not_quoted() {
        assert!(!may_be_quoted(400, "IncompleteSignature", "x") && !may_be_quoted(403, "SomethingNew", "x"));
        assert!(may_be_quoted(403, "AccessDenied", "x") && may_be_quoted(400, "InvalidParameterValue", "x"));
    }
}
