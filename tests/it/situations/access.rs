//! Who may not read this server, and an upstream that this server may not read.

use super::{Situation, check};
use crate::proxy::nginx::Nginx;
use crate::support::{Server, request};

const EMBEDDED: (&str, &str) = ("METRICS_MODE", "embedded");
const TOKEN: (&str, &str) = ("METRICS_AUTH_TOKEN", "hunter2");

#[test]
fn a_wrong_token_is_named_with_the_peer() {
    let server = Server::ready(&[EMBEDDED, TOKEN]);
    let wrong = [("Authorization", "Bearer hunter3")];
    assert_eq!(request(server.port(), "GET", "/api/v1/signals", &wrong).status, 401);
    let words = ["127.0.0.1", "with an invalid token"];
    let situation =
        Situation { token: Some("hunter2"), ..Situation::new("a wrong token", "unauthorized_requests", &words) };
    situation.named_by(&server);
    assert!(check(&[EMBEDDED, TOKEN]).contains("requires a token"));
}

/// Its scrapes are rejected.
#[test]
fn a_dashboard_without_numbers_is_explained_by_the_readers_and_the_rejected_requests() {
    let server = Server::ready(&[EMBEDDED, TOKEN]);
    assert_eq!(server.get("/metrics").status, 401);
    let words = ["127.0.0.1", "without a token"];
    let code = "unauthorized_requests";
    let situation = Situation { token: Some("hunter2"), ..Situation::new("an empty dashboard", code, &words) };
    situation.named_by(&server);
    let page = situation.get(&server, "/").text();
    assert!(page.contains("Nobody has read /metrics or /api/v1/signals since this server started"), "{page}");
    assert_eq!(situation.get(&server, "/metrics").status, 200);
    let page = situation.get(&server, "/").text();
    assert!(page.contains("<td>127.0.0.1</td><td><code>/metrics</code></td>"), "{page}");
}

#[test]
fn an_upstream_that_answers_401_is_named_with_its_status() {
    let nginx = Nginx::start("location / { return 401; }");
    let url = nginx.url();
    let proxy = [
        ("METRICS_MODE", "proxy"),
        ("METRICS_INGRESS_BASE_URL", url.as_str()),
        ("METRICS_PROC_BASE_URL", url.as_str()),
    ];
    let server = Server::start(&proxy);
    let situation = Situation::new("a proxy's upstream answers 401", "upstream_failed", &["401"]);
    situation.named_by(&server);
    situation.checked("proc", &proxy);
}
