//! A certificate's name and validity period, for people.

use x509_cert::Certificate;
use x509_cert::der::Decode;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

use crate::base::clock::UnixSeconds;

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
