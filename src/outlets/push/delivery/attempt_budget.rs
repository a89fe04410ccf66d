//! How much time a delivery has, and what ends it early.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout_at};

use crate::base::lease::Leadership;

/// What an attempt in progress still gets at shutdown; the rest of the time is for the final flush.
const GRACE: Duration = Duration::from_secs(2);

/// What a retry has at the least: one that the deadline cuts short may have arrived, and would be sent once more.
const LEAST: Duration = Duration::from_secs(1);

/// The limits of one delivery.
pub(super) struct AttemptBudget {
    /// Time limit of one attempt.
    pub(super) attempt: Duration,
    /// When all attempts must have ended.
    pub(super) deadline: Instant,
    /// Becomes true at shutdown.
    pub(super) stopping: watch::Receiver<bool>,
    /// Whose loss ends the delivery, where only the leader may make it.
    pub(super) leadership: Option<Leadership>,
}

impl AttemptBudget {
    /// The limit of an attempt that begins now.
    pub(super) fn attempt_limit(&self) -> Duration {
        self.attempt.min(self.deadline.saturating_duration_since(Instant::now()))
    }

    /// Waits before a retry; false if there is no time for one, or the server is shutting down.
    pub(super) async fn backoff(&mut self, pause: Duration) -> bool {
        let retry_at = Instant::now() + pause;
        retry_at + LEAST <= self.deadline
            && timeout_at(retry_at, self.stopping.wait_for(|stopping| *stopping)).await.is_err()
    }

    /// Whether another replica may be delivering by now: this process may have been paused before any attempt.
    pub(super) fn is_leadership_lost(&self, has_snapshot: bool) -> bool {
        self.leadership.as_ref().is_some_and(|leadership| !leadership.may_push(has_snapshot))
    }

    /// Completes when an attempt in progress has to end because the server is shutting down.
    pub(super) async fn grace_elapsed(&mut self) {
        if self.stopping.wait_for(|stopping| *stopping).await.is_err() {
            // The sender is gone, so no shutdown will follow.
            std::future::pending::<()>().await;
        }
        sleep(GRACE).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::lease::LeaseRecord;

    const SECOND: Duration = Duration::from_secs(1);

    fn budget(leadership: Option<Leadership>) -> (watch::Sender<bool>, AttemptBudget) {
        let (stop, stopping) = watch::channel(false);
        let deadline = Instant::now() + 10 * SECOND;
        (stop, AttemptBudget { attempt: 4 * SECOND, deadline, stopping, leadership })
    }

    #[tokio::test(start_paused = true)]
    async fn an_attempt_ends_at_its_limit_or_at_the_deadline() {
        let (_stop, budget) = budget(None);
        for (pause, limit) in [(0, 4), (6, 4), (1, 3), (4, 0)] {
            sleep(pause * SECOND).await;
            assert_eq!(budget.attempt_limit(), limit * SECOND);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_retry_waits_unless_the_deadline_would_cut_it_short_or_the_server_stops() {
        let (stop, mut budget) = budget(None);
        let began = Instant::now();
        for (pause, retries, elapsed) in
            [(3.0, true, 3), (8.0, false, 3), (6.1, false, 3), (6.0, true, 9), (0.0, true, 9), (0.1, false, 9)]
        {
            assert_eq!(budget.backoff(SECOND.mul_f64(pause)).await, retries, "{pause}");
            assert_eq!(began.elapsed(), elapsed * SECOND, "without time for a retry nothing is waited for");
        }
        let (stop_later, mut other) = self::budget(None);
        tokio::spawn(async move {
            sleep(SECOND).await;
            stop_later.send_replace(true);
        });
        assert!(!other.backoff(5 * SECOND).await);
        assert_eq!(began.elapsed(), 10 * SECOND, "it ends when the server stops");
        drop(stop);
    }

    #[tokio::test(start_paused = true)]
    async fn numbers_need_the_lease_and_to_retract_them_it_is_enough_to_have_held_it() {
        assert!(!budget(None).1.is_leadership_lost(true), "not every delivery needs it");
        let leadership = Leadership::default();
        let (_stop, budget) = budget(Some(leadership.clone()));
        let lost = || (budget.is_leadership_lost(true), budget.is_leadership_lost(false));
        assert_eq!(lost(), (false, false), "alone");
        leadership.contend();
        assert_eq!(lost(), (true, true), "nobody knows who holds it");
        let record = LeaseRecord {
            instance: "m".to_owned(),
            run: "me".to_owned(),
            fence: 1,
            since: 0.0,
            renewed: 0.0,
            expires: 15.0,
        };
        leadership.lead(None, record, Instant::now() + SECOND, 5.0);
        assert_eq!(lost(), (false, false));
        sleep(SECOND).await;
        assert_eq!(lost(), (true, false), "it has ended, and nobody could be asked");
        leadership.follow(None);
        assert_eq!(lost(), (true, true));
    }

    #[tokio::test(start_paused = true)]
    async fn an_attempt_in_progress_has_two_seconds_once_the_server_stops() {
        let (stop, mut budget) = budget(None);
        assert!(tokio::time::timeout(100 * SECOND, budget.grace_elapsed()).await.is_err());
        let began = Instant::now();
        stop.send_replace(true);
        budget.grace_elapsed().await;
        assert_eq!(began.elapsed(), GRACE);
        let (stop, mut unstoppable) = self::budget(None);
        drop(stop);
        assert!(tokio::time::timeout(100 * SECOND, unstoppable.grace_elapsed()).await.is_err(), "no shutdown follows");
    }
}
