//! Access control: tokens and their reload, the warning without any, and the security headers.

mod crowd;

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::time::Duration;

use crate::support::{GATEWAY, Server, eventually, program, request};

const EMBEDDED: (&str, &str) = ("METRICS_MODE", "embedded");

#[test]
fn every_route_but_health_needs_a_token() {
    let server = Server::start(&[EMBEDDED, ("METRICS_AUTH_TOKEN", "hunter2,hunter3")]);
    let ask = |path: &str, headers: &[(&str, &str)]| request(server.port(), "GET", path, headers);
    for path in [
        "/",
        "/metrics",
        "/metrics/combined",
        "/metrics/proc/system",
        "/metrics/export",
        "/api/v1/exports",
        "/api/v1/problems",
        "/nowhere",
    ] {
        let answer = ask(path, &[]);
        assert_eq!(
            (answer.status, answer.headers["www-authenticate"].as_str()),
            (401, "Bearer realm=\"kdcube-metrics\"")
        );
        for wrong in ["", "Bearer", "Bearer hunter", "Bearer hunter22", "Basic hunter2", "hunter2"] {
            let answer = ask(path, &[("Authorization", wrong)]);
            assert_eq!(answer.status, 401, "{path}");
            assert!(answer.headers["www-authenticate"].contains("invalid_token"), "{path}");
        }
    }
    let twice = [("Authorization", "Bearer hunter2"), ("Authorization", "Bearer hunter2")];
    assert_eq!(ask("/metrics", &twice).status, 401);
    for token in ["Bearer hunter2", "bearer hunter3"] {
        assert_eq!(ask("/metrics", &[("Authorization", token)]).status, 200, "{token}");
    }
    for path in ["/health", "/livez", "/healthz", "/-/healthy"] {
        assert_eq!(server.get(path).status, 200, "{path}");
    }
}

#[test]
fn invalid_tokens_stop_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let (empty, binary) = (folder.path().join("empty"), folder.path().join("binary"));
    std::fs::write(&empty, "\n").unwrap();
    std::fs::write(&binary, b"hunter\xff").unwrap();
    let bytes = |bytes: &[u8]| OsString::from_vec(bytes.to_vec());
    for (variable, value) in [
        ("METRICS_AUTH_TOKEN", bytes(b" , ")),
        ("METRICS_AUTH_TOKEN", bytes(b"hunter 2")),
        ("METRICS_AUTH_TOKEN", bytes(b"hunter\xff")),
        ("METRICS_AUTH_TOKEN_FILE", empty.into()),
        ("METRICS_AUTH_TOKEN_FILE", binary.into()),
        ("METRICS_AUTH_TOKEN_FILE", bytes(b"/nowhere/token")),
    ] {
        let output = program(&[GATEWAY, EMBEDDED], &["serve"]).env(variable, &value).output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(78), "{value:?}: {errors}");
        assert!(errors.contains("METRICS_AUTH_TOKEN") && !errors.contains("hunter"), "{errors}");
    }
}

#[test]
fn a_token_file_is_reloaded_when_it_changes() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tokens");
    std::fs::write(&file, "hunter2\n").unwrap();
    let server = Server::start(&[EMBEDDED, ("METRICS_AUTH_TOKEN_FILE", file.to_str().unwrap())]);
    let ask = |token: &str| request(server.port(), "GET", "/metrics", &[("Authorization", &format!("Bearer {token}"))]);
    let seen = Duration::from_secs(15);
    assert_eq!(ask("hunter2").status, 200);
    std::fs::write(&file, "hunter2\nhunter3\n").unwrap();
    eventually("the second token", seen, || ask("hunter3").status == 200);
    assert_eq!(ask("hunter2").status, 200);
    std::fs::write(&file, "hunter3\n").unwrap();
    eventually("the first token to be rejected", seen, || ask("hunter2").status == 401);
    // An empty file and a missing one keep the previous tokens.
    let failed = || ask("hunter3").text().contains(r#"kdcube_metrics_reloads_total{files="tokens",result="failed"} 1"#);
    std::fs::write(&file, "").unwrap();
    eventually("the failed reload", seen, failed);
    assert_eq!((server.get("/metrics").status, ask("hunter3").status), (401, 200));
    std::fs::remove_file(&file).unwrap();
    std::fs::write(&file, "hunter4").unwrap();
    eventually("the next token", seen, || ask("hunter4").status == 200);
    let log = server.log_with("problem code=\"reload_failed\" subject=\"tokens\"");
    assert!(log.contains("METRICS_AUTH_TOKEN_FILE") && log.contains("holds no token"), "{log}");
    assert!(!log.contains("hunter"), "{log}");
}

#[test]
fn a_server_open_to_the_network_warns_once() {
    let anywhere = ("METRICS_BIND", "0.0.0.0");
    let warnings = |variables: &[(&str, &str)]| Server::ready(variables).log().matches("Internal only means").count();
    assert_eq!(warnings(&[EMBEDDED, anywhere]), 1);
    assert_eq!(warnings(&[EMBEDDED]), 0, "on this machine only");
    let closed = Server::start(&[EMBEDDED, anywhere, ("METRICS_AUTH_TOKEN", "hunter2")]);
    assert!(!closed.log().contains("Internal only means"));
}

#[test]
fn pages_may_not_be_framed_cached_or_scripted() {
    let server = Server::ready(&[EMBEDDED]);
    for path in ["/", "/metrics", "/nowhere", "/health"] {
        let headers = server.get(path).headers;
        assert_eq!(
            (headers["cache-control"].as_str(), headers["x-content-type-options"].as_str()),
            ("no-store", "nosniff")
        );
        assert_eq!((headers["x-frame-options"].as_str(), headers["referrer-policy"].as_str()), ("DENY", "no-referrer"));
        assert_eq!(headers["cross-origin-resource-policy"], "same-origin");
        let policy = &headers["content-security-policy"];
        for part in ["default-src 'none'", "frame-ancestors 'none'", "form-action '", "base-uri 'none'"] {
            assert!(policy.contains(part), "{path}: {part} is not in {policy}");
        }
        let scripts = policy.split(';').find(|part| part.trim().starts_with("script-src"));
        assert!(scripts.is_none_or(|scripts| scripts.trim() == "script-src 'self'"), "{path}: {policy}");
    }
    let page = server.get("/").text();
    assert_eq!(
        (page.matches("<script").count(), page.matches("<script src=\"/page.js\" defer></script>").count()),
        (1, 1)
    );
    assert!(!page.contains(" onclick") && !page.contains("http://") && !page.contains("https://"));
}
