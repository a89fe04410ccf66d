//! The server's TLS certificate: its end, and the problem of one that ends soon.

use super::{Telemetry, locked};
use crate::base::clock::UnixSeconds;
use crate::problems::ProblemCode;
use crate::problems::code::code;

const CERTIFICATE_ENDING: ProblemCode = code("certificate_ending");

const DAY: f64 = 86_400.0;

/// Days before its end from which a certificate is a problem.
const WARNED_DAYS: f64 = 14.0;

impl Telemetry {
    /// Name and end of the certificate that came into use; `None` if they cannot be read.
    pub fn set_certificate(&self, certificate: Option<(String, UnixSeconds)>, now: UnixSeconds) {
        locked(&self.http).certificate_expiry = certificate.as_ref().map(|(_, not_after)| *not_after);
        *locked(&self.certificate) = certificate;
        self.check_certificate(now);
    }

    /// Time passes: to be called now and then.
    pub fn check_certificate(&self, now: UnixSeconds) {
        let certificate = locked(&self.certificate).clone();
        let detail = certificate.and_then(|(name, not_after)| ending(&name, (not_after - now) / DAY));
        self.problems.set(CERTIFICATE_ENDING, "METRICS_TLS_CERT_FILE", detail, now);
    }
}

fn ending(name: &str, days: f64) -> Option<String> {
    match days {
        _ if days <= 0.0 => Some(format!("the certificate of {name} has expired: clients reject it")),
        _ if days < WARNED_DAYS => Some(format!("the certificate of {name} ends in {:.0} days", days.floor())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_a_problem_from_fourteen_days_before_its_end_until_it_is_replaced() {
        let telemetry = Telemetry::default();
        telemetry.set_certificate(Some(("a.example".to_owned(), 20.0 * DAY)), 0.0);
        let details = [6.0, 6.5, 19.5, 20.0].map(|day| {
            telemetry.check_certificate(day * DAY);
            telemetry.problems().active().first().map(|problem| problem.detail.clone()).unwrap_or_default()
        });
        let of = "the certificate of a.example";
        assert_eq!(
            details,
            [
                String::new(),
                format!("{of} ends in 13 days"),
                format!("{of} ends in 0 days"),
                format!("{of} has expired: clients reject it")
            ]
        );
        telemetry.set_certificate(Some(("a.example".to_owned(), 100.0 * DAY)), 20.0 * DAY);
        assert_eq!(telemetry.problems().active(), []);
    }
}
