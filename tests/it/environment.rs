//! The environment as containers give it: empty variables, quotes that stay, byte order marks.

use std::path::{Path, PathBuf};

use crate::support::{GATEWAY, RedisServer, Server, program, request};

const MARK: &str = "\u{feff}";

fn file(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path
}

/// What a command prints, on both streams, and its exit code.
fn run(variables: &[(&str, &str)], arguments: &[&str]) -> (Option<i32>, String) {
    let output = program(variables, arguments).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(text).unwrap())
}

/// A proxy that refuses everything; returns its address and the first line of each request.
#[cfg(feature = "cloudwatch")]
fn proxy() -> (String, std::sync::mpsc::Receiver<String>) {
    use std::io::{BufRead, BufReader, Write};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let (out, lines) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut line = String::new();
            BufReader::new(&stream).read_line(&mut line).unwrap();
            let _ = stream.write_all(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n");
            if out.send(line).is_err() {
                return;
            }
        }
    });
    (address, lines)
}

#[test]
#[cfg(feature = "cloudwatch")]
fn an_empty_endpoint_of_aws_counts_as_unset() {
    for name in ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_CLOUDWATCH"] {
        let (address, lines) = proxy();
        let (code, text) = run(
            &[
                ("METRICS_MODE", "embedded"),
                ("METRICS_EXPORT_CLOUDWATCH", "1"),
                ("METRICS_CLOUDWATCH_REGION", "eu-central-1"),
                ("METRICS_REQUEST_TIMEOUT_SEC", "2"),
                ("AWS_ACCESS_KEY_ID", "x"),
                ("AWS_SECRET_ACCESS_KEY", "y"),
                ("HTTPS_PROXY", &address),
                (name, ""),
            ],
            &["once"],
        );
        assert_eq!((code, text.contains("panicked")), (Some(3), false), "{text}");
        assert!(lines.recv().unwrap().starts_with("CONNECT monitoring.eu-central-1.amazonaws.com:443"), "{name}");
    }
}

#[test]
fn a_byte_order_mark_before_a_file_is_skipped() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name, text: &str| file(folder.path(), name, &format!("{MARK}{text}")).to_str().unwrap().to_owned();
    let redis = RedisServer::start().with_deployment();
    let (env_file, url) = (write("env", &format!("REDIS_URL={}\n", redis.url())), write("url", &redis.url()));
    assert_eq!(run(&[GATEWAY], &["--env-file", &env_file, "snapshot"]).0, Some(0));
    assert_eq!(
        run(&[("GATEWAY_CONFIG_JSON_FILE", &write("json", GATEWAY.1)), ("REDIS_URL_FILE", &url)], &["snapshot"]).0,
        Some(0)
    );
    let tokens = write("tokens", "hunter2\n");
    let server = Server::start(&[("METRICS_MODE", "embedded"), ("METRICS_AUTH_TOKEN_FILE", &tokens)]);
    let with = |token| request(server.port(), "GET", "/metrics", &[("Authorization", token)]).status;
    assert_eq!([with("Bearer hunter2"), with("Bearer hunter3")], [200, 401]);
}

#[test]
fn quotes_that_docker_keeps_are_removed_and_reported_by_name() {
    let redis = RedisServer::start().with_deployment();
    let quoted = format!("\"{}\"", redis.url());
    let (code, text) = run(&[GATEWAY, ("REDIS_URL", &quoted), ("METRICS_AUTH_TOKEN", "'hunter2'")], &["snapshot"]);
    assert_eq!(code, Some(0), "{text}");
    for name in ["REDIS_URL", "METRICS_AUTH_TOKEN"] {
        assert!(text.contains(&format!("{name}: has quotes around its value")), "{text}");
    }
    assert!(!text.contains("hunter2"), "{text}");
}

#[test]
fn what_is_odd_about_an_env_file_is_printed_besides_errors() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(folder.path(), "env", "OTHER=two words\nMETRICS_PORT=tcp://10.0.3.4:8090\n");
    let (code, text) = run(&[("METRICS_MODE", "embedded")], &["--env-file", path.to_str().unwrap(), "serve"]);
    assert_eq!(code, Some(78), "{text}");
    assert!(
        text.contains("warning: --env-file ") && text.contains("line 1 is not NAME=value and is ignored"),
        "{text}"
    );
    assert!(text.contains("METRICS_PORT \"tcp://10.0.3.4:8090\"") && text.contains("enableServiceLinks"), "{text}");
}

#[test]
fn a_machine_without_certificates_connects_where_none_are_needed() {
    let server = Server::ready(&[("METRICS_MODE", "embedded"), ("SSL_CERT_FILE", "/nonexistent.pem")]);
    let (port, url) = (server.port().to_string(), format!("http://127.0.0.1:{}", server.port()));
    let none = ("SSL_CERT_FILE", "/nonexistent.pem");
    let proxy = [none, ("METRICS_MODE", "proxy"), ("METRICS_PROC_BASE_URL", url.as_str())];
    let (code, text) = run(&proxy, &["snapshot", "--format", "scalars"]);
    assert_eq!(code, Some(0), "{text}");
    let (code, text) = run(&[none, ("METRICS_PORT", &port), ("METRICS_BIND", "127.0.0.1")], &["healthcheck"]);
    assert_eq!(code, Some(0), "{text}");
}
