//! The server about itself: its own metrics, logging set-up, and logging a repeated fact once.
//!
//! [`Telemetry`] holds what the other rooms report; [`own`] declares each metric once and reads it
//! off. Rendering is for `exporters`.

pub(crate) mod histogram;
pub mod http;
pub mod logging;
pub(crate) mod process;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI8, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use serde::Serialize;
use tracing::{info, warn};

use crate::base::clock::UnixSeconds;
use crate::base::log_throttle::LogThrottle;
use crate::platform::facts::{Component, InputKind, Malformed};
use histogram::Histogram;
use http::HttpStats;

/// A malformed input of a known kind is logged again after this long at the earliest.
const QUIET: Duration = Duration::from_mins(10);

/// What the server counts about itself. Shared as an `Arc`; every method is cheap and lock-free or
/// holds a lock for nanoseconds.
#[derive(Debug)]
pub struct Telemetry {
    pub(crate) ticks_ok: AtomicU64,
    pub(crate) ticks_failed: AtomicU64,
    pub(crate) tick_duration: Histogram,
    pub(crate) source_errors: AtomicU64,
    pub(crate) round_trips: AtomicU64,
    pub(crate) commands: AtomicU64,
    pub(crate) dropped: AtomicU64,
    pub(crate) record_errors: AtomicU64,
    /// Unset where PostgreSQL is not asked.
    pub(crate) postgres_errors: OnceLock<AtomicU64>,
    /// 1 leader, 0 follower, -1 not decided.
    pub(crate) leader: AtomicI8,
    pub(crate) malformed: Mutex<BTreeMap<InputKind, u64>>,
    pub(crate) requests: Mutex<BTreeMap<(&'static str, u16), u64>>,
    pub(crate) exports: Mutex<BTreeMap<&'static str, SinkCounts>>,
    pub(crate) upstreams: Mutex<BTreeMap<&'static str, UpstreamCounts>>,
    pub(crate) malformed_log: LogThrottle<InputKind>,
    pub(crate) record_log: LogThrottle<()>,
    /// What the front door counts.
    pub door: HttpStats,
}

/// What became of a sink's points since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct PointCounts {
    /// Points that the other side has taken.
    pub delivered: u64,
    /// Points that wait for a later delivery.
    pub waiting: usize,
    /// Points given up for good.
    pub dropped: u64,
}

/// How an export ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExportEnd {
    /// All was delivered.
    Ok,
    /// There was nothing true to push: the source's fault, not the sink's.
    NoData,
    Failed,
}

/// How exports to one sink went.
#[derive(Debug, Default)]
pub(crate) struct SinkCounts {
    pub(crate) ok: u64,
    pub(crate) no_data: u64,
    pub(crate) failed: u64,
    pub(crate) retries: u64,
    /// Unix time.
    pub(crate) last_success: Option<UnixSeconds>,
    pub(crate) last_failure: Option<UnixSeconds>,
    pub(crate) points: PointCounts,
    pub(crate) duration: Histogram,
}

/// How asking one upstream went.
#[derive(Debug, Default)]
pub(crate) struct UpstreamCounts {
    pub(crate) ok: u64,
    pub(crate) failed: u64,
    /// How it went last; `None` before the first time.
    pub(crate) up: Option<bool>,
    /// Seconds between its payload's own time and ours.
    pub(crate) age: Option<f64>,
}

impl Default for Telemetry {
    fn default() -> Self {
        Self {
            ticks_ok: AtomicU64::new(0),
            ticks_failed: AtomicU64::new(0),
            tick_duration: Histogram::default(),
            source_errors: AtomicU64::new(0),
            round_trips: AtomicU64::new(0),
            commands: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            record_errors: AtomicU64::new(0),
            postgres_errors: OnceLock::new(),
            leader: AtomicI8::new(-1),
            malformed: Mutex::default(),
            requests: Mutex::default(),
            exports: Mutex::default(),
            upstreams: Mutex::default(),
            malformed_log: LogThrottle::new(QUIET),
            record_log: LogThrottle::new(QUIET),
            door: HttpStats::default(),
        }
    }
}

impl Telemetry {
    /// A tick ended; a failed one published nothing.
    pub fn tick_finished(&self, ok: bool, took: Duration) {
        if ok { &self.ticks_ok } else { &self.ticks_failed }.fetch_add(1, Relaxed);
        self.tick_duration.observe(took);
    }

