//! A stub in front of a second server: it passes requests on and rewrites the answers as the Python service would.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::support::{free_port, get};

type Rewrite = fn(&mut Value);

pub(super) struct PythonService {
    port: u16,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// Heads of requests, as they came.
    heard: String,
    requests: u32,
    /// The first and the last request that fail.
    fails: Option<(u32, u32)>,
}

impl PythonService {
    pub(super) fn start(upstream: u16, rewrite: Rewrite) -> Self {
        let port = free_port();
        let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
        let state = Arc::<Mutex<State>>::default();
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                answer(&mut stream.unwrap(), &shared, upstream, rewrite);
            }
        });
        Self { port, state }
    }

    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub(super) fn heard(&self) -> String {
        self.state.lock().unwrap().heard.clone()
    }

    /// Answers 500 after this many requests; a poll sends two.
    pub(super) fn fail_after(&self, requests: u32) {
        self.state.lock().unwrap().fails = Some((requests + 1, u32::MAX));
    }

    /// Answers 500 to one request.
    pub(super) fn fail_once(&self, request: u32) {
        self.state.lock().unwrap().fails = Some((request, request));
    }
}

fn answer(stream: &mut TcpStream, state: &Mutex<State>, upstream: u16, rewrite: Rewrite) {
    let head = head(stream);
    // A client that closed before it sent anything.
    let Some(path) = head.split(' ').nth(1) else { return };
    let fails = {
        let mut state = state.lock().unwrap();
        state.heard += &head;
        state.requests += 1;
        state.fails.is_some_and(|(first, last)| (first..=last).contains(&state.requests))
    };
    let (status, body) = match path {
        _ if fails => (500, "Internal Server Error".to_owned()),
        "/metrics" => (200, metrics(&get(upstream, path).text())),
        _ => (200, combined(get(upstream, path).json(), rewrite)),
    };
    let answer = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len());
    let _ = stream.write_all(answer.as_bytes());
}

fn head(stream: &mut TcpStream) -> String {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|read| read == 1) {
        head.push(byte[0]);
    }
    String::from_utf8_lossy(&head).into_owned()
}

fn combined(mut combined: Value, rewrite: Rewrite) -> String {
    rewrite(super::system(&mut combined));
    combined.to_string()
}

/// The page without labels and own metrics, with the platform's names; a gauge keeps a value that is gone.
fn metrics(text: &str) -> String {
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.contains('{'));
    let lines = lines.filter(|line| line.starts_with("kdcube_") && !line.starts_with("kdcube_metrics_"));
    let named = lines.map(|line| line.replace("_wait_p95 ", "_wait_p95_ms ").replace("_exec_p95 ", "_exec_p95_ms "));
    named.map(|line| line + "\n").collect::<String>() + "kdcube_ingress_rest_latency_p95 12\n"
}

/// What the Python service answers for the deployment of the tests, where one of two processors is unhealthy.
pub(super) fn defects(system: &mut Value) {
    let service = &mut system["instances"]["proc-1"]["chat_proc"];
    service["health_statuses"] = json!(["healthy", "healthy"]);
    service["health"] = json!("healthy");
    add(service, &["healthy_processes", "status_breakdown.healthy"], 1);
    add(service, &["status_breakdown.unhealthy"], -1);
    let proc = &mut system["components"]["proc"];
    add(proc, &["healthy_processes"], 1);
    add(&mut proc["instances"][0], &["healthy_processes"], 1);
    proc["instances"][0]["statuses"] = json!(["healthy", "healthy"]);
    proc["latency"]["exec_ms"]["1m"]["p95"] = Value::Null;
    proc["queue"]["windows"]["depth"] = json!({"1m": 30.0, "15m": 30.0, "1h": 30.0, "max": 30.0});
    add(&mut system["global_stats"], &["healthy", "healthy_instances"], 1);
    system["gateway_config_raw"]["redis_url"] = json!("redis://:hunter2@redis:6379/0");
    system["gateway_config_raw"]["data_bus"] = json!({"limit": "hunter2"});
}

fn add(object: &mut Value, paths: &[&str], number: i64) {
    for path in paths {
        let value = path.split('.').fold(&mut *object, |value, key| &mut value[key]);
        *value = json!(value.as_i64().unwrap() + number);
    }
}
