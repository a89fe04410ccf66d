//! `/api/v1/explain` and `kdcube-metrics explain` over a real Redis.

use std::time::Duration;

use crate::server::simulate;
use crate::support::{RedisServer, Server, eventually, program, request};

/// Standard output, standard error and exit code.
fn explain(server: &Server, arguments: &[&str], variables: &[(&str, &str)]) -> (String, String, Option<i32>) {
    let port = server.port().to_string();
    let variables = [&[("METRICS_PORT", port.as_str())], variables].concat();
    let output = program(&variables, &[&["explain"], arguments].concat()).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (text(output.stdout), text(output.stderr), output.status.code())
}

#[test]
fn a_number_is_explained_by_what_is_in_redis_now_and_as_it_was_before() {
    let redis = RedisServer::start();
    let _simulator = simulate(&redis);
    let server = Server::ready(&[("REDIS_URL", &redis.url())]);
    let path = "/api/v1/explain/proc.queue.pressure_ratio";
    eventually("workers", Duration::from_secs(10), || server.get(path).json()["value"].is_number());
    let found = server.get(path).json();
    let operand = |place: usize| found["operands"][place]["value"].as_f64().unwrap();
    assert_eq!(found["value"].as_f64().unwrap(), operand(0) / operand(1), "{found}");
    let sources = found["sources"].as_array().unwrap();
    let names = |part: &str| sources.iter().any(|source| source["source"].as_str().unwrap().contains(part));
    assert!(names("acme:chat:kdcube:chat:prompt:queue:paid") && names("heartbeat:process:"), "{found}");

    let (at, value) = (found["snapshot"]["time"].as_f64().unwrap(), found["value"].clone());
    let earlier = server.get(&format!("{path}?at={at}")).json();
    assert_eq!((&earlier["then"]["value"], earlier["then"]["time"].as_f64()), (&value, Some(at)), "{earlier}");
    assert_eq!(server.get(&format!("{path}?at=5")).status, 404);
    assert_eq!(server.get(&format!("{path}?at=soon")).status, 400);
    let unknown = server.get("/api/v1/explain/proc.queue.presure_ratio");
    assert_eq!(unknown.status, 404);
    assert!(unknown.text().contains("near: proc.queue.pressure_ratio"), "{}", unknown.text());
}

#[test]
fn the_command_prints_it_and_says_in_one_line_what_is_wrong() {
    let token = ("METRICS_AUTH_TOKEN", "hunter2");
    let server = Server::ready(&[("METRICS_MODE", "embedded"), token]);
    assert_eq!(request(server.port(), "GET", "/api/v1/explain/proc.queue.total", &[]).status, 401);
    let (text, errors, code) = explain(&server, &["kdcube_proc_queue_total"], &[token]);
    assert_eq!(code, Some(0), "{errors}");
    assert!(text.starts_with("proc.queue.total  ") && text.contains("max(kdcube_proc_queue_total)"), "{text}");
    let (json, _, _) = explain(&server, &["proc.queue.total", "--json"], &[token]);
    assert_eq!(serde_json::from_str::<serde_json::Value>(&json).unwrap()["key"], "proc.queue.total");
    for (arguments, variables, code, part) in [
        (&["proc.queue.totl"][..], &[token][..], 1, "near: proc.queue.total"),
        (&["proc.queue.total", "--at", "5"], &[token], 1, "the oldest tick that is kept"),
        (&["proc.queue.total"], &[], 1, "this route needs `Authorization: Bearer <token>`"),
        (&["proc.queue.total", "--server", "http://127.0.0.1:1"], &[token], 1, "is the server running there?"),
        (&["proc.queue.total", "--server", "nowhere"], &[token], 78, "--server: "),
    ] {
        let (_, errors, found) = explain(&server, arguments, variables);
        assert!(found == Some(code) && errors.contains(part) && !errors.contains("hunter2"), "{arguments:?}: {errors}");
    }
}
