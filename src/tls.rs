//! One TLS stack for the whole program: rustls on ring.

mod certificate;
pub mod client;
pub mod file_error;
pub(crate) mod pem;
pub mod server;
pub mod stream_client;
pub mod verifier;

use std::sync::Arc;

use rustls::crypto::CryptoProvider;

/// Makes ring the process-wide provider, which libraries use when they are given none. Needed before the
/// first connection; further calls have no effect.
pub(crate) fn use_ring() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// The system's trust store. An empty one is not an error here: connecting fails and reports it.
pub(crate) fn system_authorities() -> rustls::RootCertStore {
    let mut roots = rustls::RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots
}

/// What to do about a failed handshake, for the end of its error; empty if the cause is no unknown authority. `setting` is the one
/// that names a CA file, where there is one.
pub(crate) fn authority_hint(cause: &str, setting: Option<&str>) -> String {
    if !cause.contains("UnknownIssuer") {
        return String::new();
    }
    let instead = setting.map(|setting| format!(", or set {setting}")).unwrap_or_default();
    if system_authorities().is_empty() {
        return format!(
            "; this machine has no CA certificates (looked for in SSL_CERT_FILE, SSL_CERT_DIR and /etc/ssl/certs): install \
             them{instead}"
        );
    }
    format!("; its authority is not among this machine's CA certificates: add it{instead}")
}

pub(crate) fn ring() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

#[cfg(test)]
pub(crate) mod tests;
