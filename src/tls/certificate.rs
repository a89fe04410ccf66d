//! What a certificate says for people: whose it is, and until when.

use x509_cert::Certificate;
use x509_cert::der::Decode;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

use crate::base::clock::UnixSeconds;

/// Whose a certificate is, and when it holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Validity {
    /// The names that clients know the server by, or the subject where there is none.
    pub name: String,
    pub not_before: UnixSeconds,
    pub not_after: UnixSeconds,
}

impl Validity {
    /// Reads a certificate in DER; `None` if it is none.
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

    /// Days until it ends, as a clock shows them at `now`; negative when it has ended.
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
