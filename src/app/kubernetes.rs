//! The external metrics for Kubernetes beside the HTTP server.

use std::sync::Arc;

use anyhow::Context;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::engine::snapshot::SnapshotReader;
use crate::outlets::http::access::AccessControl;
use crate::outlets::http::server::{self, Protocol, ServerState};
use crate::outlets::kubernetes::cluster::Cluster;
use crate::outlets::kubernetes::config::KubernetesConfig;
use crate::outlets::kubernetes::front_proxy::{self, FrontProxy};
use crate::outlets::kubernetes::{KubernetesState, router};
use crate::outlets::names::Mapping;
use crate::telemetry::Telemetry;

/// Its bound port, and who may ask.
pub(super) struct KubernetesListener {
    listener: TcpListener,
    config: KubernetesConfig,
}

impl KubernetesListener {
    /// # Errors
    /// The address cannot be bound.
    pub(super) fn bind(config: &KubernetesConfig) -> anyhow::Result<Self> {
        let cannot = || format!("cannot listen on {}: choose another METRICS_EXTERNAL_METRICS_PORT", config.address);
        let listener = server::listen(config.address).with_context(cannot)?;
        Ok(Self { listener, config: config.clone() })
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
        let cluster = self.config.client()?.map(Arc::new);
        let access = AccessControl::start(&self.config.access, telemetry)?;
        let (access, following) = restricted(&self.config, access, cluster.clone(), telemetry);
        let access = Arc::new(access);
        let authorizer = cluster.filter(|_| self.config.authorizes);
        let telemetry = Arc::clone(telemetry);
        let state =
            KubernetesState { reader, mapping, telemetry: Arc::clone(&telemetry), access: access.rule(), authorizer };
        let server = ServerState::new(Protocol::Http1, router(state), access, telemetry);
        let served = server::serve(self.listener, server, super::stopped(stopping), super::DRAIN);
        Ok(async move {
            let _following = following;
            served.await;
        })
    }
}

/// For the front proxy alone: by the settings, and where they leave it open by what the cluster publishes, which is followed
/// until the set is dropped.
fn restricted(
    config: &KubernetesConfig,
    access: AccessControl,
    cluster: Option<Arc<Cluster>>,
    telemetry: &Telemetry,
) -> (AccessControl, JoinSet<()>) {
    let mut following = JoinSet::new();
    let (names, allowed) = watch::channel(config.names.clone().unwrap_or_default().into());
    let Some(cluster) = cluster.filter(|_| config.trusts_the_cluster()) else {
        return (access.for_clients(allowed, None), following);
    };
    let (publisher, mut published) = watch::channel(None);
    let (authorities, trusted) = watch::channel(None);
    following.spawn(front_proxy::follow(cluster, publisher, Arc::clone(telemetry.problems())));
    let given = config.names.clone();
    following.spawn(async move {
        while published.changed().await.is_ok() {
            let Some(FrontProxy { authorities: pem, names: known }) = published.borrow_and_update().clone() else {
                continue;
            };
            // Names first: nobody may pass by the new authorities and the old names.
            names.send_replace(given.clone().unwrap_or(known).into());
            authorities.send_replace(Some(pem.into_bytes()));
            tracing::info!("the cluster's front proxy is known: it may ask from the next connection on");
        }
    });
    (access.for_clients(allowed, Some(trusted)), following)
}
