//! Redis behind TLS: its own authority, client certificates, less verification, and hints where something does not fit.

use std::process::{Command, Stdio};
use std::time::Duration;

use crate::authority::{Authority, Pair};
use crate::redis_login::{queue, queue_total};
use crate::support::{Killed, RedisServer, Server, eventually, free_port};

/// A Redis with a port for TLS, and three tasks in its queue.
fn tls_redis(authority: &Authority, pair: &Pair, auth_clients: &str) -> (RedisServer, String) {
    let (port, ca) = (free_port().to_string(), authority.certificate());
    let server = RedisServer::start_with(&[
        "--tls-port",
        &port,
        "--tls-cert-file",
        &pair.certificate,
        "--tls-key-file",
        &pair.key,
        "--tls-ca-cert-file",
        &ca,
        "--tls-auth-clients",
        auth_clients,
    ]);
    queue(&server, &[], 0, 3);
    (server, format!("rediss://localhost:{port}/0"))
}

#[test]
fn an_authority_of_its_own_is_named_by_option_or_setting() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let (_server, url) = tls_redis(&authority, &authority.issue("server"), "no");
    let ca = authority.certificate();
    for variables in [
        vec![("REDIS_URL", format!("{url}?ssl_ca_certs={ca}"))],
        vec![("REDIS_URL", url.clone()), ("METRICS_REDIS_CA_FILE", ca.clone())],
        vec![("REDIS_URL", url.clone()), ("SSL_CERT_FILE", ca.clone())],
        vec![("REDIS_URL", format!("{url}?ssl_cert_reqs=none"))],
        vec![(
            "REDIS_URL",
            url.replace("localhost", "127.0.0.1") + &format!("?ssl_ca_certs={ca}&ssl_check_hostname=no"),
        )],
    ] {
        let variables: Vec<_> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
        assert_eq!(queue_total(&variables), Ok(3), "{variables:?}");
    }
    for variables in [
        vec![("REDIS_URL", url.clone()), ("METRICS_REDIS_CA_FILE", stranger.certificate())],
        vec![("REDIS_URL", url.clone())],
    ] {
        let variables: Vec<_> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let error = queue_total(&variables).unwrap_err();
        assert!(error.contains("name the authority's certificate with METRICS_REDIS_CA_FILE"), "{error}");
    }
    let other_name = url.replace("localhost", "127.0.0.1") + &format!("?ssl_ca_certs={ca}");
    assert!(queue_total(&[("REDIS_URL", &other_name)]).is_err());
}

#[test]
fn a_redis_that_asks_clients_for_a_certificate_gets_ours() {
    let authority = Authority::new();
    let (_server, url) = tls_redis(&authority, &authority.issue("server"), "yes");
    let (ca, pair) = (authority.certificate(), authority.issue("client"));
    let by_option = format!("{url}?ssl_ca_certs={ca}&ssl_certfile={}&ssl_keyfile={}", pair.certificate, pair.key);
    assert_eq!(queue_total(&[("REDIS_URL", &by_option)]), Ok(3));
    let (url, ca) = (("REDIS_URL", url.as_str()), ("METRICS_REDIS_CA_FILE", ca.as_str()));
    let identity = [
        ("METRICS_REDIS_CLIENT_CERT_FILE", pair.certificate.as_str()),
        ("METRICS_REDIS_CLIENT_KEY_FILE", pair.key.as_str()),
    ];
    assert_eq!(queue_total(&[url, ca, identity[0], identity[1]]), Ok(3));
    let error = queue_total(&[url, ca]).unwrap_err();
    assert!(error.contains("METRICS_REDIS_CLIENT_CERT_FILE"), "{error}");
    let other = authority.issue("other");
    let error = queue_total(&[url, ca, identity[0], ("METRICS_REDIS_CLIENT_KEY_FILE", &other.key)]).unwrap_err();
    assert!(
        error.contains("METRICS_REDIS_CLIENT_KEY_FILE") && error.contains("a certificate and its own key"),
        "{error}"
    );
}

