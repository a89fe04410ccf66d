//! Error responses: `application/problem+json`, RFC 9457.

use axum::http::{HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

pub(in crate::outlets) const CONTENT_TYPE: &str = "application/problem+json";

/// A problem with an HTTP status; the detail says what, where and what to do, and never a secret.
#[derive(Debug)]
pub(in crate::outlets) struct HttpProblem {
    status: StatusCode,
    detail: String,
}

/// An error.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::outlets) struct ProblemDetails {
    /// Always `about:blank`: the status says what kind it is.
    #[serde(rename = "type")]
    kind: &'static str,
    /// The status in words.
    title: &'static str,
    status: u16,
    /// What failed, where, and what to do.
    detail: String,
}

impl HttpProblem {
    pub(in crate::outlets) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { status, detail: detail.into() }
    }

    /// 503.
    pub(in crate::outlets) fn unavailable(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, detail)
    }

    /// 413.
    pub(in crate::outlets) fn too_large(longest: usize) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, format!("a body may have {longest} bytes"))
    }

    /// The same as raw HTTP/1.1, for clients that are answered before HTTP is served on the connection.
    pub(in crate::outlets) fn to_http1(&self) -> String {
        let body = self.body();
        format!(
            "HTTP/1.1 {}\r\ncontent-type: {CONTENT_TYPE}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
            self.status,
            body.len()
        )
    }

    fn body(&self) -> String {
        let title = self.status.canonical_reason().unwrap_or("Error");
        let details =
            ProblemDetails { kind: "about:blank", title, status: self.status.as_u16(), detail: self.detail.clone() };
        json!(details).to_string()
    }
}

impl IntoResponse for HttpProblem {
    fn into_response(self) -> Response {
        let content_type = HeaderValue::from_static(CONTENT_TYPE);
        (self.status, [(header::CONTENT_TYPE, content_type)], self.body()).into_response()
    }
}

pub(in crate::outlets) async fn not_found(uri: Uri) -> HttpProblem {
    let path: String = uri.path().chars().take(100).collect();
    HttpProblem::new(StatusCode::NOT_FOUND, format!("no route {path}; / lists them"))
}

pub(in crate::outlets) async fn wrong_method(method: Method, uri: Uri) -> HttpProblem {
    let method: String = method.as_str().chars().take(20).collect();
    HttpProblem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        format!("{method} is not served on {}; see the header Allow", uri.path()),
    )
}
