//! Every limit of the front door, in one place; `docs/security.md` lists them, and a test keeps both equal.

use std::time::Duration;

/// Connections that may be open at once; a fleet of scrapers needs a handful.
pub(super) const MAX_CONNECTIONS: usize = 512;

/// Requests under way at once, health routes aside. Fewer than connections: while they all wait for
/// something slow, there is still an idle connection that makes room for a probe.
pub(super) const MAX_IN_FLIGHT: usize = 128;

/// Of those that may wait for an export, which takes long: they may not take everybody's place.
pub(super) const MAX_EXPORT_ASKERS: usize = 16;

/// Longest head of a request, in bytes and in headers.
pub(super) const MAX_HEAD: usize = 16 * 1024;
pub(super) const MAX_HEADERS: usize = 64;

/// What a connection may buffer: a head that never ends is given up here.
pub(super) const MAX_BUFFER: usize = 32 * 1024;

/// No route reads a body; what says that it is longer is refused, and none is waited for.
pub(super) const MAX_BODY: usize = 16 * 1024;

/// How long a client may take for its side of a TLS handshake …
pub(super) const HANDSHAKE_TIME: Duration = Duration::from_secs(10);
/// … to send the head of its next request …
pub(super) const HEAD_TIME: Duration = Duration::from_secs(10);
/// … and to take anything of an answer.
pub(super) const WRITE_TIME: Duration = Duration::from_secs(10);

/// Health never waits for anything: if it does, something is broken.
pub(super) const HEALTH_TIME: Duration = Duration::from_secs(1);
/// What another answer may take beyond the one request to a dependency that it may wait for.
pub(super) const MARGIN: Duration = Duration::from_secs(5);
/// An export may wait for one that is under way, for a fresh snapshot, and for its own sinks.
pub(super) const EXPORT_REQUESTS: u32 = 3;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::file_watch::POLL_INTERVAL;
    use crate::outlets::push::delivery::SPACING;

    #[test]
    fn the_security_page_tells_them() {
        let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/security.md")).unwrap();
        let seconds = |time: Duration| format!("{} s", time.as_secs());
        let kibibytes = |bytes: usize| format!("{} KiB", bytes / 1024);
        let beyond = |requests: String| format!("{requests}`METRICS_REQUEST_TIMEOUT_SEC` + {}", seconds(MARGIN));
        for (what, limit) in [
            ("connections", MAX_CONNECTIONS.to_string()),
            ("requests in flight", MAX_IN_FLIGHT.to_string()),
            ("requests in flight to `/metrics/export`", MAX_EXPORT_ASKERS.to_string()),
            ("head of a request", format!("{}, {MAX_HEADERS} headers", kibibytes(MAX_HEAD))),
            ("buffer of a connection", kibibytes(MAX_BUFFER)),
            ("body of a request", kibibytes(MAX_BODY)),
            ("TLS handshake", seconds(HANDSHAKE_TIME)),
            ("time to send a head", seconds(HEAD_TIME)),
            ("time without taking any of an answer", seconds(WRITE_TIME)),
            ("time of a health answer", seconds(HEALTH_TIME)),
            ("time of any other answer", beyond(String::new())),
            ("time of `/metrics/export`", beyond(format!("{EXPORT_REQUESTS} × "))),
            ("exports on demand", format!("1 in {}", seconds(SPACING))),
            ("looking at token and certificate files", format!("every {}", seconds(POLL_INTERVAL))),
        ] {
            let row = format!("| {what} | {limit} |");
            assert!(page.contains(&row), "docs/security.md has no row beginning\n{row}");
        }
    }
}
