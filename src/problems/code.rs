//! The codes: one row each with severity, meaning and remedy. Users match on the names, so a name never changes.

use serde::{Serialize, Serializer};
use utoipa::ToSchema;

/// How urgent a problem is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing; nothing is missing.
    Info,
    /// Some values are absent, flagged or about to be.
    Warning,
    /// Autoscaling signals are absent or cannot be trusted.
    Critical,
}

impl Severity {
    /// The word in logs and documents.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// A kind of problem: a row of the table in `problems`.
#[derive(Debug, Clone, Copy)]
pub struct ProblemCode(&'static Row);

#[derive(Debug)]
struct Row {
    name: &'static str,
    severity: Severity,
    meaning: &'static str,
    remedy: &'static str,
}

impl ProblemCode {
    /// The name in the API, in labels and in logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.0.name
    }

    /// How urgent it is.
    #[must_use]
    pub const fn severity(self) -> Severity {
        self.0.severity
    }

    /// What it means, one or two sentences.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        self.0.meaning
    }

    /// What to do about it.
    #[must_use]
    pub const fn remedy(self) -> &'static str {
        self.0.remedy
    }
}

impl PartialEq for ProblemCode {
    fn eq(&self, other: &Self) -> bool {
        self.0.name == other.0.name
    }
}

impl Eq for ProblemCode {}

impl PartialOrd for ProblemCode {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for ProblemCode {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.name.cmp(other.0.name)
    }
}

impl Serialize for ProblemCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.name)
    }
}

const fn critical(name: &'static str, meaning: &'static str, remedy: &'static str) -> Row {
    Row { name, severity: Severity::Critical, meaning, remedy }
}

const fn warning(name: &'static str, meaning: &'static str, remedy: &'static str) -> Row {
    Row { name, severity: Severity::Warning, meaning, remedy }
}

const fn info(name: &'static str, meaning: &'static str, remedy: &'static str) -> Row {
    Row { name, severity: Severity::Info, meaning, remedy }
}

