//! How much of a server's certificate is verified: all of it, or less, as libpq's and redis-py's options want it. Signatures of
//! the handshake are always verified: the peer has the key of the certificate that it shows.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WantsClientCert, WebPkiServerVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, ConfigBuilder, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};

/// What is verified of a server.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Verification {
    Nothing,
    /// Its certificate.
    Certificate,
    /// Its certificate and the name in it.
    #[default]
    CertificateAndName,
}

/// A client's configuration that verifies servers this way, with these authorities.
pub(crate) fn client(verification: Verification, roots: RootCertStore) -> ConfigBuilder<ClientConfig, WantsClientCert> {
    super::use_ring();
    let builder = ClientConfig::builder();
    let roots = Arc::new(roots);
    let nameless = match verification {
        Verification::CertificateAndName => None,
        Verification::Nothing => Some(NamelessVerifier { provider: super::ring(), certificate: None }),
        // Without authorities no certificate can be verified: then rustls' own verifier rejects every server, as it should.
        Verification::Certificate => {
            let certificate = WebPkiServerVerifier::builder_with_provider(Arc::clone(&roots), super::ring()).build();
            certificate.ok().map(|verifier| NamelessVerifier { provider: super::ring(), certificate: Some(verifier) })
        }
    };
    match nameless {
        Some(verifier) => builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier)),
        None => builder.with_root_certificates(roots),
    }
}

/// Verifies the certificate, if at all, and not the name in it.
#[derive(Debug)]
struct NamelessVerifier {
    provider: Arc<CryptoProvider>,
    /// `None` = any certificate will do.
    certificate: Option<Arc<WebPkiServerVerifier>>,
}

impl ServerCertVerifier for NamelessVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Some(certificate) = &self.certificate else { return Ok(ServerCertVerified::assertion()) };
        match certificate.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now) {
            // The name is verified last: everything else is in order.
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
