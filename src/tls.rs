//! One TLS stack for the whole program: rustls on ring.

mod certificate;
pub mod client;
pub(crate) mod pem;
pub mod server;

use std::sync::Arc;

use rustls::crypto::CryptoProvider;

/// Makes ring the process-wide provider, which libraries take when they are given none. Needed before
/// the first connection; a second call finds it done.
pub(crate) fn use_ring() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// The certificate authorities that the system trusts. None is no error: then no certificate will do,
/// and connecting says so.
pub(crate) fn system_authorities() -> rustls::RootCertStore {
    let mut roots = rustls::RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots
}

/// The same for those who take one.
fn ring() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}
