//! How much time a delivery has, and what ends it early.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout_at};

use crate::base::lease::Leadership;

/// What an attempt in progress still gets at shutdown; the rest of the time is for the final flush.
const GRACE: Duration = Duration::from_secs(2);

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
        retry_at < self.deadline && timeout_at(retry_at, self.stopping.wait_for(|stopping| *stopping)).await.is_err()
    }

    /// Whether another replica may be delivering by now: this process may have been paused before any attempt.
    pub(super) fn is_leadership_lost(&self, has_snapshot: bool) -> bool {
        let Some(leadership) = &self.leadership else { return false };
        let may_deliver = if has_snapshot { leadership.is_leader() } else { leadership.may_retract() };
        !may_deliver
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
