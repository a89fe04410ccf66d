//! Where AWS' chain finds credentials when no variable holds them: an instance's metadata service, a
//! container's endpoint and STS, each of which asks for what the real one asks for.

use axum::body::{Body, to_bytes};
use axum::http::{Request, Response};
use hyper::body::Incoming;
use serde_json::json;

use super::{KEY, REGION, SECRET};

/// What the pod or task was given to show.
pub(crate) const TOKEN: &str = "t0ken-of-the-tests";

const LATER: &str = "2999-01-01T00:00:00Z";

pub(super) async fn answer(request: Request<Incoming>) -> Response<Body> {
    let (head, body) = request.into_parts();
    let has = |name: &str, value: &str| head.headers.get(name).is_some_and(|found| found == value);
    let session = has("x-aws-ec2-metadata-token", "session");
    let text = match head.uri.path() {
        "/latest/api/token" if head.method == "PUT" => "session".to_owned(),
        "/latest/meta-data/placement/region" if session => REGION.to_owned(),
        "/latest/meta-data/iam/security-credentials/" if session => "a-role".to_owned(),
        "/latest/meta-data/iam/security-credentials/a-role" if session => credentials(),
        "/container" if has("authorization", TOKEN) => credentials(),
        "/" => web_identity(std::str::from_utf8(&to_bytes(Body::new(body), usize::MAX).await.unwrap()).unwrap()),
        _ => return Response::builder().status(401).body(Body::empty()).unwrap(),
    };
    Response::builder().header("x-aws-ec2-metadata-token-ttl-seconds", "600").body(Body::from(text)).unwrap()
}

fn credentials() -> String {
    json!({
        "Code": "Success", "Type": "AWS-HMAC", "LastUpdated": "2020-01-01T00:00:00Z", "Expiration": LATER,
        "AccessKeyId": KEY, "SecretAccessKey": SECRET, "Token": "a-session",
    })
    .to_string()
}

fn web_identity(form: &str) -> String {
    let asked = |pair: &str| assert!(form.split('&').any(|found| found == pair), "{pair} is not in {form}");
    asked("Action=AssumeRoleWithWebIdentity");
    asked(&format!("WebIdentityToken={TOKEN}"));
    format!(
        "<AssumeRoleWithWebIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\
         <AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>{KEY}</AccessKeyId>\
         <SecretAccessKey>{SECRET}</SecretAccessKey><SessionToken>a-session</SessionToken>\
         <Expiration>{LATER}</Expiration></Credentials></AssumeRoleWithWebIdentityResult>\
         </AssumeRoleWithWebIdentityResponse>"
    )
}
