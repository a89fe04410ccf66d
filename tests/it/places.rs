//! Where Redis can be: behind TLS, and behind sentinels that move it.

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::support::{GATEWAY, Killed, RedisServer, Server, eventually, free_port, program};

pub(crate) fn openssl(folder: &Path, arguments: &str) {
    let output = Command::new("openssl").args(arguments.split(' ')).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// A certificate authority of our own and a certificate of localhost.
pub(crate) fn certificates() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("names"), "subjectAltName=DNS:localhost\nbasicConstraints=CA:FALSE\n").unwrap();
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
    openssl(folder.path(), &format!("req -x509 {key} -days 2 -subj /CN=authority -keyout ca.key -out ca.pem"));
    openssl(folder.path(), &format!("req {key} -subj /CN=localhost -keyout server.key -out server.csr"));
    openssl(
        folder.path(),
        "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile names -out server.pem",
    );
    folder
}

#[test]
fn a_redis_behind_tls_is_reached_if_its_certificate_is_trusted() {
    let folder = certificates();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let port = free_port().to_string();
    let (certificate, key) = (path("server.pem"), path("server.key"));
    let _redis = RedisServer::start_with(&[
        "--tls-port",
        &port,
        "--tls-cert-file",
        &certificate,
        "--tls-key-file",
        &key,
        "--tls-auth-clients",
        "no",
    ]);
    let url = format!("rediss://localhost:{port}/0");
    let snapshot = |authority: &str| -> Output {
        let variables = [GATEWAY, ("REDIS_URL", url.as_str()), ("SSL_CERT_FILE", authority)];
        program(&variables, &["snapshot", "--format", "scalars"]).output().unwrap()
    };
    let trusted = snapshot(&path("ca.pem"));
    assert_eq!(trusted.status.code(), Some(0), "{}", String::from_utf8_lossy(&trusted.stderr));
    let stranger = snapshot(&certificate);
    assert_eq!(stranger.status.code(), Some(2), "{}", String::from_utf8_lossy(&stranger.stderr));
}

/// A sentinel that watches the server at `port` and moves quickly.
fn sentinel(folder: &TempDir, watched: u16) -> (Killed, u16) {
    let (port, config) = (free_port(), folder.path().join("sentinel.conf"));
    let text = format!(
        "port {port}\nbind 127.0.0.1\ndir {}\nsentinel monitor main 127.0.0.1 {watched} 1\n\
         sentinel down-after-milliseconds main 500\nsentinel failover-timeout main 2000\n",
        folder.path().display()
    );
    std::fs::write(&config, text).unwrap();
    let child = Command::new("redis-sentinel").arg(&config).stdout(Stdio::null()).spawn().unwrap();
    eventually("the sentinel", Duration::from_secs(10), || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
    (Killed(child), port)
}

fn replicas_known(port: u16) -> usize {
    let client = redis::Client::open(format!("redis://127.0.0.1:{port}")).unwrap();
    let mut connection = client.get_connection().unwrap();
    let found: Result<Vec<redis::Value>, _> = redis::cmd("SENTINEL").arg("REPLICAS").arg("main").query(&mut connection);
    found.map_or(0, |replicas| replicas.len())
}

#[test]
fn the_server_follows_when_sentinels_move_the_master() {
    let mut master = RedisServer::start();
    let replica = RedisServer::start_with(&["--replicaof", "127.0.0.1", &master.port().to_string()]);
    let folder = tempfile::tempdir().unwrap();
    let (_sentinel, port) = sentinel(&folder, master.port());
    eventually("the replica", Duration::from_secs(30), || replicas_known(port) == 1);
    let url = format!("redis+sentinel://127.0.0.1:{port}/main/0");
    let server = Server::ready(&[("REDIS_URL", &url)]);
    master.stop();
    let role = || redis::cmd("ROLE").query::<Vec<redis::Value>>(&mut replica.connection()).unwrap().swap_remove(0);
    eventually("the new master", Duration::from_secs(40), || role() == redis::Value::BulkString(b"master".to_vec()));
    let points = || -> i64 {
        redis::cmd("ZCARD").arg("acme:chat:kdcube:metrics:queue_depth:proc").query(&mut replica.connection()).unwrap()
    };
    let before = points();
    eventually("points on the new master", Duration::from_secs(40), || points() > before + 2);
    assert_eq!(server.get("/readyz").status, 200);
}