/// Every code, grouped by subject, in the order of the documentation.
#[rustfmt::skip]
static TABLE: &[Row] = &[
    critical("source_unreachable", "The source (Redis, or both upstreams) could not be read on the last tick.", "Check that it runs and that its address, credentials and network path are right; the detail says which step failed."),
    critical("snapshot_stale", "The newest snapshot is older than METRICS_STALE_AFTER_SEC: no deployment metric is exported.", "Restore the source; values return with the next tick."),
    critical("wrong_node", "The connection leads to a Redis that is not the writable primary: a replica, or a primary that was demoted.", "Nothing, if a failover is under way: the server reconnects by name. Otherwise point REDIS_URL at the primary's name."),
    critical("cluster_mode", "This Redis runs in cluster mode and refuses commands over several slots.", "Point REDIS_URL at a Redis without cluster mode, as the platform itself requires."),
    critical("scope_not_found", "Nothing of this tenant and project was found in this Redis: no index, heartbeat, queue, SSE count, series or saved configuration.", "Check tenant and project (upper and lower case matter), the database number and the Redis address; the detail names what this Redis holds."),
    critical("no_workers", "No process of the deployment heartbeats.", "Check that ingress and processors run and write to this Redis."),
    warning("worker_silent", "A process that heartbeats stopped doing so without a sign of shutdown.", "Look at its log; if it was scaled in, the problem disappears by itself."),
    critical("no_capacity", "No processor takes new tasks.", "Start processors, or look at why they drain."),
    critical("stalled", "Tasks wait and nothing seems to come of them: none was claimed beside free slots, or none ended for twice the time that tasks take.", "Look at the processors' logs and `proc.queue_loop_lag_seconds`; more replicas do not help while none is claimed."),
    warning("heartbeat_unreadable", "A process's heartbeat cannot be parsed or is longer than 1 MiB; its load and capacity are unknown.", "Look at the key with `redis-cli GET`; the detail names the field."),
    warning("degraded_write", "A worker reports UNHEALTHY with a load below 80 % of its capacity: the mark of one failed heartbeat write, not of saturation.", "Restart the worker to clear the mark."),
    critical("clock_skew_server", "This server's clock differs from Redis' clock by more than 2 s.", "Synchronise the clock of this machine (NTP). Ages are computed by Redis' clock meanwhile."),
    warning("clock_skew_writer", "A worker's clock differs from Redis' clock by more than 2 s: its times are shifted by that much.", "Synchronise the clock of that host (NTP)."),
    warning("clock_jump", "This server's clock jumped; history was read again and nothing was trimmed on that tick.", "Synchronise the clock of this machine (NTP) without steps."),
    warning("gateway_config_unreadable", "The gateway configuration saved in Redis is there and cannot be used.", "Save it again in the admin console, or delete the key; the detail says which configuration is in force."),
    warning("gateway_config_deleted", "The gateway configuration saved in Redis was deleted while the server runs; the last good one stays in force, as in the platform's own processes.", "Save it again, or restart the deployment to use the environment's."),
    info("gateway_config_changed", "The gateway configuration in force changed within the last 15 minutes.", "Nothing, if the change was meant: capacity and limits follow it."),
    warning("sse_count_unknown", "The SSE count of a live ingress worker is unknown: it changed while nobody watched, or cannot be parsed.", "Nothing: it is known again with the worker's next connection change."),
    critical("queue_unreadable", "A queue's depth cannot be read: queue total, pressure and utilization are absent.", "Look at the key's type and value with `redis-cli TYPE`; the platform writes lists and integers there."),
    warning("analytics_unreadable", "The platform's queue analytics of a role cannot be parsed.", "Look at the key; the platform rewrites it with the next task that ends."),
    warning("circuit_unreadable", "A circuit breaker's state or statistics cannot be parsed.", "Look at the key; the platform rewrites it with the next change of state."),
    warning("series_unreadable", "A latency series or the throttling events cannot be read: the key is of another type.", "Look at the key with `redis-cli TYPE`; it should be a sorted set."),
    warning("requests_unreadable", "An hourly request counter cannot be parsed: the throttle rate is absent.", "Look at the hash; its values should be whole numbers."),
    warning("saved_points_unreadable", "The rolling points that this server keeps in Redis cannot be read.", "Delete the key: windows refill by themselves."),
    warning("samples_ahead", "A series holds samples dated more than 2 s ahead of Redis' clock; they wait until their time comes.", "Synchronise the clock of the worker that writes them."),
    warning("samples_late", "Samples arrived more than 300 s late: no window counts them.", "Synchronise the clock of the worker that writes them."),
    warning("catching_up", "More samples arrived than one tick can read: percentiles of this series lag behind.", "Nothing, if it is short. Otherwise raise METRICS_REQUEST_TIMEOUT_SEC or look at what writes so many samples."),
    warning("window_incomplete", "A window lost more than 10 % of its samples to a limit.", "Raise METRICS_HISTORY_MAX_SAMPLES."),
    warning("impossible_value", "A number is outside what it can be (negative, or beyond 2^53): it was dropped.", "Look at what wrote it; the detail names the key and the field."),
    warning("work_unreadable", "A task that waits, a stream of background jobs or what a processor reports of its work cannot be read: the signals that follow from it are absent, and the desired number of replicas may hold.", "Look at the key; the detail says what was expected. `NOPERM`: grant the Redis user the commands in docs/security.md."),
    warning("malformed_input", "An input could not be parsed and was skipped.", "Look at the key; the detail says what was expected."),
    warning("record_failed", "The tick's rolling points could not be written to Redis: windows restart with this server.", "Give the Redis user write access to `{tenant}:{project}:kdcube:metrics:*` (docs/security.md), or look at the detail."),
    warning("lease_refused", "The lease cannot be read or written: this server records and pushes as if it were alone, and so would a second replica.", "Grant the Redis user the commands in docs/security.md; or run one replica, with METRICS_LEASE=0."),
    warning("upstream_failed", "An upstream could not be read: its component's metrics are absent (proxy mode).", "Check that it runs, its address, and the header or certificate that it expects (METRICS_AUTH_HEADER_NAME and _VALUE); the detail says which step failed."),
    warning("postgres_failed", "PostgreSQL's max_connections could not be read.", "Check its address, user, password and TLS; the detail says which step failed."),
    warning("sink_failing", "The last export to a sink failed.", "Check that it runs, its address and its credentials; the detail says why. Points wait in the spool where the sink has one."),
    warning("reload_failed", "A changed file (tokens, certificates, descriptors) cannot be used; its previous contents stay in force.", "Fix the file; it is read again within seconds."),
    warning("certificate_ending", "The server's TLS certificate ends within 14 days, or has ended.", "Renew the certificate; it is read again within seconds."),
    warning("front_proxy_unknown", "Whose certificates the API server's front proxy has could not be read from the cluster: external metrics keep what was read before, or let nobody in.", "Give the service account the role extension-apiserver-authentication-reader in kube-system, or set METRICS_EXTERNAL_METRICS_CLIENT_CA_FILE; the detail says what failed."),
    warning("unauthorized_requests", "Requests without a valid token or certificate were rejected in the last 15 minutes.", "Give the peer in the detail a valid token, or find out who it is."),
    warning("log_lines_dropped", "Log lines were dropped because their reader does not read or has gone.", "Look at the log driver or the process that reads standard error."),
    warning("restart_required", "A setting changed in a descriptor file and takes effect only after a restart.", "Restart the server."),
];

/// Every code, in the order of the documentation.
pub fn all() -> impl Iterator<Item = ProblemCode> {
    TABLE.iter().map(ProblemCode)
}

/// The code of that name, found while compiling: a name that is not in the table fails the build.
#[must_use]
pub const fn code(name: &str) -> ProblemCode {
    let mut row = 0;
    while row < TABLE.len() {
        #[expect(clippy::indexing_slicing, reason = "bounded by the loop; iterators are not const")]
        if is_same(TABLE[row].name.as_bytes(), name.as_bytes()) {
            return ProblemCode(&TABLE[row]);
        }
        row += 1;
    }
    #[expect(clippy::panic, reason = "evaluated at compile time only")]
    {
        panic!("no problem code of that name in problems::code::TABLE")
    }
}

const fn is_same(left: &[u8], right: &[u8]) -> bool {
    if left.len() != right.len() {
        return false;
    }
    let mut place = 0;
    while place < left.len() {
        #[expect(clippy::indexing_slicing, reason = "bounded by the loop; iterators are not const")]
        if left[place] != right[place] {
            return false;
        }
        place += 1;
    }
    true
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_unique_labels_and_every_row_says_what_to_do() {
        let mut names = BTreeSet::new();
        for code in all() {
            assert!(names.insert(code.as_str()), "{} twice", code.as_str());
            assert!(code.as_str().chars().all(|c| c.is_ascii_lowercase() || c == '_'), "{}", code.as_str());
            assert!(code.meaning().ends_with('.') && code.remedy().ends_with('.'), "{}", code.as_str());
        }
    }

    #[test]
    fn a_code_is_found_by_its_name() {
        const NO_WORKERS: ProblemCode = code("no_workers");
        assert_eq!((NO_WORKERS.as_str(), NO_WORKERS.severity()), ("no_workers", Severity::Critical));
        assert_eq!(serde_json::to_string(&NO_WORKERS).unwrap(), "\"no_workers\"");
    }
}
