//! One TLS stack for the whole program: rustls on ring.

/// Makes ring the process-wide provider, which libraries take when they are given none. Needed before
/// the first connection; a second call finds it done.
pub(crate) fn use_ring() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}
