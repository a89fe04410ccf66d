//! What the front door counts: connections, those that were turned away, and files that were read again.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::locked;
use crate::base::clock::UnixSeconds;

/// Why a connection was closed before its client was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum CloseReason {
    /// Every connection was busy.
    Full,
    /// It was idle, and another one needed its place.
    Idle,
    /// It did not become a TLS connection.
    Handshake,
}

impl CloseReason {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Idle => "idle",
            Self::Handshake => "handshake",
        }
    }
}

/// Files that are followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Files {
    Tls,
    Tokens,
    /// Certificates for upstreams, in proxy mode.
    ProxyTls,
    PostgresCa,
}

impl Files {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Tls => "tls",
            Self::Tokens => "tokens",
            Self::ProxyTls => "proxy_tls",
            Self::PostgresCa => "postgres_ca",
        }
    }
}

/// The counts; shared, every method cheap.
#[derive(Debug, Default)]
pub struct HttpStats {
    open: AtomicU64,
    closed_early: Mutex<BTreeMap<CloseReason, u64>>,
    /// Read again: used, not usable.
    reloads: Mutex<BTreeMap<Files, [u64; 2]>>,
    certificate_ends: Mutex<Option<UnixSeconds>>,
}

impl HttpStats {
    /// So many connections are open.
    pub fn set_open(&self, connections: usize) {
        self.open.store(connections as u64, Relaxed);
    }

    /// A connection was closed before its client was done.
    pub fn closed_early(&self, why: CloseReason) {
        *locked(&self.closed_early).entry(why).or_default() += 1;
    }

    /// These files are followed: their series begin at 0.
    pub fn follows(&self, files: Files) {
        locked(&self.reloads).entry(files).or_default();
    }

    /// They changed, and what they hold now is used, or cannot be.
    pub fn reloaded(&self, files: Files, used: bool) {
        let mut reloads = locked(&self.reloads);
        let [ok, failed] = reloads.entry(files).or_default();
        *if used { ok } else { failed } += 1;
    }

    /// When the certificate in use ends, where that is known.
    pub fn certificate_ends(&self, at: Option<UnixSeconds>) {
        *locked(&self.certificate_ends) = at;
    }

    pub(crate) fn read_open(&self) -> u64 {
        self.open.load(Relaxed)
    }

    /// Every reason with its number, 0 too.
    pub(crate) fn read_closed_early(&self) -> Vec<(&'static str, u64)> {
        let closed_early = locked(&self.closed_early);
        let all = [CloseReason::Full, CloseReason::Idle, CloseReason::Handshake];
        all.map(|why| (why.as_str(), closed_early.get(&why).copied().unwrap_or(0))).to_vec()
    }

    /// Every kind of files with a result and its number.
    pub(crate) fn read_reloads(&self) -> Vec<(&'static str, &'static str, u64)> {
        let reloads = locked(&self.reloads);
        let both = |(files, [ok, failed]): (&Files, &[u64; 2])| {
            [(files.as_str(), "ok", *ok), (files.as_str(), "failed", *failed)]
        };
        reloads.iter().flat_map(both).collect()
    }

    pub(crate) fn read_certificate_ends(&self) -> Option<UnixSeconds> {
        *locked(&self.certificate_ends)
    }
}
