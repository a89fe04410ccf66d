//! The gRPC services as a router: scaler, health and reflection, with access and limits.

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::http::{StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tonic::service::Routes;
use tonic::{Code, Status};
use tonic_reflection::server::Builder as Reflection;

use super::health;
use super::proto::DESCRIPTORS;
use super::proto::external_scaler_server::ExternalScalerServer;
use super::scaler::Scaler;
use super::streams::ActivityStreams;
use crate::engine::snapshot::SnapshotReader;
use crate::outlets::http::gate::AccessRule;
use crate::outlets::http::grpc_limits::MAX_MESSAGE;
use crate::outlets::http::layers;
use crate::outlets::http::limits::Budget;
use crate::telemetry::Telemetry;

/// What the services are made of.
#[derive(Debug)]
pub struct KedaState {
    pub reader: SnapshotReader,
    pub telemetry: Arc<Telemetry>,
    /// What every request but those for health needs.
    pub access: AccessRule,
    /// Becomes true when the server stops.
    pub stopping: watch::Receiver<bool>,
}

/// The router, and the task that reports health, which ends when it is dropped.
///
/// # Errors
/// The generated descriptors are unusable: a defect of the build.
pub fn router(state: KedaState) -> anyhow::Result<(Router, JoinSet<()>)> {
    let KedaState { reader, telemetry, access, stopping } = state;
    let (health, report) = health::service(reader.clone());
    let mut tasks = JoinSet::new();
    tasks.spawn(report);
    let scaler = Scaler::new(reader, ActivityStreams::new(stopping), Arc::clone(&telemetry));
    let scaler = ExternalScalerServer::new(scaler).max_decoding_message_size(MAX_MESSAGE);
    let guarded = Routes::new(scaler).add_service(reflection().build_v1()?).add_service(reflection().build_v1alpha()?);
    let guarded = layers::limit(guarded.into_axum_router(), Budget::grpc());
    let guarded = layers::require_access(guarded, &access, telemetry.problems());
    // Health is answered however many other requests are in flight, and needs no certificate.
    let health = Router::new().route_service("/grpc.health.v1.Health/{method}", health);
    Ok((layers::catch_panics(guarded.merge(health)).layer(from_fn(as_status)), tasks))
}

fn reflection() -> Reflection<'static> {
    let sets = [DESCRIPTORS, tonic_health::pb::FILE_DESCRIPTOR_SET];
    sets.into_iter().fold(Reflection::configure(), Reflection::register_encoded_file_descriptor_set)
}

/// What the layers answer by themselves is HTTP; a gRPC client gets the status that it means.
async fn as_status(request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    let kind = response.headers().get(header::CONTENT_TYPE).map(|kind| kind.as_bytes());
    if kind.is_some_and(|kind| kind.starts_with(b"application/grpc")) {
        return response;
    }
    let (code, message) = meaning(response.status());
    Status::new(code, message).into_http()
}

const fn meaning(status: StatusCode) -> (Code, &'static str) {
    match status {
        StatusCode::FORBIDDEN => (
            Code::Unauthenticated,
            "the client needs a certificate of an authority in METRICS_TLS_CLIENT_CA_FILE of kdcube-metrics",
        ),
        StatusCode::SERVICE_UNAVAILABLE => (Code::Unavailable, "too many requests, or the request's message is late"),
        StatusCode::PAYLOAD_TOO_LARGE => (Code::ResourceExhausted, "the request's message is too long"),
        StatusCode::UNSUPPORTED_MEDIA_TYPE | StatusCode::METHOD_NOT_ALLOWED => {
            (Code::InvalidArgument, "this is no gRPC request")
        }
        StatusCode::NOT_FOUND => (Code::Unimplemented, "there is no such method"),
        _ => (Code::Internal, "a defect, please report it; see the log of kdcube-metrics"),
    }
}
