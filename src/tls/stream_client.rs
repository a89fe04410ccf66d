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
    /// Shared by the clones.
    loaded: Arc<Mutex<Loaded>>,
}

/// The last usable contents of the files, and why newer ones cannot be used.
#[derive(Debug)]
struct Loaded {
    config: Arc<ClientConfig>,
    failure: Option<String>,
}

impl StreamClient {
    /// Reads the files.
    ///
    /// # Errors
    /// Every file's error, one line each.
    pub(crate) fn new(tls: ClientTls) -> Result<Self, Vec<String>> {
        let config = load(&tls).map_err(lines)?;
        Ok(Self { tls, loaded: Arc::new(Mutex::new(Loaded { config, failure: None })) })
    }

    /// What the files hold now, or held when they were last usable.
    pub(crate) fn config(&self) -> Arc<ClientConfig> {
        let found = load(&self.tls);
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        match found {
            Ok(config) => *loaded = Loaded { config, failure: None },
            Err(errors) => loaded.failure = Some(lines(errors).join("; ")),
        }
        Arc::clone(&loaded.config)
    }

    /// Why the files could not be used for the last connection, if they could not.
    pub(crate) fn failure(&self) -> Option<String> {
        self.loaded.lock().unwrap_or_else(PoisonError::into_inner).failure.clone()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_can_no_longer_be_used_keep_their_last_contents_in_use() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.pem");
        let system = rustls_native_certs::load_native_certs().certs;
        let certificate = system.first().expect("the machine has CA certificates");
        let write = |der: &[u8]| {
            use base64::Engine;
            let text = base64::engine::general_purpose::STANDARD.encode(der);
            std::fs::write(&path, format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n")).unwrap();
        };
        write(certificate);
        let file = NamedFile { path: path.clone(), named_by: "CA_FILE" };
        let client = StreamClient::new(ClientTls { authorities: Some(file), ..ClientTls::default() }).unwrap();
        let first = client.config();
        std::fs::write(&path, "nonsense").unwrap();
        assert!(Arc::ptr_eq(&client.config(), &client.clone().config()) && client.failure().is_some());
        assert!(client.failure().unwrap().starts_with("CA_FILE "), "{:?}", client.failure());
        write(certificate);
        assert!(!Arc::ptr_eq(&client.config(), &first) && client.failure().is_none());
    }
}
