//! What the server shows of itself and whom it trusts: from PEM files to a rustls configuration.
//!
//! Owns the judgement of the files. When they are read again is `api::follow`'s matter, handshakes are
//! `api::handshake`'s.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::{Error as PemError, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier, danger::ClientCertVerifier};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{Error, InconsistentKeys, ServerConfig};

pub use super::certificate::Validity;
use super::{pem, ring};
use crate::base::files;

const CERTIFICATE: &str = "METRICS_TLS_CERT_FILE";
const KEY: &str = "METRICS_TLS_KEY_FILE";
const CLIENT_CA: &str = "METRICS_TLS_CLIENT_CA_FILE";

/// Where the server's identity stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The server's certificate, then those between it and its authority.
    pub certificate: PathBuf,
    pub key: PathBuf,
    /// Whose clients may do more than ask for health; `None` = no certificate is asked for.
    pub client_ca: Option<PathBuf>,
}

impl TlsFiles {
    /// All of them.
    #[must_use]
    pub fn paths(&self) -> Vec<PathBuf> {
        [&self.certificate, &self.key].into_iter().chain(&self.client_ca).cloned().collect()
    }
}

/// What the files hold together, ready for handshakes.
#[derive(Debug, Clone)]
pub struct Identity {
    pub config: Arc<ServerConfig>,
    /// `None` where its dates cannot be read, which keeps nobody from using it.
    pub certificate: Option<Validity>,
}

/// Reads and judges the files.
///
/// # Errors
/// Everything that is wrong with them, each naming its variable and file.
pub fn load(files: &TlsFiles) -> Result<Identity, Vec<String>> {
    let mut problems = Vec::new();
    let mut noted = |problem: String| problems.push(problem);
    let chain = chain(CERTIFICATE, &files.certificate).map_err(&mut noted).ok();
    let key = key(&files.key).map_err(&mut noted).ok();
    let clients = files.client_ca.as_deref().map(verifier).transpose().map_err(&mut noted).ok();
    let (Some(chain), Some(key), Some(clients)) = (chain, key, clients) else { return Err(problems) };
    pair(files, chain, key, clients).map_err(|problem| vec![problem])
}

/// The certificates of a PEM file, at least one.
fn chain(variable: &str, path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let told = |what: String| format!("{variable} {path:?}: {what}; accepted: certificates in PEM");
    let pem = files::read(path).map_err(&told)?;
    pem::certificates(&pem).map_err(told)
}

fn key(path: &Path) -> Result<PrivateKeyDer<'static>, String> {
    let accepted = "accepted: one private key in PEM, not encrypted (PKCS#8, PKCS#1 or SEC1)";
    let told = |what: String| format!("{KEY} {path:?}: {what}; {accepted}");
    let pem = files::read(path).map_err(&told)?;
    PrivateKeyDer::from_pem_slice(&pem).map_err(|error| match error {
        PemError::NoItemsFound => told("holds no private key".to_owned()),
        error => told(format!("is not PEM: {error}")),
    })
}

/// Checks a certificate that a client shows; whether one is needed depends on the route, so a client
/// may show none.
fn verifier(path: &Path) -> Result<Arc<dyn ClientCertVerifier>, String> {
    let told = |what: String| format!("{CLIENT_CA} {path:?}: {what}; accepted: authorities' certificates in PEM");
    let roots = pem::roots(chain(CLIENT_CA, path)?).map_err(told)?;
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), ring()).allow_unauthenticated();
    builder.build().map_err(|error| told(error.to_string()))
}

fn pair(
    files: &TlsFiles,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    clients: Option<Arc<dyn ClientCertVerifier>>,
) -> Result<Identity, String> {
    let unusable = |variable: &str, path: &Path, error: Error| {
        let why = match error {
            // The words would be about a peer's.
            Error::InvalidCertificate(why) => format!("{why:?}"),
            error => error.to_string(),
        };
        format!("{variable} {path:?}: what it holds cannot be used: {why}")
    };
    let provider = ring();
    let key = provider.key_provider.load_private_key(key).map_err(|error| unusable(KEY, &files.key, error))?;
    let certificate = chain.first().and_then(|first| Validity::of(first));
    let shown = CertifiedKey::new(chain, key);
    match shown.keys_match() {
        // A key that does not tell its public half cannot be compared.
        Ok(()) | Err(Error::InconsistentKeys(InconsistentKeys::Unknown)) => {}
        Err(Error::InconsistentKeys(_)) => {
            return Err(format!(
                "{KEY} {:?}: is not the key of the first certificate in {CERTIFICATE} {:?}",
                files.key, files.certificate
            ));
        }
        Err(error) => return Err(unusable(CERTIFICATE, &files.certificate, error)),
    }
    let versions = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = versions.map_err(|error| unusable(CERTIFICATE, &files.certificate, error))?;
    let clients = clients.unwrap_or_else(WebPkiClientVerifier::no_client_auth);
    let config = builder.with_client_cert_verifier(clients).with_cert_resolver(Arc::new(SingleCertAndKey::from(shown)));
    Ok(Identity { config: Arc::new(hardened(config)), certificate })
}

/// HTTP/1.1 only, and nothing is resumed: every handshake verifies anew, so that what was taken out of
/// the files is out with the next connection. Scrapers connect seldom; it costs them nothing.
fn hardened(mut config: ServerConfig) -> ServerConfig {
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config
}
