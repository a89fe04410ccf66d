//! What the server counts about itself, and its logging set-up.
//!
//! One file per subject: its counts as plain numbers, and the reports that change them.
//! [`Telemetry::own_state`] copies all of them at once; which metrics are read from the copy is up to the catalog.

mod certificate;
pub mod client_events;
pub mod exports;
pub mod gateway_config;
pub mod histogram;
pub mod http;
pub mod logging;
pub mod process;
pub mod sources;
pub mod ticks;
pub mod upstreams;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::base::clock::UnixSeconds;
use crate::base::lease::Leadership;
use crate::problems::code::code;
use crate::problems::{ProblemCode, ProblemRegistry};
use client_events::ClientEventCounts;
use exports::SinkCounts;
use gateway_config::GatewayConfigInfo;
use http::HttpCounts;
use process::ProcessStats;
use sources::SourceCounts;
use ticks::TickCounts;
use upstreams::UpstreamCounts;

pub use exports::{ExportEnd, PointCounts};

/// What the server counts about itself. Shared as an `Arc`; every report holds one lock for nanoseconds.
#[derive(Debug)]
pub struct Telemetry {
    problems: Arc<ProblemRegistry>,
    ticks: Mutex<TickCounts>,
    sources: Mutex<SourceCounts>,
    /// By name of the upstream.
    upstreams: Mutex<BTreeMap<&'static str, UpstreamCounts>>,
    http: Mutex<HttpCounts>,
    /// Name and end of the TLS certificate in use.
    certificate: Mutex<Option<(String, UnixSeconds)>>,
    /// `None` = they are not received.
    client_events: Mutex<Option<ClientEventCounts>>,
    /// By name of the sink.
    exports: Mutex<BTreeMap<&'static str, SinkCounts>>,
    leadership: Leadership,
    gateway_config: Mutex<Option<GatewayConfigInfo>>,
    /// Dropped log lines that have been reported as a problem.
    reported_log_lines: Mutex<u64>,
}

/// All counts at one moment: what own metrics are read from, taken once per scrape.
#[derive(Debug, Clone, Default)]
pub struct OwnState {
    pub observed: Observed,
    pub ticks: TickCounts,
    pub sources: SourceCounts,
    pub upstreams: BTreeMap<&'static str, UpstreamCounts>,
    pub http: HttpCounts,
    /// `None` = they are not received.
    pub client_events: Option<ClientEventCounts>,
    pub exports: BTreeMap<&'static str, SinkCounts>,
    pub lease: LeaseCounts,
    /// `None` before the first tick and in proxy mode.
    pub gateway_config: Option<GatewayConfigInfo>,
    /// Active problems by code; codes without one are missing.
    pub problems: BTreeMap<ProblemCode, u64>,
    pub dropped_log_lines: u64,
    pub process: ProcessStats,
}

/// How this replica stands among others.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LeaseCounts {
    /// It records and pushes.
    pub is_leader: bool,
    /// Of the lease that was seen last, of any replica.
    pub fence: Option<u64>,
    /// Leases of other replicas that it has taken over; `None` where there is no lease.
    pub takeovers: Option<u64>,
}

/// What is not counted here: how the snapshots look to the caller of [`Telemetry::own_state`].
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Observed {
    /// The source is readable and the snapshot is not stale.
    pub up: bool,
    /// Age of the newest snapshot, stale or not; `None` before the first.
    pub snapshot_age_seconds: Option<f64>,
    /// Its time, Unix seconds.
    pub snapshot_taken_at: Option<UnixSeconds>,
    /// Whether anything of the scope is in the source; `None` without a snapshot or a scope.
    pub scope_found: Option<bool>,
}

impl Default for Telemetry {
    /// Without a scope.
    fn default() -> Self {
        Self::new("")
    }
}

impl Telemetry {
    /// Nothing counted and no problem yet; `scope` as people write it, `acme/chat`.
    #[must_use]
    pub fn new(scope: impl Into<String>) -> Self {
        Self {
            problems: Arc::new(ProblemRegistry::new(scope)),
            ticks: Mutex::default(),
            sources: Mutex::default(),
            upstreams: Mutex::default(),
            http: Mutex::default(),
            certificate: Mutex::default(),
            client_events: Mutex::default(),
            exports: Mutex::default(),
            leadership: Leadership::default(),
            gateway_config: Mutex::default(),
            reported_log_lines: Mutex::default(),
        }
    }

    /// What is wrong now: the one list behind the API, the metrics and the log.
    #[must_use]
    pub const fn problems(&self) -> &Arc<ProblemRegistry> {
        &self.problems
    }

    /// A copy of all counts, with what the kernel reports about the process now.
    #[must_use]
    pub fn own_state(&self, observed: Observed) -> OwnState {
        OwnState {
            observed,
            ticks: locked(&self.ticks).clone(),
            sources: locked(&self.sources).clone(),
            upstreams: locked(&self.upstreams).clone(),
            http: locked(&self.http).clone(),
            client_events: locked(&self.client_events).clone(),
            exports: locked(&self.exports).clone(),
            lease: self.lease_counts(),
            gateway_config: *locked(&self.gateway_config),
            problems: self.problems.counts(),
            dropped_log_lines: logging::dropped_lines(),
            process: ProcessStats::read(),
        }
    }

    /// Reports log lines that were dropped since the last call.
    pub fn check_log(&self, now: UnixSeconds) {
        const LOG_LINES_DROPPED: ProblemCode = code("log_lines_dropped");
        let dropped = logging::dropped_lines();
        if std::mem::replace(&mut *locked(&self.reported_log_lines), dropped) < dropped {
            self.problems.event(LOG_LINES_DROPPED, "", format!("{dropped} lines since the start"), now);
        }
    }

    /// Whether this replica records and pushes: shared by what takes the lease and what acts on it.
    #[must_use]
    pub const fn leadership(&self) -> &Leadership {
        &self.leadership
    }

    fn lease_counts(&self) -> LeaseCounts {
        LeaseCounts {
            is_leader: self.leadership.is_leader(),
            fence: self.leadership.record().map(|record| record.fence),
            takeovers: self.leadership.takeovers(),
        }
    }
}

/// A panic during a report leaves a usable count behind.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_a_copy_that_later_reports_do_not_change() {
        let telemetry = Telemetry::default();
        let before = telemetry.own_state(Observed { up: true, snapshot_age_seconds: Some(1.5), ..Observed::default() });
        telemetry.source_error();
        telemetry.leadership().contend();
        assert_eq!((before.sources.errors, before.lease.is_leader), (0, true));
        assert_eq!(before.observed, Observed { up: true, snapshot_age_seconds: Some(1.5), ..Observed::default() });
        let after = telemetry.own_state(Observed::default());
        assert_eq!((after.sources.errors, after.lease.is_leader), (1, false));
    }

    #[test]
    fn a_panic_during_a_report_does_not_end_counting() {
        let telemetry = Telemetry::default();
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let _held = locked(&telemetry.sources);
            panic!("while the lock is held");
        }));
        assert!(panicked.is_err());
        telemetry.source_error();
        assert_eq!(telemetry.own_state(Observed::default()).sources.errors, 1);
    }
}
