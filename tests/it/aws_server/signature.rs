//! Checks a request's signature by signing it again with AWS' own crate.

use std::time::{Duration, SystemTime};

use aws_sdk_cloudwatch::config::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use axum::http::Request;
use kdcube_metrics::base::clock::{Clock, SystemClock};

use super::{KEY, REGION, Rejection, SECRET};

/// Seconds that the service allows between the clocks.
const SKEW: f64 = 300.0;

pub(super) fn check(request: &Request<Vec<u8>>) -> Result<(), Rejection> {
    let authorization = header(request, "authorization")
        .ok_or_else(|| rejection("MissingAuthenticationToken", "Request is missing Authentication Token"))?;
    let part = |name: &str| {
        let (_, rest) = authorization.split_once(&format!("{name}="))?;
        rest.split([',', ' ']).next()
    };
    let incomplete =
        || rejection("IncompleteSignature", &format!("Authorization header is incomplete: {authorization}"));
    let scope: Vec<_> = part("Credential").ok_or_else(incomplete)?.split('/').collect();
    let [key, date, REGION, "monitoring", "aws4_request"] = scope[..] else {
        return Err(rejection("SignatureDoesNotMatch", "Credential should be scoped to a valid region and service"));
    };
    if key != KEY {
        return Err(rejection("InvalidClientTokenId", "The security token included in the request is invalid."));
    }
    let at = header(request, "x-amz-date").filter(|at| at.starts_with(date)).ok_or_else(incomplete)?;
    let expected = signature(request, part("SignedHeaders").ok_or_else(incomplete)?, time(at));
    if part("Signature") != Some(&expected) {
        // The real service quotes the canonical request here, headers and all.
        let token = header(request, "x-amz-security-token").unwrap_or_default();
        return Err(rejection(
            "SignatureDoesNotMatch",
            &format!("The signature does not match: {authorization} {token}"),
        ));
    }
    let sent = time(at).duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs_f64();
    if (SystemClock.now() - sent).abs() > SKEW {
        return Err(rejection("RequestExpired", "The clocks differ"));
    }
    Ok(())
}

fn signature(request: &Request<Vec<u8>>, signed: &str, at: SystemTime) -> String {
    let token = header(request, "x-amz-security-token").map(ToOwned::to_owned);
    let identity = Credentials::new(KEY, SECRET, token, None, "tests").into();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(REGION)
        .name("monitoring")
        .time(at)
        .settings(SigningSettings::default())
        .build()
        .unwrap()
        .into();
    // The signer puts date and token in itself.
    let own = ["x-amz-date", "x-amz-security-token"];
    let headers = signed.split(';').filter(|name| !own.contains(name));
    let headers = headers.map(|name| (name, header(request, name).unwrap_or_default()));
    let uri = format!("http://{}{}", header(request, "host").unwrap(), request.uri().path());
    let body = SignableBody::Bytes(request.body());
    let signable = SignableRequest::new(request.method().as_str(), &uri, headers, body).unwrap();
    sign(signable, &params).unwrap().signature().to_owned()
}

/// `20260102T030405Z`.
fn time(text: &str) -> SystemTime {
    let civil: jiff::civil::DateTime = text.trim_end_matches('Z').parse().unwrap();
    let seconds = jiff::tz::TimeZone::UTC.to_timestamp(civil).unwrap().as_second();
    SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).unwrap())
}

fn header<'a>(request: &'a Request<Vec<u8>>, name: &str) -> Option<&'a str> {
    request.headers().get(name).and_then(|value| value.to_str().ok())
}

fn rejection(code: &'static str, message: &str) -> Rejection {
    Rejection { status: 403, code, message: message.to_owned() }
}
