//! The server's TLS identity and the clients it trusts: from PEM files to a rustls configuration.
//!
//! Reloading is in `outlets::http::access`, handshakes are in `outlets::http::tls_accept`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::{Error as PemError, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier, danger::ClientCertVerifier};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{Error, InconsistentKeys, ServerConfig};

pub use super::certificate::Validity;
pub(crate) use super::certificate::common_name;
use super::file_error::{FileSetting, TlsFileError};
use super::{pem, ring};
use crate::base::files;

const CERTIFICATE: FileSetting = FileSetting { variable: "METRICS_TLS_CERT_FILE", accepted: "certificates in PEM" };
const KEY: FileSetting = FileSetting {
    variable: "METRICS_TLS_KEY_FILE",
    accepted: "one private key in PEM, not encrypted (PKCS#8, PKCS#1 or SEC1)",
};

/// The paths of the server's PEM files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The server's certificate, then the intermediates between it and its authority.
    pub certificate: PathBuf,
    pub key: PathBuf,
    /// Authorities of client certificates, which every route but health then needs; `None` = none is requested.
    pub client_ca: Option<PathBuf>,
    /// The setting that names it.
    pub client_ca_variable: &'static str,
}

impl TlsFiles {
    #[must_use]
    pub fn paths(&self) -> Vec<PathBuf> {
        [&self.certificate, &self.key].into_iter().chain(&self.client_ca).cloned().collect()
    }
}

/// What the files hold, ready for handshakes.
#[derive(Debug, Clone)]
pub struct Identity {
    pub config: Arc<ServerConfig>,
    /// `None` where its dates cannot be parsed; it is used all the same.
    pub certificate: Option<Validity>,
}

/// Reads and validates the files.
///
/// # Errors
/// Every file's error.
pub fn load(files: &TlsFiles) -> Result<Identity, Vec<TlsFileError>> {
    let mut errors = Vec::new();
    let mut record = |error: TlsFileError| errors.push(error);
    let chain = chain(CERTIFICATE, &files.certificate).map_err(&mut record).ok();
    let key = key(&files.key).map_err(&mut record).ok();
    let clients = files.client_ca.as_deref().map(|path| verifier(files, path)).transpose().map_err(&mut record).ok();
    let (Some(chain), Some(key), Some(clients)) = (chain, key, clients) else { return Err(errors) };
    identity(files, chain, key, clients).map_err(|error| vec![error])
}

/// The certificates of a PEM file, at least one.
fn chain(setting: FileSetting, path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsFileError> {
    let pem = files::read(path).and_then(|text| pem::certificates(&text));
    pem.map_err(|problem| setting.invalid(path, problem))
}

fn key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsFileError> {
    let pem = files::read(path).map_err(|problem| KEY.invalid(path, problem))?;
    PrivateKeyDer::from_pem_slice(&pem).map_err(|error| match error {
        PemError::NoItemsFound => KEY.invalid(path, "holds no private key".to_owned()),
        error => KEY.invalid(path, format!("is not PEM: {error}")),
    })
}

/// Verifies the certificate that a client presents. Whether one is needed depends on the route, so a client may present
/// none.
fn verifier(files: &TlsFiles, path: &Path) -> Result<Arc<dyn ClientCertVerifier>, TlsFileError> {
    let authorities = FileSetting { variable: files.client_ca_variable, accepted: "authorities' certificates in PEM" };
    let verifier = files::read(path).and_then(|pem| client_verifier(&pem));
    verifier.map_err(|problem| authorities.invalid(path, problem))
}

/// The same from the authorities' certificates in PEM.
///
/// # Errors
/// A short phrase.
pub(crate) fn client_verifier(pem: &[u8]) -> Result<Arc<dyn ClientCertVerifier>, String> {
    let roots = pem::roots(pem::certificates(pem)?)?;
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), ring()).allow_unauthenticated();
    builder.build().map_err(|error| error.to_string())
}

/// A configuration with the certificate of another one that verifies clients by these authorities.
///
/// # Errors
/// A short phrase.
pub(crate) fn trusting(config: &ServerConfig, authorities: &[u8]) -> Result<Arc<ServerConfig>, String> {
    let versions = ServerConfig::builder_with_provider(ring()).with_safe_default_protocol_versions();
    let builder = versions.map_err(|error| error.to_string())?.with_client_cert_verifier(client_verifier(authorities)?);
    Ok(Arc::new(hardened(builder.with_cert_resolver(Arc::clone(&config.cert_resolver)))))
}

fn identity(
    files: &TlsFiles,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    clients: Option<Arc<dyn ClientCertVerifier>>,
) -> Result<Identity, TlsFileError> {
    let certificate = chain.first().and_then(|first| Validity::of(first));
    let pair = pair(files, chain, key)?;
    let versions = ServerConfig::builder_with_provider(ring()).with_safe_default_protocol_versions();
    let builder = versions.map_err(|error| CERTIFICATE.rejected(&files.certificate, error))?;
    let clients = clients.unwrap_or_else(WebPkiClientVerifier::no_client_auth);
    let config = builder.with_client_cert_verifier(clients).with_cert_resolver(Arc::new(SingleCertAndKey::from(pair)));
    Ok(Identity { config: Arc::new(hardened(config)), certificate })
}

fn pair(
    files: &TlsFiles,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<CertifiedKey, TlsFileError> {
    let key = ring().key_provider.load_private_key(key).map_err(|error| KEY.rejected(&files.key, cause(error)))?;
    let pair = CertifiedKey::new(chain, key);
    match pair.keys_match() {
        // A key that does not reveal its public half cannot be compared.
        Ok(()) | Err(Error::InconsistentKeys(InconsistentKeys::Unknown)) => Ok(pair),
        Err(Error::InconsistentKeys(_)) => Err(TlsFileError::OtherKey {
            key_variable: KEY.variable,
            key: files.key.clone(),
            certificate_variable: CERTIFICATE.variable,
            certificate: files.certificate.clone(),
        }),
        Err(error) => Err(CERTIFICATE.rejected(&files.certificate, cause(error))),
    }
}

/// rustls words an invalid certificate as the peer's.
fn cause(error: Error) -> String {
    match error {
        Error::InvalidCertificate(cause) => format!("{cause:?}"),
        error => error.to_string(),
    }
}

/// HTTP/1.1 only, and no session resumption: every handshake verifies, so that an authority that is removed from the
/// files is no longer trusted from the next connection on. Scrapers connect seldom; it costs them nothing.
fn hardened(mut config: ServerConfig) -> ServerConfig {
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config
}
