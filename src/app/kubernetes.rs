//! The external metrics for Kubernetes beside the HTTP server.

use std::sync::Arc;

use anyhow::Context;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::engine::snapshot::SnapshotReader;
use crate::outlets::http::access::AccessControl;
use crate::outlets::http::config::AccessConfig;
use crate::outlets::http::server::{self, Protocol, ServerState};
use crate::outlets::kubernetes::config::KubernetesConfig;
use crate::outlets::kubernetes::{KubernetesState, router};
use crate::outlets::names::Mapping;
use crate::telemetry::Telemetry;

/// Its bound port, and who may ask.
pub(super) struct KubernetesListener {
    listener: TcpListener,
    access: AccessConfig,
}

impl KubernetesListener {
    /// # Errors
    /// The address cannot be bound.
    pub(super) fn bind(config: &KubernetesConfig) -> anyhow::Result<Self> {
        let cannot = || format!("cannot listen on {}: choose another METRICS_EXTERNAL_METRICS_PORT", config.address);
        let listener = server::listen(config.address).with_context(cannot)?;
        Ok(Self { listener, access: config.access.clone() })
    }

    /// Serves until it becomes true, then drains.
    ///
    /// # Errors
    /// A TLS file has become invalid since the configuration was read.
    pub(super) fn serve(
        self,
        reader: SnapshotReader,
        mapping: Arc<Mapping>,
        telemetry: &Arc<Telemetry>,
        stopping: watch::Receiver<bool>,
    ) -> anyhow::Result<impl Future<Output = ()> + use<>> {
        let access = Arc::new(AccessControl::start(&self.access, telemetry)?);
        let state = KubernetesState { reader, mapping, telemetry: Arc::clone(telemetry), access: access.rule() };
        let server = ServerState::new(Protocol::Http1, router(state), access, Arc::clone(telemetry));
        Ok(server::serve(self.listener, server, super::stopped(stopping), super::DRAIN))
    }
}
