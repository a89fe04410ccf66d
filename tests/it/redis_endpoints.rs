//! Redis behind sentinels that fail over.

use std::process::{Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::support::{Killed, RedisServer, Server, eventually, free_port};

/// A sentinel of the server at `watched` that fails over quickly.
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
fn the_server_follows_a_failover() {
    let mut master = RedisServer::start().with_deployment();
    let replica = RedisServer::start_with(&["--replicaof", "127.0.0.1", &master.port().to_string()]);
    let folder = tempfile::tempdir().unwrap();
    let (_sentinel, port) = sentinel(&folder, master.port());
    eventually("the replica", Duration::from_secs(30), || replicas_known(port) == 1);
    let url = format!("redis+sentinel://127.0.0.1:{port}/main/0");
    let server = Server::ready(&[("REDIS_URL", &url)]);
    master.stop();
    // Promotion closes the replica's connections, so a command may fail.
    let ask = |command: redis::Cmd| command.query::<redis::Value>(&mut replica.try_connection()?).ok();
    let role = || match ask(redis::cmd("ROLE")) {
        Some(redis::Value::Array(mut role)) => role.swap_remove(0),
        _ => redis::Value::Nil,
    };
    eventually("the new master", Duration::from_secs(40), || role() == redis::Value::BulkString(b"master".to_vec()));
    let mut count = redis::cmd("ZCARD");
    count.arg("acme:chat:kdcube:metrics:queue_depth:proc");
    let points = || match ask(count.clone()) {
        Some(redis::Value::Int(points)) => points,
        _ => 0,
    };
    eventually("the old points", Duration::from_secs(5), || points() > 0);
    let before = points();
    eventually("points on the new master", Duration::from_secs(40), || points() > before + 2);
    assert_eq!(server.get("/readyz").status, 200);
}
