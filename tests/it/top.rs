//! `kdcube-metrics top` against a real server: as text, and in a terminal, which `script` makes.

use std::io::{Read, Write};
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::support::{Killed, Server, eventually, free_port, program};

const EMBEDDED: (&str, &str) = ("METRICS_MODE", "embedded");
const TOKEN: (&str, &str) = ("METRICS_AUTH_TOKEN", "hunter2");

fn top(variables: &[(&str, &str)], arguments: &[&str]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = program(variables, &[&["top"], arguments].concat()).output().unwrap();
    (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

#[test]
fn what_the_page_says_is_printed_as_text_of_the_server_here_or_of_a_named_one() {
    let server = Server::ready(&[EMBEDDED, TOKEN]);
    let port = server.port().to_string();
    let url = format!("http://127.0.0.1:{port}");
    let here = [("METRICS_PORT", port.as_str()), TOKEN];
    let named = ["--server", &url, "--token", "hunter2"];
    let ways = [(&here[..], &["--once"][..]), (&here, &[]), (&[], &named)];
    for (variables, arguments) in ways {
        let (code, text, errors) = top(variables, arguments);
        assert_eq!((code, errors.as_str()), (Some(0), ""), "{arguments:?}");
        for part in ["ingress ", "proc ", " wanted", "queued ", "SSE limit ", "workers: 5", "proc-1", "need: "] {
            assert!(text.contains(part), "{part} in\n{text}");
        }
        assert!(text.lines().all(|line| line.chars().count() <= 100) && !text.contains('\u{1b}'), "{text}");
    }
    let (code, text, errors) = top(&[("METRICS_PORT", &port)], &["--token", "hunter3"]);
    assert_eq!((code, text.as_str()), (Some(1), ""), "{errors}");
    assert!(!errors.contains("hunter"), "{errors}");
    let nobody = format!("http://127.0.0.1:{}", free_port());
    let (code, _, errors) = top(&[], &["--server", &nobody]);
    assert!(code == Some(1) && errors.contains("is the server running there?"), "{errors}");
}

#[test]
fn problems_stand_with_their_remedies() {
    let server = Server::ready(&[EMBEDDED, TOKEN]);
    assert_eq!(server.get("/metrics").status, 401);
    let port = server.port().to_string();
    let (_, text, _) = top(&[("METRICS_PORT", &port), TOKEN], &[]);
    assert!(text.contains("▲ unauthorized_requests 127.0.0.1 the last request came without a token"), "{text}");
    assert!(text.contains("  → Give the peer in the detail a valid token"), "{text}");
}

#[test]
fn a_terminal_is_drawn_again_and_again_until_q() {
    let server = Server::ready(&[EMBEDDED]);
    let program = format!("stty rows 24 cols 80; {} top", env!("CARGO_BIN_EXE_kdcube-metrics"));
    let mut script = Command::new("script");
    script.args(["--quiet", "--return", "--command", &program, "/dev/null"]).env("TERM", "xterm-256color");
    script.env("METRICS_PORT", server.port().to_string()).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut script = Killed(script.spawn().unwrap());
    let (mut out, screen) = (script.0.stdout.take().unwrap(), Arc::new(Mutex::new(Vec::new())));
    let sink = Arc::clone(&screen);
    let reader = std::thread::spawn(move || {
        let mut bytes = [0; 4096];
        while let Ok(count @ 1..) = out.read(&mut bytes) {
            sink.lock().unwrap().extend_from_slice(&bytes[..count]);
        }
    });
    let shows = |part: &str| String::from_utf8_lossy(&screen.lock().unwrap()).contains(part);
    eventually("the workers", Duration::from_secs(10), || shows("workers:") && shows("proc-1"));
    let drawn = screen.lock().unwrap().len();
    eventually("other numbers", Duration::from_secs(10), || screen.lock().unwrap().len() > drawn);
    script.0.stdin.as_mut().unwrap().write_all(b"q").unwrap();
    assert!(script.0.wait().unwrap().success());
    reader.join().unwrap();
    assert!(shows("\u{1b}[?1049l"), "the terminal is as it was before");
}
