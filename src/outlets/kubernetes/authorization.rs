//! Asks the cluster whether who is asking may: a SubjectAccessReview of the user that the API server names in its headers.
//!
//! The API server has authorized a request before it passes it on; this is for clusters whose rules say that every extension
//! asks again. Nothing is remembered: an HPA asks every 15 s, longer than an answer could be kept.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

use super::cluster::Cluster;
use super::document::{GROUP, Status, VERSION};

const USER: &str = "x-remote-user";
const ROLE: &str = "x-remote-group";
const EXTRA: &str = "x-remote-extra-";

/// Without a cluster to ask everybody may whom the API server lets through.
pub(super) async fn authorize(State(cluster): State<Option<Arc<Cluster>>>, request: Request, next: Next) -> Response {
    let Some(cluster) = cluster else { return next.run(request).await };
    let user = request.headers().get(USER).and_then(|user| user.to_str().ok()).map(str::to_owned);
    let Some(user) = user else {
        return forbidden("the API server does not say who is asking (X-Remote-User)").into_response();
    };
    match cluster.allows(&review(&user, request.headers(), request.uri())).await {
        Ok(true) => next.run(request).await,
        Ok(false) => forbidden(&format!("{user} may not read {}", request.uri().path())).into_response(),
        Err(problem) => {
            let message = format!("cannot be authorized: {problem}");
            Status::new(StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable", message).into_response()
        }
    }
}

fn forbidden(message: &str) -> Status {
    Status::new(StatusCode::FORBIDDEN, "Forbidden", message)
}

/// The question.
fn review(user: &str, headers: &HeaderMap, uri: &Uri) -> Value {
    let groups: Vec<&str> = headers.get_all(ROLE).into_iter().filter_map(|group| group.to_str().ok()).collect();
    let mut spec = json!({"user": user, "groups": groups, "extra": extra(headers)});
    let (name, attributes) = attributes(uri.path());
    if let Some(spec) = spec.as_object_mut() {
        spec.insert(name.to_owned(), attributes);
    }
    json!({"kind": "SubjectAccessReview", "apiVersion": "authorization.k8s.io/v1", "spec": spec})
}

/// What else the API server knows of the user, by name.
fn extra(headers: &HeaderMap) -> Map<String, Value> {
    let mut extra: Map<String, Value> = Map::new();
    for (name, value) in headers {
        let (Some(name), Ok(value)) = (name.as_str().strip_prefix(EXTRA), value.to_str()) else { continue };
        let name = percent_encoding::percent_decode_str(name).decode_utf8_lossy().into_owned();
        if let Value::Array(values) = extra.entry(name).or_insert_with(|| json!([])) {
            values.push(value.into());
        }
    }
    extra
}

/// A metric is a resource that is listed in its namespace; any other path is just one.
fn attributes(path: &str) -> (&'static str, Value) {
    let rest = path.strip_prefix(&format!("/apis/{GROUP}/{VERSION}/namespaces/"));
    match rest.and_then(|rest| rest.split_once('/')) {
        Some((namespace, metric)) => {
            let verb = "list";
            let resource =
                json!({"namespace": namespace, "verb": verb, "group": GROUP, "version": VERSION, "resource": metric});
            ("resourceAttributes", resource)
        }
        None => ("nonResourceAttributes", json!({"path": path, "verb": "get"})),
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderName;

    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(HeaderName::from_static(name), value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn a_review_has_all_that_the_api_server_says_of_the_user() {
        let of = headers(&[(ROLE, "a"), (ROLE, "b"), ("x-remote-extra-scopes%2fx", "1")]);
        let path = format!("/apis/{GROUP}/{VERSION}/namespaces/kdcube/kdcube_proc_queue_total?labelSelector=a%3Db");
        let spec = review("bob", &of, &path.parse().unwrap())["spec"].take();
        let expected = json!({
            "user": "bob",
            "groups": ["a", "b"],
            "extra": {"scopes/x": ["1"]},
            "resourceAttributes": {
                "namespace": "kdcube",
                "verb": "list",
                "group": GROUP,
                "version": VERSION,
                "resource": "kdcube_proc_queue_total",
            },
        });
        assert_eq!(spec, expected);
    }

    #[test]
    fn other_paths_are_no_resources() {
        let spec = review("bob", &headers(&[]), &Uri::from_static("/apis"))["spec"].take();
        assert_eq!(spec["nonResourceAttributes"], json!({"path": "/apis", "verb": "get"}));
    }
}
