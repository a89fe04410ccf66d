//! Certificates in PEM, and trust stores of them.

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

/// The certificates in a PEM text, at least one.
///
/// # Errors
/// A short phrase.
pub(crate) fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let certificates = read.map_err(|error| format!("is not PEM: {error}"))?;
    if certificates.is_empty() { Err("holds no certificate".to_owned()) } else { Ok(certificates) }
}

/// A trust store of these certificates only.
///
/// # Errors
/// A short phrase that gives the position of the one that cannot be used.
pub(crate) fn roots(certificates: Vec<CertificateDer<'static>>) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for (place, certificate) in (1..).zip(certificates) {
        roots.add(certificate).map_err(|error| format!("certificate {place} cannot be used: {error}"))?;
    }
    Ok(roots)
}
