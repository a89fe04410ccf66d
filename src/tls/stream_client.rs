//! TLS on a connection of our own: how the server is verified, and our certificate, from PEM files to a rustls configuration.
//!
//! Its owner watches the files and hands over what they hold after a change.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tokio::sync::watch;

use super::file_error::{FileSetting, TlsFileError, lines};
use super::pem;
use super::verifier::{self, Verification};
use crate::base::files;

/// A file, and the setting or option that names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedFile {
    pub path: PathBuf,
    pub named_by: &'static str,
}

/// How a server is verified and what it is shown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClientTls {
    pub verification: Verification,
    /// `None` = the system's authorities.
    pub authorities: Option<NamedFile>,
    /// Our certificate and its key, which may be one file.
    pub identity: Option<(NamedFile, NamedFile)>,
}

/// The configuration of the next connection.
#[derive(Debug, Clone)]
pub struct StreamClient {
    tls: ClientTls,
    /// What the files held when they were last usable; shared by the clones.
    config: watch::Sender<Arc<ClientConfig>>,
}

impl StreamClient {
    /// Reads the files.
    ///
    /// # Errors
    /// Every file's error, one line each.
    pub(crate) fn new(tls: ClientTls) -> Result<Self, Vec<String>> {
        let config = watch::Sender::new(load(&tls).map_err(lines)?);
        Ok(Self { tls, config })
    }

    /// The files that [`Self::load`] reads.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &Path> {
        let identity = self.tls.identity.iter().flat_map(|(certificate, key)| [certificate, key]);
        self.tls.authorities.iter().chain(identity).map(|file| file.path.as_path())
    }

    /// What the files hold now.
    ///
    /// # Errors
    /// Every file's error, one line each.
    pub(crate) fn load(&self) -> Result<Arc<ClientConfig>, Vec<String>> {
        load(&self.tls).map_err(lines)
    }

    /// From the next connection on, this one is used.
    pub(crate) fn replace(&self, config: Arc<ClientConfig>) {
        self.config.send_replace(config);
    }

    pub(crate) fn config(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.config.borrow())
    }
}

fn load(tls: &ClientTls) -> Result<Arc<ClientConfig>, Vec<TlsFileError>> {
    let roots = match &tls.authorities {
        None if tls.verification == Verification::Nothing => RootCertStore::empty(),
        None => super::system_authorities(),
        Some(file) => authorities(file).map_err(|error| vec![error])?,
    };
    let builder = verifier::client(tls.verification, roots);
    let Some((certificate, key)) = &tls.identity else { return Ok(Arc::new(builder.with_no_client_auth())) };
    let (chain, private) = match (chain(certificate), private_key(key)) {
        (Ok(chain), Ok(key)) => (chain, key),
        (chain, key) => return Err([chain.err(), key.err()].into_iter().flatten().collect()),
    };
    let config = builder.with_client_auth_cert(chain, private).map_err(|error| {
        let files = [(certificate.named_by, certificate.path.clone()), (key.named_by, key.path.clone())];
        vec![TlsFileError::Pair { files, problem: error.to_string(), accepted: "a certificate and its own key" }]
    })?;
    Ok(Arc::new(config))
}

fn authorities(file: &NamedFile) -> Result<RootCertStore, TlsFileError> {
    let setting = FileSetting { variable: file.named_by, accepted: "authorities' certificates in PEM" };
    let roots = files::read(&file.path).and_then(|text| pem::certificates(&text)).and_then(pem::roots);
    roots.map_err(|problem| setting.invalid(&file.path, problem))
}

fn chain(file: &NamedFile) -> Result<Vec<rustls::pki_types::CertificateDer<'static>>, TlsFileError> {
    let setting = FileSetting { variable: file.named_by, accepted: "certificates in PEM" };
    let chain = files::read(&file.path).and_then(|text| pem::certificates(&text));
    chain.map_err(|problem| setting.invalid(&file.path, problem))
}

fn private_key(file: &NamedFile) -> Result<PrivateKeyDer<'static>, TlsFileError> {
    let setting = FileSetting { variable: file.named_by, accepted: "one private key in PEM, not encrypted" };
    let invalid = |path: &Path, problem: &str| setting.invalid(path, problem.to_owned());
    let text = files::read(&file.path).map_err(|problem| invalid(&file.path, &problem))?;
    PrivateKeyDer::from_pem_slice(&text).map_err(|_| invalid(&file.path, "holds no private key that can be used"))
}
