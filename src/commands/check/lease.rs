//! What `check` reports on the lease: which replica records and pushes.

use jiff::Timestamp;

use super::{Finding, FindingStatus, finding};
use crate::base::clock::UnixSeconds;
use crate::base::lease::LeaseRecord;
use crate::base::number;
use crate::sources::redis::probe::LeaseReading;

/// Its line at `now` by the clock of Redis.
pub(super) fn line(reading: &LeaseReading, is_on: bool, now: UnixSeconds) -> Finding {
    let (status, detail) = match reading {
        _ if !is_on => (FindingStatus::Ok, "off: each replica records and pushes".to_owned()),
        LeaseReading::Nobody => (FindingStatus::Ok, "held by nobody".to_owned()),
        LeaseReading::Held(record) => (FindingStatus::Ok, holder(record, now)),
        LeaseReading::Unreadable(problem) => {
            (FindingStatus::Warning, format!("{problem}; each replica records and pushes"))
        }
    };
    finding("lease", status, detail)
}

fn holder(record: &LeaseRecord, now: UnixSeconds) -> String {
    let LeaseRecord { instance, fence, since, renewed, expires, .. } = record;
    let since = utc(*since);
    if *expires < now {
        return format!("held by nobody; {instance} held it from {since} to {} (fence {fence})", utc(*renewed));
    }
    format!("held by {instance} since {since} (fence {fence}), renewed {:.0} s ago", (now - renewed).max(0.0))
}

fn utc(at: UnixSeconds) -> String {
    let second = number::whole(at.floor()).and_then(|second| Timestamp::from_second(second).ok());
    second.map_or_else(|| "an unknown time".to_owned(), |second| second.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_holder_of_a_lease_is_named_with_its_times() {
        let record = LeaseRecord {
            instance: "metrics-1".to_owned(),
            run: "r".to_owned(),
            fence: 3,
            since: 1_767_225_600.2,
            renewed: 1_767_225_660.0,
            expires: 1_767_225_675.0,
        };
        let held = LeaseReading::Held(record);
        let refused = LeaseReading::Unreadable("NOPERM".to_owned());
        for (reading, is_on, now, expected) in [
            (&held, true, 1_767_225_662.0, "held by metrics-1 since 2026-01-01T00:00:00Z (fence 3), renewed 2 s ago"),
            (&held, true, 1_767_225_675.0, "held by metrics-1 since 2026-01-01T00:00:00Z (fence 3), renewed 15 s ago"),
            (&held, true, 1_767_225_659.0, "held by metrics-1 since 2026-01-01T00:00:00Z (fence 3), renewed 0 s ago"),
            (
                &held,
                true,
                1_767_225_675.1,
                "held by nobody; metrics-1 held it from 2026-01-01T00:00:00Z to 2026-01-01T00:01:00Z (fence 3)",
            ),
            (&held, false, 1_767_225_662.0, "off: each replica records and pushes"),
            (&LeaseReading::Nobody, true, 0.0, "held by nobody"),
            (&refused, true, 0.0, "NOPERM; each replica records and pushes"),
        ] {
            assert_eq!(line(reading, is_on, now).detail, expected);
        }
        assert_eq!(line(&refused, true, 0.0).outcome, FindingStatus::Warning);
        assert_eq!(line(&refused, false, 0.0).outcome, FindingStatus::Ok, "it is off");
    }
}
