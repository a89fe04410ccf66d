//! Clients of the scaler's port that speak badly, or not at all.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use serde_json::json;

use super::{Scaler, depth, queue};
use crate::support::at_once;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A frame of HTTP/2.
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

fn talk(port: u16, bytes: &[u8]) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    // A server that has had enough closes the connection meanwhile.
    let _ = stream.write_all(bytes);
    let _ = stream.shutdown(Shutdown::Write);
    let _ = stream.read_to_end(&mut Vec::new());
}

#[test]
fn malformed_requests_get_a_status_each() {
    let redis = queue(1);
    let scaler = Scaler::ready(&[("REDIS_URL", &redis.url())]);
    let mut client = scaler.client();
    for (step, code) in [("unknown", "UNIMPLEMENTED"), ("garbage", "INTERNAL"), ("huge", "OUT_OF_RANGE")] {
        assert_eq!(client.failed(json!([step])).0, code, "{step}");
    }
    assert_eq!(client.ok(json!(["value", depth()])), 1);
}

#[test]
fn hostile_frames_cost_only_their_own_connection() {
    let redis = queue(1);
    let scaler = Scaler::ready(&[("REDIS_URL", &redis.url())]);
    let mut client = scaler.client();
    assert_eq!(client.ok(json!(["value", depth()])), 1);
    let settings = frame(4, 0, 0, &[]);
    let opened = |stream: u32| frame(1, 4, stream, &[0x82, 0x86, 0x84]);
    let resets: Vec<u8> =
        (0..5000).flat_map(|n| [opened(2 * n + 1), frame(3, 0, 2 * n + 1, &[0, 0, 0, 8])].concat()).collect();
    let pings: Vec<u8> = (0..5000).flat_map(|_| frame(6, 0, 0, &[0; 8])).collect();
    let endless: Vec<u8> = (0..2000).flat_map(|_| frame(9, 0, 1, &[0x40; 1000])).collect();
    for hostile in [
        b"\0".to_vec(),
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(),
        [PREFACE, &[0xff; 10_000]].concat(),
        [PREFACE, &settings, &resets].concat(),
        [PREFACE, &settings, &pings].concat(),
        // A head that never ends.
        [PREFACE, &settings, &frame(1, 0, 1, &[0x82]), &endless].concat(),
        // Data for a stream that is not open, and a window of no size.
        [PREFACE, &settings, &frame(0, 0, 7, &[0; 100])].concat(),
        [PREFACE, &settings, &frame(8, 0, 0, &[0, 0, 0, 0])].concat(),
    ] {
        talk(scaler.port, &hostile);
    }
    let silent: Vec<TcpStream> = (0..700).filter_map(|_| TcpStream::connect(("127.0.0.1", scaler.port)).ok()).collect();
    // Of one address the longest idle connection makes room, which may be the client's: then it connects again.
    let mut ask = || client.step(json!(["value", depth()]));
    assert_eq!(at_once(|| ask().or_else(|_| ask())), Ok(json!(1)));
    assert_eq!(scaler.client().ok(json!(["value", depth()])), 1, "there is room for another client");
    drop(silent);
    assert!(scaler.server.memory() < 120, "{} MiB", scaler.server.memory());
    assert!(!scaler.server.log().contains("panicked"), "{}", scaler.server.log());
}
