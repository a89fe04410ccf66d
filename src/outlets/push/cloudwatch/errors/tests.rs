//! Which answers may be tried again, and what is told.

use super::codes::{judge, may_be_quoted};
use super::*;

#[test]
fn throttles_and_outages_may_be_tried_again() {
    let answers = [(400, "Throttling"), (400, "ThrottlingException"), (400, "RequestLimitExceeded"), (429, "")];
    for (status, code) in
        answers.into_iter().chain([(500, "InternalFailure"), (503, ""), (400, "InternalServiceError")])
    {
        assert_eq!(judge(status, code).0, Verdict::Retry, "{status} {code}");
    }
}

#[test]
fn refusals_may_not() {
    for (status, code) in
        [(403, "AccessDenied"), (403, "SignatureDoesNotMatch"), (400, "ExpiredToken"), (403, ""), (404, "")]
    {
        assert_eq!(judge(status, code).0, Verdict::Denied, "{status} {code}");
    }
    for (status, code) in [(400, "InvalidParameterValue"), (400, "MissingParameter"), (413, "")] {
        assert_eq!(judge(status, code).0, Verdict::Invalid, "{status} {code}");
    }
}

#[test]
fn words_about_credentials_are_not_repeated() {
    assert!(!may_be_quoted(400, "IncompleteSignature") && !may_be_quoted(403, "SomethingNew"));
    assert!(may_be_quoted(403, "AccessDenied") && may_be_quoted(400, "InvalidParameterValue"));
}

#[test]
fn a_foreign_text_is_cut_to_a_line() {
    assert_eq!(line("a\nb", 9), "a b");
    assert_eq!(line("abc", 2), "ab");
}