#[test]
fn the_wrong_kind_of_port_is_hinted_at() {
    let authority = Authority::new();
    let (server, url) = tls_redis(&authority, &authority.issue("server"), "no");
    let error = queue_total(&[("REDIS_URL", &url.replace("rediss", "redis"))]).unwrap_err();
    assert!(error.contains("if this port expects TLS, the address begins with rediss://"), "{error}");
    let plain = format!("rediss://localhost:{}/0", server.port());
    let error = queue_total(&[("REDIS_URL", &plain)]).unwrap_err();
    assert!(error.contains("is this a port with TLS?"), "{error}");
}

#[test]
fn sentinels_behind_tls_are_asked_with_the_same_files() {
    let authority = Authority::new();
    let pair = authority.issue("server");
    let (redis, _url) = tls_redis(&authority, &pair, "no");
    let (port, folder, ca) = (free_port(), tempfile::tempdir().unwrap(), authority.certificate());
    // It returns the address of Redis without TLS, which is how it reaches it itself.
    let text = format!(
        "port 0\ntls-port {port}\nbind 127.0.0.1\ndir {}\ntls-cert-file {}\ntls-key-file {}\ntls-ca-cert-file {ca}\n\
         tls-auth-clients no\nsentinel monitor main 127.0.0.1 {} 1\n",
        folder.path().display(),
        pair.certificate,
        pair.key,
        redis.port()
    );
    let config = folder.path().join("sentinel.conf");
    std::fs::write(&config, text).unwrap();
    let child = Command::new("redis-sentinel").arg(&config).stdout(Stdio::null()).spawn().unwrap();
    let _sentinel = Killed(child);
    eventually("the sentinel", Duration::from_secs(10), || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
    let address = format!("redis+sentinel://localhost:{port}/main/0");
    let encrypted = format!("{address}?sentinel_ssl=true&ssl_ca_certs={ca}");
    assert_eq!(queue_total(&[("REDIS_URL", &encrypted)]), Ok(3));
    let setting = ("METRICS_REDIS_CA_FILE", ca.as_str());
    assert_eq!(queue_total(&[("REDIS_URL", &format!("{address}?sentinel_ssl=true")), setting]), Ok(3));
    let error = queue_total(&[("REDIS_URL", &address)]).unwrap_err();
    assert!(error.contains("sentinel localhost"), "{error}");
}

#[test]
fn a_replaced_ca_file_is_used_for_the_next_connection() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let (redis, url) = tls_redis(&authority, &authority.issue("server"), "no");
    let redis = redis.with_deployment();
    let file = authority.path("trusted.pem");
    std::fs::copy(stranger.certificate(), &file).unwrap();
    let server = Server::start(&[("REDIS_URL", &url), ("METRICS_REDIS_CA_FILE", &file)]);
    eventually("a failed attempt", Duration::from_secs(10), || server.log().contains("METRICS_REDIS_CA_FILE"));
    std::fs::copy(authority.certificate(), &file).unwrap();
    eventually("readiness", Duration::from_secs(15), || server.get("/readyz").status == 200);
    drop(redis);
}

#[test]
fn a_broken_ca_file_is_a_problem_and_its_previous_contents_stay_in_use() {
    let authority = Authority::new();
    let (redis, url) = tls_redis(&authority, &authority.issue("server"), "no");
    let redis = redis.with_deployment();
    let file = authority.path("trusted.pem");
    std::fs::copy(authority.certificate(), &file).unwrap();
    let server = Server::ready(&[("REDIS_URL", &url), ("METRICS_REDIS_CA_FILE", &file)]);
    let problems = || server.get("/api/v1/problems").text();
    let is_reported = || problems().contains("\"redis_tls\"");
    std::fs::write(&file, "nonsense").unwrap();
    eventually("the problem", Duration::from_secs(15), is_reported);
    assert!(problems().contains("METRICS_REDIS_CA_FILE"), "{}", problems());
    let failed = r#"kdcube_metrics_reloads_total{files="redis_tls",result="failed"} 1"#;
    eventually("the count", Duration::from_secs(15), || server.get("/metrics").text().contains(failed));
    let kill = ["KILL", "TYPE", "normal", "SKIPME", "yes"];
    redis::cmd("CLIENT").arg(&kill).query::<i64>(&mut redis.connection()).unwrap();
    eventually("fresh after a new connection", Duration::from_secs(15), || server.get("/readyz").status == 200);
    std::fs::copy(authority.certificate(), &file).unwrap();
    eventually("the end of the problem", Duration::from_secs(15), || !is_reported());
}
