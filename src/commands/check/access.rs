//! What `check` reports on access and TLS: what clients need, and when the certificate expires.

use super::{Finding, FindingStatus, finding};
use crate::base::clock::UnixSeconds;
use crate::config::Config;
use crate::outlets::http::config::AccessConfig;
use crate::tls::file_error::lines;
use crate::tls::server::{self, TlsFiles, Validity};

/// Days before expiry from which `check` warns: the certificate should have been renewed by then.
const SOON: f64 = 14.0;

pub(super) fn findings(config: &Config, now: UnixSeconds) -> Vec<Finding> {
    let mut found = vec![credentials(&config.access, config.address.ip().is_loopback())];
    found.push(match &config.access.tls {
        Some(files) => tls(files, now),
        None => finding("tls", FindingStatus::Ok, "off: plain HTTP"),
    });
    found
}

fn credentials(config: &AccessConfig, loopback: bool) -> Finding {
    let tokens = match (config.tokens.len(), &config.token_file) {
        (0, _) => None,
        (1, _) => Some("a token".to_owned()),
        (n, _) => Some(format!("one of {n} tokens")),
    };
    let followed = config.token_file.as_ref().map(|path| format!(" of {}, reloaded when it changes", path.display()));
    let tokens = tokens.map(|tokens| tokens + &followed.unwrap_or_default());
    let certificate = config.needs_certificate().then(|| "a client certificate".to_owned());
    let needed: Vec<String> = [certificate, tokens].into_iter().flatten().collect();
    match needed.is_empty() {
        false => finding("access", FindingStatus::Ok, format!("requires {}", needed.join(" and "))),
        true if loopback => finding("access", FindingStatus::Ok, "open, but only to this machine"),
        true => finding(
            "access",
            FindingStatus::Warning,
            "open to every client that can connect: no METRICS_AUTH_TOKEN, no METRICS_TLS_CLIENT_CA_FILE",
        ),
    }
}

fn tls(files: &TlsFiles, now: UnixSeconds) -> Finding {
    match server::load(files) {
        Ok(identity) => match identity.certificate {
            Some(certificate) => dates(&certificate, now),
            None => {
                finding("tls", FindingStatus::Warning, "the certificate can be used, but its dates cannot be parsed")
            }
        },
        Err(errors) => finding("tls", FindingStatus::Failed, lines(errors).join("; ")),
    }
}

fn dates(certificate: &Validity, now: UnixSeconds) -> Finding {
    let (name, left) = (&certificate.name, certificate.days_left(now));
    let (begins, ends) = (day(certificate.not_before), day(certificate.not_after));
    if now < certificate.not_before {
        return finding(
            "tls",
            FindingStatus::Failed,
            format!("the certificate of {name} is not valid before {begins}"),
        );
    }
    if now >= certificate.not_after {
        return finding("tls", FindingStatus::Failed, format!("the certificate of {name} expired on {ends}"));
    }
    let outcome = if left < SOON { FindingStatus::Warning } else { FindingStatus::Ok };
    finding("tls", outcome, format!("the certificate of {name} is valid until {ends}, {left:.0} days"))
}

/// The day in UTC; `?` beyond the range of the calendar.
#[expect(clippy::cast_possible_truncation, reason = "whole seconds are enough")]
fn day(at: UnixSeconds) -> String {
    jiff::Timestamp::from_second(at as i64).map_or_else(|_| "?".to_owned(), |at| at.strftime("%Y-%m-%d").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dates_of_a_certificate_decide_its_status() {
        let certificate = Validity { name: "localhost".to_owned(), not_before: 86_400.0, not_after: 100.0 * 86_400.0 };
        for (day, outcome, detail) in [
            (0.5, FindingStatus::Failed, "the certificate of localhost is not valid before 1970-01-02"),
            (1.0, FindingStatus::Ok, "the certificate of localhost is valid until 1970-04-11, 99 days"),
            (86.0, FindingStatus::Ok, "the certificate of localhost is valid until 1970-04-11, 14 days"),
            (86.1, FindingStatus::Warning, "the certificate of localhost is valid until 1970-04-11, 13 days"),
            (90.5, FindingStatus::Warning, "the certificate of localhost is valid until 1970-04-11, 9 days"),
            (100.0, FindingStatus::Failed, "the certificate of localhost expired on 1970-04-11"),
        ] {
            let found = dates(&certificate, day * 86_400.0);
            assert_eq!((found.outcome, found.detail.as_str()), (outcome, detail));
        }
    }

    #[test]
    fn what_a_client_needs_is_said_and_an_open_server_is_a_warning_unless_only_this_machine_reaches_it() {
        let access = |tokens: &[&str], file: Option<&str>, ca: Option<&str>| AccessConfig {
            tokens: tokens.iter().map(|token| (*token).into()).collect(),
            token_file: file.map(Into::into),
            tls: ca.map(|ca| TlsFiles {
                certificate: "c".into(),
                key: "k".into(),
                client_ca: Some(ca.into()),
                client_ca_variable: "A",
            }),
        };
        for (config, loopback, status, detail) in [
            (access(&[], None, None), true, FindingStatus::Ok, "open, but only to this machine"),
            (access(&["a"], None, None), false, FindingStatus::Ok, "requires a token"),
            (access(&[], None, Some("ca")), false, FindingStatus::Ok, "requires a client certificate"),
            (access(&["a"], None, Some("ca")), true, FindingStatus::Ok, "requires a client certificate and a token"),
            (
                access(&["a", "b"], Some("/t"), None),
                true,
                FindingStatus::Ok,
                "requires one of 2 tokens of /t, reloaded when it changes",
            ),
        ] {
            let found = credentials(&config, loopback);
            assert_eq!((found.outcome, found.detail.as_str()), (status, detail));
        }
        let open = credentials(&access(&[], None, None), false);
        assert!(open.outcome == FindingStatus::Warning && open.detail.starts_with("open to every client"));
    }
}
