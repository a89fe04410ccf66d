//! Every limit of HTTP/2 connections and gRPC requests, in one place; `docs/security.md` lists them, and a test keeps both
//! equal.

use std::time::Duration;

use super::limits::Budget;

/// Requests in flight on one connection. KEDA sends all triggers of a server over one, and each of the type external-push
/// keeps a request open.
pub(super) const MAX_STREAMS: u32 = 4096;

/// Requests that stay open, over all connections.
pub(in crate::outlets) const MAX_OPEN_STREAMS: usize = 16_384;

/// Requests whose response has not begun, over all connections.
pub(super) const MAX_IN_FLIGHT: usize = 1024;

/// Longest message of a request.
pub(in crate::outlets) const MAX_MESSAGE: usize = 64 * 1024;

/// Time until a response begins: handlers wait for nothing but the request's message.
pub(super) const RESPONSE_TIME: Duration = Duration::from_secs(10);

/// Time between two pings on a connection, and how long the answer may take: a client that is gone is noticed.
pub(super) const PING_INTERVAL: Duration = Duration::from_secs(30);
pub(super) const PING_TIME: Duration = Duration::from_secs(10);

/// Time for requests in flight on a connection that has to end.
pub(super) const GOAWAY_TIME: Duration = Duration::from_secs(3);

impl Budget {
    pub(in crate::outlets) const fn grpc() -> Self {
        Self { time: RESPONSE_TIME, in_flight: Some(MAX_IN_FLIGHT), body: MAX_MESSAGE }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outlets::http::limits::MAX_CONNECTIONS;

    #[test]
    fn the_security_page_lists_them() {
        let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/security.md")).unwrap();
        for (what, limit) in [
            ("gRPC connections", MAX_CONNECTIONS.to_string()),
            ("gRPC requests of one connection", MAX_STREAMS.to_string()),
            ("gRPC requests in flight", MAX_IN_FLIGHT.to_string()),
            ("gRPC streams", MAX_OPEN_STREAMS.to_string()),
            ("message of a gRPC request", format!("{} KiB", MAX_MESSAGE / 1024)),
            ("time until a gRPC response begins", format!("{} s", RESPONSE_TIME.as_secs())),
            (
                "time until a gRPC client that is gone is noticed",
                format!("{} s", (PING_INTERVAL + PING_TIME).as_secs()),
            ),
        ] {
            let row = format!("| {what} | {limit} |");
            assert!(page.contains(&row), "docs/security.md has no row beginning\n{row}");
        }
    }
}
