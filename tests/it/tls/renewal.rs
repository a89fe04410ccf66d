//! Files that are replaced while the server runs.

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use super::{serve, value};
use crate::authority::{Authority, Pair};
use crate::support::{Answer, eventually};

/// Time limit for a reload: two checks of the files, and a loaded machine.
const SEEN: Duration = Duration::from_secs(15);

/// Replaces the files of a pair, each atomically, as orchestrators do.
fn replace(pair: &Pair, with: &Pair) {
    for (from, to) in [(&with.certificate, &pair.certificate), (&with.key, &pair.key)] {
        let beside = format!("{to}.new");
        std::fs::copy(from, &beside).unwrap();
        std::fs::rename(&beside, to).unwrap();
    }
}

#[test]
fn a_new_pair_is_used_without_a_restart_and_a_mismatch_is_not() {
    let authority = Authority::new();
    let (pair, next) = (authority.issue("server"), authority.issue_for("next", 60));
    let original = Pair { certificate: authority.path("original.pem"), key: authority.path("original.key") };
    replace(&original, &pair);
    let (server, client) = (serve(&pair, &[]), authority.client(None));
    let read = |series: &str| value(&client.get(server.port(), "/metrics"), series);
    let ends = || read("kdcube_metrics_tls_certificate_expiry_timestamp_seconds").unwrap();
    let reloads =
        |result: &str| read(&format!("kdcube_metrics_reloads_total{{files=\"tls\",result=\"{result}\"}}")).unwrap();
    let first = ends();
    assert_eq!((reloads("ok"), reloads("failed")), (0.0, 0.0));

    replace(&pair, &next);
    eventually("the new certificate", SEEN, || ends() > first);
    assert_eq!(reloads("ok"), 1.0);

    // A key of another certificate: the previous pair stays in use.
    std::fs::copy(&original.key, &pair.key).unwrap();
    eventually("the failed reload", SEEN, || reloads("failed") > 0.0);
    let failed = Instant::now();
    eventually("two more checks", SEEN, || failed.elapsed() > Duration::from_secs(5));
    assert_eq!((reloads("ok"), reloads("failed"), ends() > first), (1.0, 1.0, true));
    let log = server.log_with("problem code=\"reload_failed\" subject=\"tls\"");
    assert_eq!(log.matches("is not the key of").count(), 1, "once, not at every check: {log}");

    std::fs::copy(&original.certificate, &pair.certificate).unwrap();
    eventually("the previous pair", SEEN, || ends() == first);
    assert_eq!(client.get(server.port(), "/health").status, 200);
}

#[test]
fn a_replaced_authority_closes_open_connections() {
    let (authority, next) = (Authority::new(), Authority::new());
    let (pair, trusted) = (authority.issue("server"), authority.path("trusted.pem"));
    std::fs::copy(authority.certificate(), &trusted).unwrap();
    let server = serve(&pair, &[("METRICS_TLS_CLIENT_CA_FILE", &trusted)]);
    let friend = authority.client(Some(&authority.issue("friend")));
    let mut kept = friend.connect(server.port());
    let mut ask = || {
        kept.write_all(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n").ok()?;
        let mut answer = [0; 4096];
        let read = kept.read(&mut answer).ok()?;
        Answer::parse(&answer[..read]).map(|answer| answer.headers.contains_key("connection"))
    };
    assert_eq!(ask(), Some(false));
    std::fs::copy(next.certificate(), &trusted).unwrap();
    eventually("the last response", SEEN, || ask() == Some(true));
    assert_eq!(ask(), None);
    assert!(friend.ask(server.port(), "/health", "").is_err(), "it is no longer trusted");
}
