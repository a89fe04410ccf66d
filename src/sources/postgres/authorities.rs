//! The CA file that verifies PostgreSQL's certificate, and its connector.

use std::path::Path;
use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};
use tokio::sync::watch;
use tokio_postgres_rustls::MakeRustlsConnect;

use super::config::Authorities;
use crate::base::files;
use crate::tls::pem;

/// Reads a CA file.
///
/// # Errors
/// What is wrong with it, as a short phrase.
pub(crate) fn load(file: &Path) -> Result<RootCertStore, String> {
    files::read(file).and_then(|pem| pem::certificates(&pem)).and_then(pem::roots)
}

/// Replaces the connector of a [`super::Postgres`]: its next connection is verified with the new authorities.
pub(crate) struct AuthoritiesSender(watch::Sender<MakeRustlsConnect>);

impl AuthoritiesSender {
    pub(super) fn new(authorities: &Authorities) -> (Self, watch::Receiver<MakeRustlsConnect>) {
        crate::tls::use_ring();
        let roots = match authorities {
            Authorities::Own { roots, .. } => RootCertStore::clone(roots),
            Authorities::System => crate::tls::system_authorities(),
        };
        let (sender, connector) = watch::channel(connector(roots));
        (Self(sender), connector)
    }

    pub(crate) fn replace(&self, roots: RootCertStore) {
        self.0.send_replace(connector(roots));
    }
}

fn connector(roots: RootCertStore) -> MakeRustlsConnect {
    MakeRustlsConnect::new(ClientConfig::builder().with_root_certificates(Arc::new(roots)).with_no_client_auth())
}
