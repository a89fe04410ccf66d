//! Kubernetes' documents: discovery, lists, errors.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::item;
use crate::base::clock::UnixSeconds;
use crate::catalog;
use crate::outlets::names::Mapping;

pub(super) const GROUP: &str = "external.metrics.k8s.io";
pub(super) const VERSION: &str = "v1beta1";

/// An error as every Kubernetes client reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Status {
    code: StatusCode,
    reason: &'static str,
    message: String,
}

impl Status {
    pub(super) fn new(code: StatusCode, reason: &'static str, message: impl Into<String>) -> Self {
        Self { code, reason, message: message.into() }
    }

    #[cfg(test)]
    pub(super) fn parts(self) -> (u16, String) {
        (self.code.as_u16(), self.message)
    }
}

impl IntoResponse for Status {
    fn into_response(self) -> Response {
        let body = json!({
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
            "code": self.code.as_u16(),
        });
        (self.code, Json(body)).into_response()
    }
}

fn group() -> Value {
    let version = json!({"groupVersion": format!("{GROUP}/{VERSION}"), "version": VERSION});
    json!({"name": GROUP, "versions": [version], "preferredVersion": version})
}

/// `/apis`.
pub(super) fn groups() -> Value {
    json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": [group()]})
}

/// `/apis/external.metrics.k8s.io`.
pub(super) fn api_group() -> Value {
    let mut document = group();
    if let Some(fields) = document.as_object_mut() {
        fields.insert("kind".to_owned(), "APIGroup".into());
        fields.insert("apiVersion".to_owned(), "v1".into());
    }
    document
}

/// Every metric there can be, whether it has a value now or not.
pub(super) fn resources(mapping: &Mapping) -> Value {
    let resource = |name: String| {
        json!({
            "name": name,
            "singularName": "",
            "namespaced": true,
            "kind": "ExternalMetricValueList",
            "verbs": ["get"],
        })
    };
    let resources: Vec<Value> = catalog::all().map(|metric| resource(item::name(metric, mapping))).collect();
    json!({
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": format!("{GROUP}/{VERSION}"),
        "resources": resources,
    })
}

/// The list of one item.
pub(super) fn list(item: &Value) -> Value {
    json!({
        "kind": "ExternalMetricValueList",
        "apiVersion": format!("{GROUP}/{VERSION}"),
        "metadata": {},
        "items": [item],
    })
}

/// What the API server merges into its own description.
pub(super) fn openapi() -> Value {
    json!({
        "swagger": "2.0",
        "info": {"title": "kdcube-metrics", "version": env!("CARGO_PKG_VERSION")},
        "paths": {},
        "definitions": {},
    })
}

/// RFC 3339 in whole seconds, as Kubernetes' times are.
#[expect(clippy::cast_possible_truncation, reason = "whole seconds")]
pub(super) fn time(at: UnixSeconds) -> String {
    jiff::Timestamp::from_second(at as i64).map(|at| at.to_string()).unwrap_or_default()
}
