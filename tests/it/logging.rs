//! Logging beside a reader that is gone or stuck, to a full disk, and to a rotated file.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::process::Stdio;
use std::time::Duration;

use crate::support::{GATEWAY, RedisServer, Server, eventually, program, value};

const DROPPED: &str = "kdcube_metrics_log_lines_dropped_total";
const SOON: Duration = Duration::from_secs(15);

/// A server whose standard error is `output`. Redis stops and comes back, which it wants to log.
fn outlives_redis(output: Stdio, log_is_lost: bool) {
    let mut redis = RedisServer::start().with_deployment();
    let server = Server::start_logging_to(Some(output), &[("REDIS_URL", &redis.url())]);
    let metric = |name| value(&server.get("/metrics").text(), name);
    eventually("a snapshot", SOON, || metric("kdcube_metrics_up") == Some(1.0));
    redis.stop();
    eventually("the outage", SOON, || metric("kdcube_metrics_source_errors_total") > Some(1.0));
    redis.restart();
    let redis = redis.with_deployment();
    eventually("recovery", SOON, || metric("kdcube_metrics_up") == Some(1.0));
    if log_is_lost {
        assert!(metric(DROPPED) > Some(0.0), "{:?}", metric(DROPPED));
        let problems = || server.get("/api/v1/problems").text();
        eventually("the problem", SOON, || problems().contains("log_lines_dropped"));
    }
    let (code, took, _) = server.terminate();
    assert_eq!(code, Some(0));
    assert!(took < Duration::from_secs(9), "{took:?}");
    drop(redis);
}

/// The messages of JSON lines.
fn messages(log: &str) -> Vec<String> {
    let message =
        |line| serde_json::from_str::<serde_json::Value>(line).unwrap()["message"].as_str().unwrap().to_owned();
    log.lines().map(message).collect()
}

#[test]
fn a_log_reader_that_is_gone_costs_lines_and_nothing_else() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    outlives_redis(writer.into(), true);
}

#[test]
fn a_full_disk_costs_lines_and_nothing_else() {
    outlives_redis(OpenOptions::new().write(true).open("/dev/full").unwrap().into(), true);
}

#[test]
fn a_log_reader_that_does_not_read_stops_nothing() {
    let (reader, writer) = std::io::pipe().unwrap();
    let mut other = writer.try_clone().unwrap();
    // Fills the pipe and waits for the reader, as the server's log does.
    let filler = std::thread::spawn(move || other.write_all(&vec![b'x'; 8 << 20]));
    outlives_redis(writer.into(), false);
    drop(reader);
    assert!(filler.join().unwrap().is_err());
}

#[test]
fn an_error_of_the_start_is_no_panic_without_a_reader() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let status = program(&[("METRICS_PORT", "many")], &["serve"]).stderr(writer).status().unwrap();
    assert_eq!(status.code(), Some(78));
}

#[test]
fn the_last_lines_are_written_and_a_log_file_has_them_too() {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("logs");
    let server = Server::ready(&[
        ("METRICS_MODE", "embedded"),
        ("LOG_DIR", directory.to_str().unwrap()),
        ("LOG_FILE_PREFIX", "kdcube"),
        ("METRICS_LOG_FORMAT", "json"),
    ]);
    let (code, _, log) = server.terminate();
    assert_eq!(code, Some(0));
    let in_file = std::fs::read_to_string(directory.join("kdcube.log")).unwrap();
    assert_eq!((messages(&in_file).last(), messages(&in_file)), (Some(&"stopped".to_owned()), messages(&log)));
}

#[test]
fn a_log_directory_that_cannot_be_written_is_one_warning() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    File::create(&file).unwrap();
    let server = Server::ready(&[("METRICS_MODE", "embedded"), ("LOG_DIR", file.to_str().unwrap())]);
    let warnings: Vec<String> =
        server.log().lines().filter(|line| line.contains("LOG_DIR: ")).map(str::to_owned).collect();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].contains("cannot be written: ") && warnings[0].contains("standard error only"), "{warnings:?}");
}

#[test]
fn the_platforms_log_level_counts() {
    let output = program(&[GATEWAY, ("METRICS_MODE", "embedded"), ("LOG_LEVEL", "ERROR")], &["once"]).output().unwrap();
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
    let with_info =
        program(&[GATEWAY, ("METRICS_MODE", "embedded"), ("METRICS_TYPO", "1")], &["once"]).output().unwrap();
    assert!(String::from_utf8(with_info.stderr).unwrap().contains("METRICS_TYPO"));
}

#[test]
#[cfg(feature = "cloudwatch")]
fn no_filter_shows_an_access_key() {
    let folder = tempfile::tempdir().unwrap();
    let profile = folder.path().join("credentials");
    std::fs::write(&profile, "[acme]\naws_access_key_id = AKIAHUNTER2\naws_secret_access_key = hunter2\n").unwrap();
    let mut once = program(
        &[
            ("METRICS_MODE", "embedded"),
            ("METRICS_EXPORT_CLOUDWATCH", "1"),
            ("METRICS_CLOUDWATCH_REGION", "eu-central-1"),
            ("AWS_SHARED_CREDENTIALS_FILE", profile.to_str().unwrap()),
            ("AWS_PROFILE", "acme"),
            ("AWS_ENDPOINT_URL", "http://127.0.0.1:1"),
            ("RUST_LOG", "debug,aws_config=trace,aws_config::profile=trace,aws_sigv4=trace,aws_smithy_runtime=trace"),
        ],
        &["once"],
    );
    let output = once.output().unwrap();
    let log = String::from_utf8(output.stderr).unwrap();
    assert!(log.contains("DEBUG") && !log.to_ascii_lowercase().contains("hunter2"), "{log}");
}
