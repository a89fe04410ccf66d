//! Browsers' log events, through a real nginx as the platform deploys it: the log, limits and the switch.

use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};

use crate::proxy::nginx::Nginx;
use crate::support::{Answer, Server, eventually, raw, request};

const EMBEDDED: (&str, &str) = ("METRICS_MODE", "embedded");
const TOKEN: (&str, &str) = ("METRICS_AUTH_TOKEN", "hunter2");
const PATH: &str = "/api/events/client";

fn event(level: &str, message: &str) -> Value {
    json!({"event_type": "log", "origin": "kdcube-frontend", "tenant": "acme", "project": "chat", "user_id": null,
        "session_id": "s", "conversation_id": null, "timestamp": "2026-01-01T00:00:00Z", "timezone": "UTC",
        "level": level, "message": message, "args": [{"url": "https://chat.example/", "stack": "at x"}]})
}

fn post(port: u16, body: &Value) -> Answer {
    let body = body.to_string();
    let head = format!("POST {PATH} HTTP/1.0\r\nContent-Type: application/json\r\nContent-Length: {}", body.len());
    raw(port, format!("{head}\r\n\r\n{body}").as_bytes()).expect("an answer")
}

/// The location of the platform's own nginx, after these.
fn platform_nginx(server: &Server, before: &str) -> Nginx {
    Nginx::start(&format!(
        "{before} location ^~ /api/events/ {{
            proxy_pass http://127.0.0.1:{};
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            client_max_body_size 10M;
        }}",
        server.port()
    ))
}

fn metrics(server: &Server) -> String {
    request(server.port(), "GET", "/metrics", &[("Authorization", "Bearer hunter2")]).text()
}

#[test]
fn events_become_one_line_each_at_their_level_without_a_token() {
    let server = Server::start(&[EMBEDDED, TOKEN]);
    let nginx = platform_nginx(&server, "");
    for (level, shown) in [("error", "ERROR"), ("warn", " WARN"), ("warning", " WARN"), ("info", " INFO")] {
        let forged = format!("boom\nERROR kdcube_metrics: forged\u{1b}[2J{level}");
        let answer = post(nginx.port(), &event(level, &forged));
        let level = level.trim_end_matches("ing");
        let received = json!({"status": "received", "event_type": "log", "level": level});
        assert_eq!((answer.status, answer.json()), (200, received));
        let line = format!("{shown} kdcube.events: {}", event(level, &forged));
        // The log has a queue of its own.
        eventually(&line, Duration::from_secs(10), || server.log().lines().any(|found| found.ends_with(&line)));
    }
    let forged = |line: &str| line.starts_with("ERROR kdcube_metrics: forged");
    assert!(!server.log().lines().any(forged) && !server.log().contains("\u{1b}[2J"));
    let invalid = post(nginx.port(), &json!({"event_type": "log"}));
    assert_eq!((invalid.status, invalid.json()["detail"][0]["type"].as_str()), (422, Some("missing")));
    let counted = metrics(&server);
    for (level, result, count) in [("error", "received", 1), ("warn", "received", 2), ("unknown", "invalid", 1)] {
        let line = format!("kdcube_metrics_client_events_total{{level=\"{level}\",result=\"{result}\"}} {count}");
        assert!(counted.lines().any(|found| found == line), "{line}");
    }
}

#[test]
fn in_the_json_log_an_event_is_the_message() {
    let server = Server::start(&[EMBEDDED, ("METRICS_LOG_FORMAT", "json")]);
    assert_eq!(post(server.port(), &event("error", "boom")).status, 200);
    let lines: Vec<Value> =
        server.log_with("kdcube.events").lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let line = lines.iter().find(|line| line["target"] == "kdcube.events").expect("the event is logged");
    assert_eq!(
        (&line["level"], line["message"].as_str()),
        (&json!("ERROR"), Some(&*event("error", "boom").to_string()))
    );
}

#[test]
fn one_browser_that_sends_too_many_keeps_no_other_out() {
    let server = Server::start(&[EMBEDDED, TOKEN]);
    let nginx = platform_nginx(&server, "");
    let other = Nginx::start(&format!(
        "location / {{ proxy_pass http://127.0.0.1:{}; proxy_set_header X-Forwarded-For 203.0.113.7; }}",
        server.port()
    ));
    let flood: Vec<u16> = (0..400).map(|_| post(nginx.port(), &event("info", "again")).status).collect();
    assert_eq!(flood[..200], [200; 200]);
    assert!(flood.contains(&429), "{flood:?}");
    let answer = post(other.port(), &event("info", "once"));
    assert_eq!(answer.status, 200);
    let counted = metrics(&server);
    let limited = "kdcube_metrics_client_events_total{level=\"unknown\",result=\"rate_limited\"} ";
    let counted = counted.lines().find_map(|line| line.strip_prefix(limited)?.parse::<usize>().ok());
    assert_eq!(counted, Some(flood.iter().filter(|status| **status == 429).count()));
}

#[test]
fn bodies_that_do_not_come_hold_up_events_alone() {
    let server = Server::ready(&[EMBEDDED, TOKEN]);
    let head =
        format!("POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 999\r\n\r\n{{");
    let open = || {
        let mut stream = TcpStream::connect(("127.0.0.1", server.port())).unwrap();
        stream.write_all(head.as_bytes()).unwrap();
        stream
    };
    let held: Vec<TcpStream> = (0..100).map(|_| open()).collect();
    eventually("the limit of events in flight", Duration::from_secs(5), || {
        post(server.port(), &event("info", "late")).status == 503
    });
    assert_eq!((server.get("/livez").status, server.get("/readyz").status), (200, 200));
    assert!(metrics(&server).contains("kdcube_metrics_up 1"));
    drop(held);
    eventually("room for events", Duration::from_secs(5), || {
        post(server.port(), &event("info", "again")).status == 200
    });
}

#[test]
fn switched_off_the_route_is_not_there_and_the_documented_line_of_nginx_answers_instead() {
    let server = Server::start(&[EMBEDDED, TOKEN, ("METRICS_CLIENT_EVENTS", "0")]);
    let page = include_str!("../../docs/security.md");
    let line = page.split("```nginx\n").nth(1).and_then(|rest| rest.lines().next()).expect("the page has the line");
    assert_eq!(post(platform_nginx(&server, "").port(), &event("error", "lost")).status, 404);
    assert_eq!(post(platform_nginx(&server, line).port(), &event("error", "lost")).status, 204);
    assert!(!server.log().contains("kdcube.events") && !metrics(&server).contains("client_events_total"));
}
