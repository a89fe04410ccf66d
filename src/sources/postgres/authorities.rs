//! The CA file that verifies PostgreSQL's certificate, and its connector.

use std::path::Path;

use rustls::RootCertStore;
use tokio::sync::watch;
use tokio_postgres_rustls::MakeRustlsConnect;

use super::config::{Authorities, PostgresTls, Verification};
use crate::base::files;
use crate::tls::{pem, verifier as tls};

/// Reads a CA file.
///
/// # Errors
/// What is wrong with it, as a short phrase.
pub(crate) fn load(file: &Path) -> Result<RootCertStore, String> {
    files::read(file).and_then(|pem| pem::certificates(&pem)).and_then(pem::roots)
}

/// Replaces the connector of a [`super::Postgres`]: its next connection is verified with the new authorities.
pub(crate) struct AuthoritiesSender {
    connector: watch::Sender<MakeRustlsConnect>,
    verification: tls::Verification,
}

impl AuthoritiesSender {
    pub(super) fn new(tls: &PostgresTls) -> (Self, watch::Receiver<MakeRustlsConnect>) {
        let (verification, roots) = match &tls.verification {
            Verification::Nothing => (tls::Verification::Nothing, RootCertStore::empty()),
            Verification::Certificate(authorities) => (tls::Verification::Certificate, roots(authorities)),
            Verification::CertificateAndName(authorities) => {
                (tls::Verification::CertificateAndName, roots(authorities))
            }
        };
        let (sender, receiver) = watch::channel(connector(verification, roots));
        (Self { connector: sender, verification }, receiver)
    }

    pub(crate) fn replace(&self, roots: RootCertStore) {
        self.connector.send_replace(connector(self.verification, roots));
    }
}

fn roots(authorities: &Authorities) -> RootCertStore {
    match authorities {
        Authorities::Own { roots, .. } => RootCertStore::clone(roots),
        Authorities::System => crate::tls::system_authorities(),
    }
}

fn connector(verification: tls::Verification, roots: RootCertStore) -> MakeRustlsConnect {
    MakeRustlsConnect::new(tls::client(verification, roots).with_no_client_auth())
}
