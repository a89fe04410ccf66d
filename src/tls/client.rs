//! Whom we trust as upstreams and what we show them: from PEM files to a client's settings.
//!
//! Owns the judgement of the files. When they are read again is `sources::proxy`'s matter.

use std::path::{Path, PathBuf};

use reqwest::{Certificate, ClientBuilder, Identity};

use crate::base::{error_chain, files};

const AUTHORITIES: &str = "METRICS_PROXY_CA_FILE";
const CERTIFICATE: &str = "METRICS_PROXY_CLIENT_CERT_FILE";
const KEY: &str = "METRICS_PROXY_CLIENT_KEY_FILE";

/// PEM files, read anew when they change.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UpstreamTls {
    /// The authorities that an upstream's certificate must come from, instead of the system's.
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

/// Reads and judges the files: a client that is built with them.
///
/// # Errors
/// Everything that is wrong with them, each naming its variable and file.
pub fn build(tls: &UpstreamTls, mut builder: ClientBuilder) -> Result<reqwest::Client, Vec<String>> {
    super::use_ring();
    let mut problems = Vec::new();
    match tls.authorities.as_deref().map(authorities).transpose() {
        Ok(Some(authorities)) => builder = builder.tls_certs_only(authorities),
        Ok(None) => {}
        Err(problem) => problems.push(problem),
    }
    match tls.identity.as_ref().map(|(certificate, key)| identity(certificate, key)).transpose() {
        Ok(Some(identity)) => builder = builder.identity(identity),
        Ok(None) => {}
        Err(found) => problems.extend(found),
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    builder.build().map_err(|error| vec![unusable(tls, &error)])
}

fn authorities(path: &Path) -> Result<Vec<Certificate>, String> {
    let pem = read(AUTHORITIES, path)?;
    match Certificate::from_pem_bundle(&pem) {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        _ => Err(format!("{AUTHORITIES} {path:?}: holds no certificate; accepted: a PEM file")),
    }
}

fn identity(certificate: &Path, key: &Path) -> Result<Identity, Vec<String>> {
    let mut pem = match (read(CERTIFICATE, certificate), read(KEY, key)) {
        (Ok(certificate), Ok(key)) => [certificate, key].join(&b'\n'),
        (certificate, key) => return Err([certificate.err(), key.err()].into_iter().flatten().collect()),
    };
    pem.push(b'\n');
    Identity::from_pem(&pem).map_err(|_| {
        vec![format!(
            "{CERTIFICATE} {certificate:?} and {KEY} {key:?}: hold no certificate with its key; accepted: PEM files"
        )]
    })
}

fn read(variable: &str, path: &Path) -> Result<Vec<u8>, String> {
    files::read(path).map_err(|problem| format!("{variable} {path:?}: {problem}; accepted: the path of a PEM file"))
}

/// Files that each hold what they should and do not go together, such as another certificate's key.
fn unusable(tls: &UpstreamTls, error: &reqwest::Error) -> String {
    let cause = error_chain::innermost(error);
    match (&tls.identity, &tls.authorities) {
        (Some((certificate, key)), _) => {
            format!("{CERTIFICATE} {certificate:?} and {KEY} {key:?}: {cause}; accepted: a certificate and its own key")
        }
        (None, Some(path)) => format!("{AUTHORITIES} {path:?}: {cause}; accepted: authorities' certificates in PEM"),
        (None, None) => format!("no HTTP client for upstreams: {cause}"),
    }
}
