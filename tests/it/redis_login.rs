//! What the address of Redis says and the server answers: databases, users, sentinels with users, and refusals.

use std::process::{Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::redis_source::run;
use crate::support::{GATEWAY, Killed, RedisServer, eventually, free_port, program};

/// What `snapshot` reads of the paid queue, or what it says instead.
pub(crate) fn queue_total(variables: &[(&str, &str)]) -> Result<i64, String> {
    let limit = [GATEWAY, ("METRICS_REQUEST_TIMEOUT_SEC", "2")];
    let variables = [&limit, variables].concat();
    let output = program(&variables, &["snapshot", "--format", "scalars"]).output().unwrap();
    if output.status.code() != Some(0) {
        return Err(String::from_utf8(output.stderr).unwrap());
    }
    let scalars: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    Ok(scalars["proc.queue.total"].as_f64().unwrap() as i64)
}

/// Puts tasks into the queue of a database.
pub(crate) fn queue(server: &RedisServer, user: &[&str], database: u32, tasks: usize) {
    let tasks: Vec<String> = (0..tasks).map(|task| task.to_string()).collect();
    let push = ["RPUSH", "acme:chat:kdcube:chat:prompt:queue:paid"].into_iter().chain(tasks.iter().map(String::as_str));
    let (push, database) = (push.collect::<Vec<_>>(), database.to_string());
    let commands: Vec<&[&str]> = [user].into_iter().filter(|user| !user.is_empty()).collect();
    run(server, &[&commands[..], &[&["SELECT", &database], &push]].concat());
}

#[test]
fn the_database_of_the_query_is_read() {
    let server = RedisServer::start();
    queue(&server, &[], 0, 3);
    queue(&server, &[], 2, 5);
    let (port, socket) = (server.port(), server.socket());
    for (url, total) in [
        (format!("redis://127.0.0.1:{port}"), 3),
        (format!("redis://127.0.0.1:{port}?db=2"), 5),
        (format!("redis://127.0.0.1:{port}/0?db=2&decode_responses=true"), 5),
        (format!("unix://{}?db=2", socket.display()), 5),
    ] {
        assert_eq!(queue_total(&[("REDIS_URL", &url)]), Ok(total), "{url}");
    }
}

#[test]
fn an_option_that_cannot_be_followed_stops_the_start_in_one_line() {
    for (option, problem) in [
        ("database=2", "has the unknown option \"database\""),
        ("encoding=latin-1", "has the option encoding, which is not utf-8"),
    ] {
        let url = format!("redis://:hunter2@127.0.0.1:1/0?{option}");
        let error = queue_total(&[("REDIS_URL", &url)]).unwrap_err();
        assert!(error.contains(problem) && !error.contains("hunter2"), "{error}");
    }
}

#[test]
fn the_server_is_quoted_where_it_refuses_the_user() {
    let (open, closed) = (RedisServer::start(), RedisServer::start_with(&["--requirepass", "hunter2"]));
    queue(&closed, &["AUTH", "hunter2"], 0, 4);
    let url = |user: &str, server: &RedisServer| format!("redis://{user}127.0.0.1:{}/0", server.port());
    for (url, words) in [
        (url(":hunter3@", &open), "AUTH <password> called without any password configured"),
        (url(":hunter3@", &closed), "invalid username-password pair"),
        (url("", &closed), "Authentication required"),
    ] {
        let error = queue_total(&[("REDIS_URL", &url)]).unwrap_err();
        assert!(error.contains(words) && error.contains("are user and password in REDIS_URL right?"), "{error}");
        assert!(!error.contains("hunter"), "{error}");
    }
    assert_eq!(queue_total(&[("REDIS_URL", &url("default:hunter2@", &closed))]), Ok(4));
}

#[test]
fn a_server_that_is_full_says_so() {
    let server = RedisServer::start_with(&["--maxclients", "1"]);
    let mut only = None;
    eventually("the only connection", Duration::from_secs(5), || {
        only = server.try_connection();
        only.is_some()
    });
    for url in [server.url(), server.url().replace("//", "//:pw@"), server.url().replace("/0", "/3")] {
        let error = queue_total(&[("REDIS_URL", &url)]).unwrap_err();
        assert!(error.contains("max number of clients reached"), "{error}");
    }
}

/// A sentinel that asks for a password, of a server that asks for another.
fn sentinel(folder: &TempDir, watched: &RedisServer, password: &str) -> (Killed, u16) {
    let (port, config) = (free_port(), folder.path().join("sentinel.conf"));
    let text = format!(
        "port {port}\nbind 127.0.0.1\ndir {}\nrequirepass {password}\nsentinel monitor main 127.0.0.1 {} 1\n\
         sentinel auth-pass main hunter2\n",
        folder.path().display(),
        watched.port()
    );
    std::fs::write(&config, text).unwrap();
    let child = Command::new("redis-sentinel").arg(&config).stdout(Stdio::null()).spawn().unwrap();
    eventually("the sentinel", Duration::from_secs(10), || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
    (Killed(child), port)
}

#[test]
fn sentinels_are_asked_with_a_user_of_their_own_or_that_of_redis() {
    let server = RedisServer::start_with(&["--requirepass", "hunter2"]);
    queue(&server, &["AUTH", "hunter2"], 0, 4);
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let (_same, same) = sentinel(&folders[0], &server, "hunter2");
    let (_other, other) = sentinel(&folders[1], &server, "hunter3");
    let url = |port: u16, options: &str| format!("redis+sentinel://:hunter2@127.0.0.1:{port}/main/0/{options}");
    assert_eq!(queue_total(&[("REDIS_URL", &url(same, ""))]), Ok(4));
    assert_eq!(queue_total(&[("REDIS_URL", &url(other, "?sentinel_password=hunter3"))]), Ok(4));
    let own = ("METRICS_REDIS_SENTINEL_PASSWORD", "hunter3");
    assert_eq!(queue_total(&[("REDIS_URL", &url(other, "")), own]), Ok(4));
    let error = queue_total(&[("REDIS_URL", &url(other, ""))]).unwrap_err();
    assert!(error.contains("sentinel 127.0.0.1") && error.contains("METRICS_REDIS_SENTINEL_PASSWORD"), "{error}");
    assert!(!error.contains("hunter"), "{error}");
    let unknown = url(same, "").replace("/main/", "/mian/");
    let error = queue_total(&[("REDIS_URL", &unknown)]).unwrap_err();
    assert!(error.contains("knows no primary \"mian\""), "{error}");
}
