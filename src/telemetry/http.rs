//! Counts of the HTTP server: open connections, those that it closed early, and reloads of watched files.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::locked;
use crate::base::clock::UnixSeconds;

/// Why the server closed a connection before its client was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum CloseReason {
    /// Every connection was busy.
    Full,
    /// It was idle, and evicted for a new one.
    Idle,
    /// The TLS handshake failed.
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

/// Files that are watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Files {
    Tls,
    Tokens,
}

impl Files {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Tls => "tls",
            Self::Tokens => "tokens",
        }
    }
}

/// Shared; every method is cheap.
#[derive(Debug, Default)]
pub struct HttpStats {
    open: AtomicU64,
    closed_early: Mutex<BTreeMap<CloseReason, u64>>,
    /// Reloads: ok, failed.
    reloads: Mutex<BTreeMap<Files, [u64; 2]>>,
    certificate_ends: Mutex<Option<UnixSeconds>>,
}

impl HttpStats {
    pub fn set_open(&self, connections: usize) {
        self.open.store(connections as u64, Relaxed);
    }

    /// The server closed a connection before its client was done.
    pub fn closed_early(&self, why: CloseReason) {
        *locked(&self.closed_early).entry(why).or_default() += 1;
    }

    /// These files are watched: their series begin at 0.
    pub fn watches(&self, files: Files) {
        locked(&self.reloads).entry(files).or_default();
    }

    /// They changed and were reloaded; `used` is false if the contents are invalid.
    pub fn reloaded(&self, files: Files, used: bool) {
        let mut reloads = locked(&self.reloads);
        let [ok, failed] = reloads.entry(files).or_default();
        *if used { ok } else { failed } += 1;
    }

    /// When the certificate in use expires, where that is known.
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
