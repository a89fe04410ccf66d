//! The authorities of upstreams and our client certificate: from PEM files to a reqwest client.
//!
//! Reloading is in `sources::proxy`.

use std::path::{Path, PathBuf};

use reqwest::{Certificate, ClientBuilder, Identity};

use super::file_error::{FileSetting, TlsFileError};
use crate::base::{error_chain, files};

const PEM_FILE: &str = "the path of a PEM file";
const AUTHORITIES: FileSetting = FileSetting { variable: "METRICS_PROXY_CA_FILE", accepted: PEM_FILE };
const CERTIFICATE: FileSetting = FileSetting { variable: "METRICS_PROXY_CLIENT_CERT_FILE", accepted: PEM_FILE };
const KEY: FileSetting = FileSetting { variable: "METRICS_PROXY_CLIENT_KEY_FILE", accepted: PEM_FILE };

/// The paths of PEM files, which are reloaded when they change.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UpstreamTls {
    /// The authorities of upstreams' certificates, instead of the system's.
    pub authorities: Option<PathBuf>,
    /// Our certificate and its key.
    pub identity: Option<(PathBuf, PathBuf)>,
}

impl UpstreamTls {
    /// Every file.
    #[must_use]
    pub fn paths(&self) -> Vec<PathBuf> {
        let identity = self.identity.iter().flat_map(|(certificate, key)| [certificate, key]);
        self.authorities.iter().chain(identity).cloned().collect()
    }
}

/// Reads and validates the files, and builds a client with them.
///
/// # Errors
/// Every file's error.
pub fn build(tls: &UpstreamTls, mut builder: ClientBuilder) -> Result<reqwest::Client, Vec<TlsFileError>> {
    super::use_ring();
    let mut errors = Vec::new();
    match tls.authorities.as_deref().map(authorities).transpose() {
        Ok(Some(authorities)) => builder = builder.tls_certs_only(authorities),
        Ok(None) => {}
        Err(error) => errors.push(error),
    }
    match tls.identity.as_ref().map(|(certificate, key)| identity(certificate, key)).transpose() {
        Ok(Some(identity)) => builder = builder.identity(identity),
        Ok(None) => {}
        Err(found) => errors.extend(found),
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    builder.build().map_err(|error| vec![rejected(tls, &error)])
}

fn authorities(path: &Path) -> Result<Vec<Certificate>, TlsFileError> {
    let pem = read(AUTHORITIES, path)?;
    match Certificate::from_pem_bundle(&pem) {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        _ => {
            Err(FileSetting { accepted: "a PEM file", ..AUTHORITIES }.invalid(path, "holds no certificate".to_owned()))
        }
    }
}

fn identity(certificate: &Path, key: &Path) -> Result<Identity, Vec<TlsFileError>> {
    let mut pem = match (read(CERTIFICATE, certificate), read(KEY, key)) {
        (Ok(certificate), Ok(key)) => [certificate, key].join(&b'\n'),
        (certificate, key) => return Err([certificate.err(), key.err()].into_iter().flatten().collect()),
    };
    pem.push(b'\n');
    Identity::from_pem(&pem)
        .map_err(|_| vec![pair(certificate, key, "hold no certificate with its key".to_owned(), "PEM files")])
}

fn read(setting: FileSetting, path: &Path) -> Result<Vec<u8>, TlsFileError> {
    files::read(path).map_err(|problem| setting.invalid(path, problem))
}

fn pair(certificate: &Path, key: &Path, problem: String, accepted: &'static str) -> TlsFileError {
    let files = [(CERTIFICATE.variable, certificate.to_owned()), (KEY.variable, key.to_owned())];
    TlsFileError::Pair { files, problem, accepted }
}

/// Files that are valid by themselves and cannot be used together, such as another certificate's key.
fn rejected(tls: &UpstreamTls, error: &reqwest::Error) -> TlsFileError {
    let cause = error_chain::innermost(error).to_string();
    match (&tls.identity, &tls.authorities) {
        (Some((certificate, key)), _) => pair(certificate, key, cause, "a certificate and its own key"),
        (None, Some(path)) => {
            FileSetting { accepted: "authorities' certificates in PEM", ..AUTHORITIES }.invalid(path, cause)
        }
        (None, None) => TlsFileError::Client(cause),
    }
}
