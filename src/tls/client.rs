//! The authorities of other services and our client certificate: from PEM files to a reqwest client.
//!
//! Reloading is in `sources::proxy`.

use std::path::{Path, PathBuf};

use reqwest::{Certificate, ClientBuilder, Identity};
use rustls::RootCertStore;

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
pub fn build(tls: &UpstreamTls, builder: ClientBuilder) -> Result<reqwest::Client, Vec<TlsFileError>> {
    super::use_ring();
    let ca = tls.authorities.as_deref().map(|path| (AUTHORITIES, path));
    let identity = tls.identity.as_ref().map(|(certificate, key)| identity(certificate, key)).transpose();
    let (builder, identity) = match (trusting(ca, builder), identity) {
        (Ok(builder), Ok(identity)) => (builder, identity),
        (builder, identity) => {
            return Err(builder.err().into_iter().chain(identity.err().into_iter().flatten()).collect());
        }
    };
    let builder = match identity {
        Some(identity) => builder.identity(identity),
        None => builder,
    };
    builder.build().map_err(|error| vec![rejected(tls, &error)])
}

/// Builds a client that trusts the authorities in the file that the setting `variable` names, or else the system's.
///
/// # Errors
/// The file cannot be read or holds no certificates.
pub(crate) fn build_trusting(
    variable: &'static str,
    ca: Option<&Path>,
    builder: ClientBuilder,
) -> Result<reqwest::Client, TlsFileError> {
    super::use_ring();
    let setting = FileSetting { variable, accepted: PEM_FILE };
    let builder = trusting(ca.map(|path| (setting, path)), builder)?;
    builder.build().map_err(|error| match ca {
        Some(path) => setting.invalid(path, error_chain::innermost(&error).to_string()),
        None => TlsFileError::Client(error_chain::innermost(&error).to_string()),
    })
}

/// Trusts a file's authorities, or the system's. A system without any is no error before something needs one: the library's
/// own choice would not even connect without TLS.
fn trusting(ca: Option<(FileSetting, &Path)>, builder: ClientBuilder) -> Result<ClientBuilder, TlsFileError> {
    Ok(builder.tls_certs_only(match ca {
        Some((setting, path)) => authorities(setting, path)?,
        None => system_certificates(),
    }))
}

/// Those of the system's certificates that can be used.
fn system_certificates() -> Vec<Certificate> {
    let mut scratch = RootCertStore::empty();
    let usable = rustls_native_certs::load_native_certs().certs.into_iter();
    usable
        .filter(|certificate| scratch.add(certificate.clone()).is_ok())
        .filter_map(|certificate| Certificate::from_der(&certificate).ok())
        .collect()
}

fn authorities(setting: FileSetting, path: &Path) -> Result<Vec<Certificate>, TlsFileError> {
    let pem = read(setting, path)?;
    match Certificate::from_pem_bundle(&pem) {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        _ => Err(FileSetting { accepted: "a PEM file", ..setting }.invalid(path, "holds no certificate".to_owned())),
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
