//! A certificate's name and validity period, for people.

use x509_cert::Certificate;
use x509_cert::der::Decode;
use x509_cert::der::asn1::ObjectIdentifier;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

use crate::base::clock::UnixSeconds;

const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");

#[derive(Debug, Clone, PartialEq)]
pub struct Validity {
    /// Its DNS names, or the subject where there are none.
    pub name: String,
    pub not_before: UnixSeconds,
    pub not_after: UnixSeconds,
}

impl Validity {
    /// Parses DER; `None` if it is not a certificate.
    pub(super) fn of(der: &[u8]) -> Option<Self> {
        let certificate = Certificate::from_der(der).ok()?;
        let body = &certificate.tbs_certificate;
        let names = dns_names(&certificate);
        Some(Self {
            name: if names.is_empty() { body.subject.to_string() } else { names.join(", ") },
            not_before: body.validity.not_before.to_unix_duration().as_secs_f64(),
            not_after: body.validity.not_after.to_unix_duration().as_secs_f64(),
        })
    }

    /// Whole days from `now` until it expires; negative if it has expired.
    #[must_use]
    pub fn days_left(&self, now: UnixSeconds) -> f64 {
        ((self.not_after - now) / 86_400.0).floor()
    }
}

/// The common name of a certificate's subject; `None` without one. Of several the last counts, as in the API server.
pub(crate) fn common_name(der: &[u8]) -> Option<String> {
    let subject = Certificate::from_der(der).ok()?.tbs_certificate.subject;
    let parts = subject.0.iter().flat_map(|part| part.0.iter());
    let name = parts.rev().find(|part| part.oid == COMMON_NAME)?;
    String::from_utf8(name.value.value().to_vec()).ok()
}

fn dns_names(certificate: &Certificate) -> Vec<String> {
    let Ok(Some((_, SubjectAltName(names)))) = certificate.tbs_certificate.get::<SubjectAltName>() else {
        return Vec::new();
    };
    let dns = |name: &GeneralName| match name {
        GeneralName::DnsName(name) => Some(name.to_string()),
        _ => None,
    };
    names.iter().filter_map(dns).collect()
}
