//! How long a delivery may take, and what ends it early.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout_at};

/// What an attempt under way still gets when the server stops: the rest of the goodbye is for the sink's own.
const GRACE: Duration = Duration::from_secs(2);

/// The limits of one delivery.
pub(super) struct AttemptBudget {
    /// One attempt.
    pub(super) attempt: Duration,
    /// All of them.
    pub(super) deadline: Instant,
    /// Becomes true when the server stops.
    pub(super) stopping: watch::Receiver<bool>,
}

impl AttemptBudget {
    /// The limit of an attempt that begins now.
    pub(super) fn rest(&self) -> Duration {
        self.attempt.min(self.deadline.saturating_duration_since(Instant::now()))
    }

    /// Waits before a repetition; false where none is to follow.
    pub(super) async fn waits(&mut self, pause: Duration) -> bool {
        let again = Instant::now() + pause;
        again < self.deadline && timeout_at(again, self.stopping.wait_for(|stopping| *stopping)).await.is_err()
    }

    /// Completes when an attempt that is under way has to end because the server stops.
    pub(super) async fn cut(&mut self) {
        if self.stopping.wait_for(|stopping| *stopping).await.is_err() {
            // Nobody is left who could stop it.
            std::future::pending::<()>().await;
        }
        sleep(GRACE).await;
    }
}