    /// The source could not be read or answered with an error.
    pub fn source_error(&self) {
        self.source_errors.fetch_add(1, Relaxed);
    }

    /// A tick's points could not be written to the rolling series: counted, and logged at most
    /// once in ten minutes.
    pub fn record_failed(&self, error: &dyn std::fmt::Display) {
        self.record_errors.fetch_add(1, Relaxed);
        if let Some(times) = self.record_log.admit(()) {
            warn!(%error, times, "rolling points could not be written");
        }
    }

    /// PostgreSQL is asked: its series begins at 0.
    pub fn register_postgres(&self) {
        self.postgres_errors.get_or_init(AtomicU64::default);
    }

    /// A query of max_connections failed.
    pub fn postgres_failed(&self) {
        self.postgres_errors.get_or_init(AtomicU64::default).fetch_add(1, Relaxed);
    }

    /// What the last tick cost the source.
    pub fn set_source_cost(&self, round_trips: u64, commands: u64) {
        self.round_trips.store(round_trips, Relaxed);
        self.commands.store(commands, Relaxed);
    }

    /// Samples that the history had to drop since the start.
    pub fn set_dropped(&self, samples: u64) {
        self.dropped.store(samples, Relaxed);
    }

    /// Whether this replica records and pushes.
    pub fn set_leader(&self, leader: bool) {
        self.leader.store(i8::from(leader), Relaxed);
    }

    /// Inputs that could not be read.
    pub fn malformed(&self, kind: InputKind, inputs: u64) {
        *locked(&self.malformed).entry(kind).or_default() += inputs;
    }

    /// Counts unreadable inputs and logs each kind at most once in ten minutes, with the number.
    pub fn report_malformed(&self, inputs: &[Malformed]) {
        for input in inputs {
            self.malformed(input.kind, 1);
            if let Some(times) = self.malformed_log.admit(input.kind) {
                let Malformed { kind, key, problem } = input;
                warn!(kind = kind.as_str(), key, problem, times, "malformed input skipped");
            }
        }
    }

    /// An HTTP request was answered.
    pub fn http_request(&self, route: &'static str, status: u16) {
        *locked(&self.requests).entry((route, status)).or_default() += 1;
    }

    /// An upstream was asked; `error` says why it told nothing. Logged when it changes.
    pub fn upstream_asked(&self, component: Component, error: Option<&str>) {
        let upstream = component.as_str();
        let mut upstreams = locked(&self.upstreams);
        let counts = upstreams.entry(upstream).or_default();
        *if error.is_none() { &mut counts.ok } else { &mut counts.failed } += 1;
        let was_up = counts.up.replace(error.is_none());
        match error {
            Some(error) if was_up != Some(false) => warn!(upstream, error, "upstream request failed"),
            None if was_up == Some(false) => info!(upstream, "upstream recovered"),
            _ => {}
        }
    }

    /// How old an upstream's payload was by its own time, in seconds; `None` where it does not say.
    pub fn upstream_age(&self, component: Component, age: Option<f64>) {
        locked(&self.upstreams).entry(component.as_str()).or_default().age = age;
    }

    /// A sink exists: its series begin at 0.
    pub fn register_sink(&self, sink: &'static str) {
        locked(&self.exports).entry(sink).or_default();
    }

    /// An export was tried again.
    pub fn export_retried(&self, sink: &'static str) {
        locked(&self.exports).entry(sink).or_default().retries += 1;
    }

    /// What became of a sink's points so far.
    pub fn export_tally(&self, sink: &'static str, points: PointCounts) {
        locked(&self.exports).entry(sink).or_default().points = points;
    }

    /// An export ended at `now`.
    pub fn export_ended(&self, sink: &'static str, end: ExportEnd, took: Duration, now: UnixSeconds) {
        let mut exports = locked(&self.exports);
        let counts = exports.entry(sink).or_default();
        match end {
            ExportEnd::Ok => (counts.ok, counts.last_success) = (counts.ok + 1, Some(now)),
            ExportEnd::NoData => counts.no_data += 1,
            ExportEnd::Failed => (counts.failed, counts.last_failure) = (counts.failed + 1, Some(now)),
        }
        counts.duration.observe(took);
    }
}

/// A panic while counting leaves a usable count behind.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
