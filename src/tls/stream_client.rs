//! TLS on a connection of our own: how the server is verified, and our certificate, from PEM files to a rustls configuration.
//!
//! The files are read again for every connection. Where they can no longer be used, what they held before stays in use.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

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

/// Makes configurations for connections.
#[derive(Debug, Clone)]
pub struct StreamClient {
    tls: ClientTls,
    /// The last usable contents of the files; shared by the clones.
    usable: Arc<Mutex<Arc<ClientConfig>>>,
}

impl StreamClient {
    /// Reads the files.
    ///
    /// # Errors
    /// Every file's error, one line each.
    pub(crate) fn new(tls: ClientTls) -> Result<Self, Vec<String>> {
        let config = load(&tls).map_err(lines)?;
        Ok(Self { tls, usable: Arc::new(Mutex::new(config)) })
    }

    /// What the files hold now, or held when they were last usable.
    pub(crate) fn config(&self) -> Arc<ClientConfig> {
        let mut usable = self.usable.lock().unwrap_or_else(PoisonError::into_inner);
        match load(&self.tls) {
            Ok(config) => *usable = config,
            Err(errors) => crate::base::file_watch::log_failed_reload("TLS files of Redis", &lines(errors)),
        }
        Arc::clone(&usable)
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
