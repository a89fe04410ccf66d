//! KEDA's external scaler beside the HTTP server.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context;
use futures_util::future::BoxFuture;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::engine::snapshot::SnapshotReader;
use crate::outlets::http::access::AccessControl;
use crate::outlets::http::server;
use crate::outlets::keda::config::KedaConfig;
use crate::telemetry::Telemetry;

/// Its bound port.
pub(super) struct KedaListener(TcpListener);

impl KedaListener {
    /// # Errors
    /// The address cannot be bound.
    pub(super) fn bind(config: &KedaConfig) -> anyhow::Result<Self> {
        let cannot = || format!("cannot listen on {}: choose another METRICS_KEDA_PORT", config.address);
        server::listen(config.address).with_context(cannot).map(Self)
    }

    pub(super) fn address(&self) -> std::io::Result<SocketAddr> {
        self.0.local_addr()
    }

    /// Serves until it becomes true, then drains.
    ///
    /// # Errors
    /// The services cannot be built: a defect.
    #[cfg(feature = "keda")]
    pub(super) fn serve(
        self,
        reader: SnapshotReader,
        access: &Arc<AccessControl>,
        telemetry: &Arc<Telemetry>,
        stopping: watch::Receiver<bool>,
    ) -> anyhow::Result<BoxFuture<'static, ()>> {
        use crate::outlets::http::server::{Protocol, ServerState};
        use crate::outlets::keda::{KedaState, router};

        let (access, telemetry) = (Arc::clone(access), Arc::clone(telemetry));
        let rule = access.certificate_rule();
        let state = KedaState { reader, telemetry: Arc::clone(&telemetry), access: rule, stopping: stopping.clone() };
        let (router, tasks) = router(state)?;
        let server = ServerState::new(Protocol::Http2, router, access, telemetry);
        Ok(Box::pin(async move {
            server::serve(self.0, server, super::stopped(stopping), super::DRAIN).await;
            drop(tasks);
        }))
    }

    /// Settings that need the feature stop the start before this.
    #[cfg(not(feature = "keda"))]
    pub(super) fn serve(
        self,
        _: SnapshotReader,
        _: &Arc<AccessControl>,
        _: &Arc<Telemetry>,
        _: watch::Receiver<bool>,
    ) -> anyhow::Result<BoxFuture<'static, ()>> {
        anyhow::bail!("this build is without the cargo feature keda")
    }
}
