//! The CA file that verifies PostgreSQL's certificate, and its connector.

use std::path::Path;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::{ClientConfig, RootCertStore};
use tokio::sync::watch;
use tokio_postgres_rustls::MakeRustlsConnect;

use super::config::{Authorities, PostgresTls, Verification};
use super::verifier::NamelessVerifier;
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
pub(crate) struct AuthoritiesSender {
    connector: watch::Sender<MakeRustlsConnect>,
    verifies_name: bool,
}

impl AuthoritiesSender {
    pub(super) fn new(tls: &PostgresTls) -> (Self, watch::Receiver<MakeRustlsConnect>) {
        crate::tls::use_ring();
        let connector = match &tls.verification {
            Verification::Nothing => unverified(),
            Verification::Certificate(authorities) => nameless(roots(authorities)),
            Verification::CertificateAndName(authorities) => verified(roots(authorities)),
        };
        let verifies_name = matches!(tls.verification, Verification::CertificateAndName(_));
        let (sender, connector) = watch::channel(connector);
        (Self { connector: sender, verifies_name }, connector)
    }

    pub(crate) fn replace(&self, roots: RootCertStore) {
        self.connector.send_replace(if self.verifies_name { verified(roots) } else { nameless(roots) });
    }
}

fn roots(authorities: &Authorities) -> RootCertStore {
    match authorities {
        Authorities::Own { roots, .. } => RootCertStore::clone(roots),
        Authorities::System => crate::tls::system_authorities(),
    }
}

fn verified(roots: RootCertStore) -> MakeRustlsConnect {
    MakeRustlsConnect::new(ClientConfig::builder().with_root_certificates(Arc::new(roots)).with_no_client_auth())
}

/// Without authorities no certificate can be verified: then rustls' own verifier rejects every server, as it should.
fn nameless(roots: RootCertStore) -> MakeRustlsConnect {
    let roots = Arc::new(roots);
    match WebPkiServerVerifier::builder_with_provider(Arc::clone(&roots), crate::tls::ring()).build() {
        Ok(certificate) => with_verifier(NamelessVerifier::new(crate::tls::ring(), Some(certificate))),
        Err(_) => verified(RootCertStore::clone(&roots)),
    }
}

fn unverified() -> MakeRustlsConnect {
    with_verifier(NamelessVerifier::new(crate::tls::ring(), None))
}

fn with_verifier(verifier: NamelessVerifier) -> MakeRustlsConnect {
    let builder = ClientConfig::builder().dangerous().with_custom_certificate_verifier(Arc::new(verifier));
    MakeRustlsConnect::new(builder.with_no_client_auth())
}
