//! What this process knows of the lease: whether it leads now, by a clock that no one sets.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use tokio::time::Instant;
use utoipa::ToSchema;

use super::LeaseRecord;
use crate::base::clock::UnixSeconds;

/// Shared by what takes the lease and what acts on it. The default acts alone: there is nobody to share with.
#[derive(Debug, Clone, Default)]
pub struct Leadership(Arc<Mutex<State>>);

/// How this replica stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// There is no lease: it is switched off, the mode has none, or it cannot be written.
    Alone,
    /// It holds the lease.
    Leader,
    /// Another one holds it, or it is not known yet who does.
    Follower,
}

#[derive(Debug, Default)]
struct State {
    /// `None` = it acts alone.
    contest: Option<Contest>,
    /// Why it acts alone although it should not.
    refused: Option<String>,
}

#[derive(Debug, Default)]
struct Contest {
    /// When the lease ends unless it is renewed; `None` where another one holds it.
    until: Option<Instant>,
    /// The last that was seen, of any replica.
    record: Option<LeaseRecord>,
    /// Leases of others that this process has taken over.
    takeovers: u64,
    /// From then on the holder before this process did nothing: it did not renew its lease.
    former_end: Option<UnixSeconds>,
}

impl Leadership {
    /// From now on it leads only while it holds a lease.
    pub fn contend(&self) {
        let mut state = self.locked();
        state.contest.get_or_insert_default();
        state.refused = None;
    }

    /// It cannot have a lease, and acts alone until it contends again.
    pub fn refuse(&self, reason: String) {
        *self.locked() = State { contest: None, refused: Some(reason) };
    }

    /// It wrote `record` over `former` and leads until `until`; leases are renewed every `interval` seconds.
    pub fn lead(&self, former: Option<&LeaseRecord>, record: LeaseRecord, until: Instant, interval: f64) {
        let mut state = self.locked();
        state.refused = None;
        let contest = state.contest.get_or_insert_default();
        if contest.until.is_none() {
            tracing::info!(fence = record.fence, "this replica holds the lease: it records and pushes");
        }
        if let Some(former) = former.filter(|former| former.run != record.run) {
            contest.takeovers += 1;
            contest.former_end = Some(former.renewed + interval);
        }
        (contest.until, contest.record) = (Some(until), Some(record));
    }

    /// Its renewal failed, and may not have taken effect: it no longer leads, as far as it knows.
    pub fn lapse(&self) {
        if let Some(contest) = &mut self.locked().contest {
            contest.until = contest.until.map(|until| until.min(Instant::now()));
        }
    }

    /// Another replica holds the lease.
    pub fn follow(&self, record: Option<LeaseRecord>) {
        let mut state = self.locked();
        state.refused = None;
        let contest = state.contest.get_or_insert_default();
        let holder = record.as_ref().map(|record| record.instance.as_str());
        if contest.until.is_some() || contest.record.is_none() {
            tracing::info!(holder, "another replica holds the lease: it records and pushes");
        }
        (contest.until, contest.record) = (None, record.or_else(|| contest.record.take()));
    }

    /// How it stands at this moment. A lease that was not renewed in time is none: another replica may have it.
    #[must_use]
    pub fn standing(&self) -> Standing {
        match &self.locked().contest {
            None => Standing::Alone,
            Some(contest) if contest.until.is_some_and(|until| Instant::now() < until) => Standing::Leader,
            Some(_) => Standing::Follower,
        }
    }

    /// Whether it writes and pushes.
    #[must_use]
    pub fn is_leader(&self) -> bool {
        self.standing() != Standing::Follower
    }

    /// Whether it may say that nothing is known: also after its lease has ended while nobody could be asked, so that no
    /// sink keeps old numbers.
    fn may_retract(&self) -> bool {
        self.locked().contest.as_ref().is_none_or(|contest| contest.until.is_some())
    }

    /// Whether it may push: numbers as the leader, and that nothing is known as long as no other one is known to lead.
    #[must_use]
    pub fn may_push(&self, has_numbers: bool) -> bool {
        if has_numbers { self.is_leader() } else { self.may_retract() }
    }

    /// The lease as last seen, of any replica.
    #[must_use]
    pub fn record(&self) -> Option<LeaseRecord> {
        self.locked().contest.as_ref()?.record.clone()
    }

    /// Why it acts alone although it should contend.
    #[must_use]
    pub fn refused(&self) -> Option<String> {
        self.locked().refused.clone()
    }

    /// Leases of other replicas that this one has taken over; `None` where there is no lease.
    #[must_use]
    pub fn takeovers(&self) -> Option<u64> {
        self.locked().contest.as_ref().map(|contest| contest.takeovers)
    }

    /// From when on the holder before this one did nothing, because it did not renew its lease at its next tick.
    #[must_use]
    pub fn former_end(&self) -> Option<UnixSeconds> {
        self.locked().contest.as_ref()?.former_end
    }

    /// A panic while it is changed leaves a usable state behind.
    fn locked(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn record(run: &str, renewed: f64) -> LeaseRecord {
        let (instance, run) = ("m".to_owned(), run.to_owned());
        LeaseRecord { instance, run, fence: 1, since: 1.0, renewed, expires: renewed + 15.0 }
    }

    #[tokio::test(start_paused = true)]
    async fn a_leader_that_does_not_renew_follows_without_being_told() {
        let leadership = Leadership::default();
        assert_eq!((leadership.standing(), leadership.is_leader()), (Standing::Alone, true));
        leadership.contend();
        assert_eq!((leadership.standing(), leadership.may_retract()), (Standing::Follower, false));
        let second = Duration::from_secs(1);
        leadership.lead(None, record("a", 1.0), Instant::now() + second, 5.0);
        assert_eq!(leadership.standing(), Standing::Leader);
        tokio::time::sleep(second).await;
        assert_eq!((leadership.standing(), leadership.may_retract()), (Standing::Follower, true));
        leadership.follow(Some(record("b", 2.0)));
        assert!(!leadership.may_retract(), "another one knows more");
    }

    #[tokio::test]
    async fn taking_over_is_counted_and_the_former_holders_end_is_known() {
        let (leadership, later) = (Leadership::default(), Instant::now() + Duration::from_secs(9));
        leadership.contend();
        leadership.lead(Some(&record("b", 7.0)), record("a", 30.0), later, 5.0);
        leadership.lead(Some(&record("a", 30.0)), record("a", 35.0), later, 5.0);
        assert_eq!((leadership.takeovers(), leadership.former_end()), (Some(1), Some(12.0)));
        assert_eq!(leadership.record().map(|record| record.renewed), Some(35.0));
    }

    #[test]
    fn without_permission_it_acts_alone_until_it_contends_again() {
        let leadership = Leadership::default();
        leadership.contend();
        leadership.refuse("NOPERM".to_owned());
        assert_eq!((leadership.standing(), leadership.refused()), (Standing::Alone, Some("NOPERM".to_owned())));
        leadership.contend();
        assert_eq!((leadership.standing(), leadership.refused()), (Standing::Follower, None));
    }
}
