//! Every limit of the HTTP server, in one place; `docs/security.md` lists them, and a test keeps both equal.

use std::time::Duration;

/// Connections that may be open at once; a fleet of scrapers needs a handful.
pub(super) const MAX_CONNECTIONS: usize = 512;

/// Requests in flight, health routes aside. Fewer than connections: while all of them wait for
/// something slow, there is still an idle connection to evict for a probe.
pub(super) const MAX_IN_FLIGHT: usize = 128;

/// Requests in flight that wait for an export. Exports are slow, so they have permits of their own.
pub(super) const MAX_EXPORTS_IN_FLIGHT: usize = 16;

/// Largest head of a request, in bytes and in headers.
pub(super) const MAX_HEAD: usize = 16 * 1024;
pub(super) const MAX_HEADERS: usize = 64;

/// Read buffer of a connection; a head that never ends is rejected here.
pub(super) const MAX_BUFFER: usize = 32 * 1024;

/// Longest body of a request. Only the routes of client events and of the login read one.
pub(super) const MAX_BODY: usize = 16 * 1024;

/// Longest client event: a message and a stack trace fit many times over.
pub(super) const MAX_EVENT_BODY: usize = 256 * 1024;

/// Client events in flight. They wait for nothing but their own bodies, and anybody may send them: together they hold
/// few connections and at most this many bodies.
pub(super) const MAX_EVENTS_IN_FLIGHT: usize = 32;

/// Time limit of a client event, from its head to the response.
pub(super) const EVENT_TIME: Duration = Duration::from_secs(10);

/// How often something may happen.
#[derive(Debug, Clone, Copy)]
pub(in crate::outlets) struct Rate {
    pub(in crate::outlets) per_second: u32,
    /// How many may come at once, after a pause.
    pub(in crate::outlets) burst: u32,
}

/// Client events of one peer; a page sends up to 50 at once.
pub(in crate::outlets) const PEER_EVENTS: Rate = Rate { per_second: 10, burst: 200 };

/// Client events of all peers: each is a line of the log.
pub(in crate::outlets) const TOTAL_EVENTS: Rate = Rate { per_second: 100, burst: 1000 };

/// Bytes that count as one client event; a larger one counts as one more for each of them.
pub(in crate::outlets) const EVENT_UNIT: usize = 4 * 1024;

/// Peers whose events are counted; there are that many at once only if addresses are made up.
pub(in crate::outlets) const MAX_EVENT_PEERS: usize = 10_000;

/// Time limit of a TLS handshake …
pub(super) const HANDSHAKE_TIME: Duration = Duration::from_secs(10);
/// … of the head of the next request …
pub(super) const HEAD_TIME: Duration = Duration::from_secs(10);
/// … and of a write that makes no progress.
pub(super) const WRITE_TIME: Duration = Duration::from_secs(10);

/// Health handlers wait for nothing: reaching this limit means a defect.
pub(super) const HEALTH_TIME: Duration = Duration::from_secs(1);
/// Added to the one request to a dependency that a response may wait for.
pub(super) const MARGIN: Duration = Duration::from_secs(5);
/// An export may wait for one in progress, for a fresh snapshot, and for its own sinks.
pub(super) const EXPORT_REQUESTS: u32 = 3;

/// What a class of routes may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::outlets) struct Budget {
    /// Time limit of a response.
    pub(super) time: Duration,
    /// Requests in flight to all routes of the class together; `None` = not limited.
    pub(super) in_flight: Option<usize>,
    /// Longest body of a request, bytes.
    pub(super) body: usize,
}

impl Budget {
    /// Never rejected for load: there is nothing to wait for.
    pub(in crate::outlets) const fn health() -> Self {
        Self { time: HEALTH_TIME, in_flight: None, body: MAX_BODY }
    }

    pub(in crate::outlets) fn normal(request_timeout: Duration) -> Self {
        Self { time: request_timeout + MARGIN, in_flight: Some(MAX_IN_FLIGHT), body: MAX_BODY }
    }

    pub(in crate::outlets) fn export(request_timeout: Duration) -> Self {
        let time = request_timeout * EXPORT_REQUESTS + MARGIN;
        Self { time, in_flight: Some(MAX_EXPORTS_IN_FLIGHT), body: MAX_BODY }
    }

    /// Anybody may try, so few at once.
    pub(in crate::outlets) const fn login() -> Self {
        Self { time: EVENT_TIME, in_flight: Some(MAX_EVENTS_IN_FLIGHT), body: MAX_BODY }
    }

    pub(in crate::outlets) const fn client_events() -> Self {
        Self { time: EVENT_TIME, in_flight: Some(MAX_EVENTS_IN_FLIGHT), body: MAX_EVENT_BODY }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::file_watch::POLL_INTERVAL;
    use crate::outlets::push::delivery::SPACING;

    #[test]
    fn the_security_page_lists_them() {
        let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/security.md")).unwrap();
        let seconds = |time: Duration| format!("{} s", time.as_secs());
        let kibibytes = |bytes: usize| format!("{} KiB", bytes / 1024);
        let rate = |Rate { per_second, burst }| format!("{per_second} per second, {burst} at once");
        let beyond = |requests: String| format!("{requests}`METRICS_REQUEST_TIMEOUT_SEC` + {}", seconds(MARGIN));
        for (what, limit) in [
            ("connections", MAX_CONNECTIONS.to_string()),
            ("requests in flight", MAX_IN_FLIGHT.to_string()),
            ("requests in flight to `/metrics/export`", MAX_EXPORTS_IN_FLIGHT.to_string()),
            ("head of a request", format!("{}, {MAX_HEADERS} headers", kibibytes(MAX_HEAD))),
            ("buffer of a connection", kibibytes(MAX_BUFFER)),
            ("body of a request", kibibytes(MAX_BODY)),
            ("body of a client event", kibibytes(MAX_EVENT_BODY)),
            ("client events in flight", MAX_EVENTS_IN_FLIGHT.to_string()),
            ("time of a client event", seconds(EVENT_TIME)),
            ("client events of one address", rate(PEER_EVENTS)),
            ("client events of all addresses", rate(TOTAL_EVENTS)),
            ("addresses that send client events", MAX_EVENT_PEERS.to_string()),
            ("TLS handshake", seconds(HANDSHAKE_TIME)),
            ("time to send a head", seconds(HEAD_TIME)),
            ("time without reading any of a response", seconds(WRITE_TIME)),
            ("time of a health response", seconds(HEALTH_TIME)),
            ("time of any other response", beyond(String::new())),
            ("time of `/metrics/export`", beyond(format!("{EXPORT_REQUESTS} × "))),
            ("exports on demand", format!("1 in {}", seconds(SPACING))),
            ("check of token and certificate files for changes", format!("every {}", seconds(POLL_INTERVAL))),
        ] {
            let row = format!("| {what} | {limit} |");
            assert!(page.contains(&row), "docs/security.md has no row beginning\n{row}");
        }
    }
}
