//! Counts of the HTTP server: requests, connections, reloads of watched files, certificate expiry.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::{Telemetry, locked};
use crate::base::clock::UnixSeconds;
use crate::problems::ProblemCode;
use crate::problems::code::code;

const RELOAD_FAILED: ProblemCode = code("reload_failed");

/// Why the server closed a connection early.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum CloseReason {
    /// Every connection was busy.
    Full,
    /// It was idle and was evicted for another one.
    Idle,
    /// The TLS handshake failed.
    Handshake,
}

impl CloseReason {
    /// Every reason, in the order of the enum.
    pub const ALL: [Self; 3] = [Self::Full, Self::Idle, Self::Handshake];

    /// The label value.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Idle => "idle",
            Self::Handshake => "handshake",
        }
    }
}

/// Files that are watched and reloaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum WatchedFiles {
    Tls,
    Tokens,
    /// Certificates for upstreams, in proxy mode.
    ProxyTls,
    PostgresCa,
    /// Redis' authorities and our certificate for it.
    RedisTls,
}

impl WatchedFiles {
    /// The label value.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tls => "tls",
            Self::Tokens => "tokens",
            Self::ProxyTls => "proxy_tls",
            Self::PostgresCa => "postgres_ca",
            Self::RedisTls => "redis_tls",
        }
    }
}

/// Reloads of one kind of files; a failed one keeps the previous contents.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ReloadCounts {
    pub ok: u64,
    pub failed: u64,
}

/// What the HTTP server did since the start.
#[derive(Debug, Clone, Default)]
pub struct HttpCounts {
    /// By route and status.
    pub requests: BTreeMap<(&'static str, u16), u64>,
    /// By method and code.
    pub grpc_requests: BTreeMap<(&'static str, &'static str), u64>,
    /// Connections that are open now.
    pub open_connections: u64,
    /// Reasons that never occurred are missing; [`Self::closed_early`] has all.
    closed_early: BTreeMap<CloseReason, u64>,
    /// Only files that are watched.
    pub reloads: BTreeMap<WatchedFiles, ReloadCounts>,
    /// By address and route; bounded.
    readers: BTreeMap<(IpAddr, &'static str), (UnixSeconds, u64)>,
    /// Expiry of the certificate in use, where it is known.
    pub certificate_expiry: Option<UnixSeconds>,
}

impl HttpCounts {
    /// Connections that were closed early for a reason.
    #[must_use]
    pub fn closed_early(&self, reason: CloseReason) -> u64 {
        self.closed_early.get(&reason).copied().unwrap_or(0)
    }
}

/// Routes whose readers are worth showing: autoscalers and scrapers, not people and probes.
const READ_BY_PROGRAMS: [&str; 6] = [
    "/metrics",
    "/api/v1/signals",
    "/api/v1/recommendation",
    "/metrics/combined",
    "/metrics/ingress/system",
    "/metrics/proc/system",
];
/// Most readers that are remembered; the one that has been away longest makes room.
const MOST_READERS: usize = 50;

/// Who read a route, and when last.
#[derive(Debug, Clone, PartialEq)]
pub struct ReaderCount {
    pub peer: IpAddr,
    pub route: &'static str,
    /// Unix seconds.
    pub last: UnixSeconds,
    pub requests: u64,
}

impl Telemetry {
    /// A request was answered.
    pub fn http_request(&self, route: &'static str, status: u16) {
        *locked(&self.http).requests.entry((route, status)).or_default() += 1;
    }

    /// Somebody read a route.
    pub fn has_read(&self, route: &'static str, peer: IpAddr, now: UnixSeconds) {
        if !READ_BY_PROGRAMS.contains(&route) {
            return;
        }
        let mut http = locked(&self.http);
        let readers = &mut http.readers;
        if readers.len() >= MOST_READERS && !readers.contains_key(&(peer, route)) {
            let oldest = readers.iter().min_by(|left, right| left.1.0.total_cmp(&right.1.0)).map(|(key, _)| *key);
            oldest.map(|key| readers.remove(&key));
        }
        let reader = readers.entry((peer, route)).or_default();
        *reader = (now, reader.1 + 1);
    }

    /// Who read since the start, the newest first.
    #[must_use]
    pub fn readers(&self) -> Vec<ReaderCount> {
        let reader = |(key, value): (&(IpAddr, &'static str), &(UnixSeconds, u64))| ReaderCount {
            peer: key.0,
            route: key.1,
            last: value.0,
            requests: value.1,
        };
        let mut readers: Vec<ReaderCount> = locked(&self.http).readers.iter().map(reader).collect();
        readers.sort_by(|left, right| right.last.total_cmp(&left.last));
        readers
    }

    /// A gRPC request was answered, or a stream opened.
    pub fn grpc_request(&self, method: &'static str, code: &'static str) {
        *locked(&self.http).grpc_requests.entry((method, code)).or_default() += 1;
    }

    /// A connection was accepted.
    pub fn connection_opened(&self) {
        locked(&self.http).open_connections += 1;
    }

    /// One of them is closed.
    pub fn connection_closed(&self) {
        let mut http = locked(&self.http);
        http.open_connections = http.open_connections.saturating_sub(1);
    }

    /// The server closed a connection early.
    pub fn connection_closed_early(&self, reason: CloseReason) {
        *locked(&self.http).closed_early.entry(reason).or_default() += 1;
    }

    /// These files are watched: their series start at 0.
    pub fn register_watched_files(&self, files: WatchedFiles) {
        locked(&self.http).reloads.entry(files).or_default();
    }

    /// Watched files changed: their contents are in use now, or were rejected for these reasons.
    pub fn files_reloaded(&self, files: WatchedFiles, errors: Option<&[String]>, now: UnixSeconds) {
        {
            let mut http = locked(&self.http);
            let counts = http.reloads.entry(files).or_default();
            *if errors.is_none() { &mut counts.ok } else { &mut counts.failed } += 1;
        }
        self.problems.set(RELOAD_FAILED, files.as_str(), errors.map(|errors| errors.join("; ")), now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::Observed;

    #[test]
    fn every_close_reason_has_a_count() {
        let telemetry = Telemetry::default();
        telemetry.connection_closed_early(CloseReason::Idle);
        telemetry.connection_closed_early(CloseReason::Idle);
        telemetry.connection_closed_early(CloseReason::Handshake);
        let http = telemetry.own_state(Observed::default()).http;
        assert_eq!(CloseReason::ALL.map(|reason| http.closed_early(reason)), [0, 2, 1]);
    }

    #[test]
    fn readers_of_signals_are_remembered_the_newest_first_and_few() {
        let telemetry = Telemetry::default();
        let peer = |last: u8| IpAddr::from([10, 0, 0, last]);
        for (time, last) in (0_u8..60).enumerate() {
            telemetry.has_read("/metrics", peer(last), crate::base::number::float(crate::base::number::count(time)));
        }
        telemetry.has_read("/metrics", peer(59), 99.0);
        telemetry.has_read("/", peer(1), 100.0);
        let readers = telemetry.readers();
        assert_eq!((readers.len(), readers[0].peer, readers[0].requests), (MOST_READERS, peer(59), 2));
        assert_eq!((readers[0].last, readers[49].peer), (99.0, peer(10)));
    }

    #[test]
    fn only_watched_files_have_reloads() {
        let telemetry = Telemetry::default();
        telemetry.register_watched_files(WatchedFiles::Tokens);
        telemetry.files_reloaded(WatchedFiles::Tokens, Some(&["is empty".to_owned()]), 1.0);
        let reloads = telemetry.own_state(Observed::default()).http.reloads;
        assert_eq!(reloads, BTreeMap::from([(WatchedFiles::Tokens, ReloadCounts { ok: 0, failed: 1 })]));
        assert_eq!(telemetry.problems().active()[0].detail, "is empty");
        telemetry.files_reloaded(WatchedFiles::Tokens, None, 2.0);
        assert_eq!(telemetry.problems().active(), []);
    }

    #[test]
    fn requests_are_counted_by_route_and_status() {
        let telemetry = Telemetry::default();
        for status in [200, 200, 401] {
            telemetry.http_request("/metrics", status);
        }
        let requests = telemetry.own_state(Observed::default()).http.requests;
        assert_eq!(requests, BTreeMap::from([(("/metrics", 200), 2), (("/metrics", 401), 1)]));
    }

    #[test]
    fn open_connections_are_those_that_were_not_closed_and_never_fewer_than_none() {
        let telemetry = Telemetry::default();
        let open = || telemetry.own_state(Observed::default()).http.open_connections;
        telemetry.connection_opened();
        telemetry.connection_opened();
        telemetry.connection_closed();
        assert_eq!(open(), 1);
        telemetry.connection_closed();
        telemetry.connection_closed();
        assert_eq!(open(), 0);
    }

    #[test]
    fn a_peer_that_reads_two_routes_is_two_readers_and_the_newest_is_first() {
        let (telemetry, peer) = (Telemetry::default(), IpAddr::from([10, 0, 0, 1]));
        for (route, now) in [("/metrics", 1.0), ("/api/v1/signals", 2.0), ("/metrics", 3.0), ("/livez", 4.0)] {
            telemetry.has_read(route, peer, now);
        }
        let readers = telemetry.readers().into_iter().map(|reader| (reader.route, reader.last, reader.requests));
        assert_eq!(readers.collect::<Vec<_>>(), [("/metrics", 3.0, 2), ("/api/v1/signals", 2.0, 1)]);
    }
}
