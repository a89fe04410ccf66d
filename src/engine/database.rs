//! The database's answer between ticks: asked in the background, read by ticks without waiting.
//!
//! An answer holds for two periods, so that one failed question costs nothing; then it is absent.
//! How the question is put is `sources::postgres`' matter.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use crate::base::backoff::jittered;
use crate::sources::SourceError;
use crate::sources::postgres::Postgres;
use crate::sources::postgres::config::PostgresConfig;
use crate::telemetry::Telemetry;

/// When the database is asked.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Time between two questions; an answer holds for two of them.
    pub period: Duration,
    /// Pause after a first failure and after the end of a connection; it doubles with every further
    /// failure, up to the period.
    pub first_pause: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self { period: Duration::from_mins(1), first_pause: Duration::from_secs(1) }
    }
}

/// The answer and when it was given.
type LimitReply = Option<(i64, Instant)>;

/// What the database said last; cheap to read and never waiting.
#[derive(Debug, Clone)]
pub struct Database {
    answer: watch::Receiver<LimitReply>,
    holds: Duration,
}

impl Database {
    /// `max_connections`; `None` before the first answer and when the last is too old.
    #[must_use]
    pub fn max_connections(&self) -> Option<i64> {
        let answer = *self.answer.borrow();
        answer.filter(|(_, given)| given.elapsed() <= self.holds).map(|(number, _)| number)
    }
}

/// Asks in the background from now on, for as long as anyone holds what is returned.
#[must_use]
pub fn watch(config: PostgresConfig, telemetry: Arc<Telemetry>, pace: Pace) -> Database {
    telemetry.register_postgres();
    let (answers, answer) = watch::channel(None);
    let mut questions = Questions { postgres: Postgres::new(config), telemetry, pace, answers, was_good: None };
    tokio::spawn(async move {
        let answers = questions.answers.clone();
        tokio::select! {
            () = answers.closed() => {}
            () = questions.run() => {}
        }
    });
    Database { answer, holds: pace.period * 2 }
}

/// Asks once, for a command that ticks once. A failure is logged, and the answer is absent.
pub async fn ask_once(config: PostgresConfig) -> Database {
    let answer = match Postgres::new(config).max_connections().await {
        Ok(number) => Some((number, Instant::now())),
        Err(error) => {
            tracing::warn!(%error, "PostgreSQL was asked in vain; its limit is absent");
            None
        }
    };
    Database { answer: watch::channel(answer).1, holds: Pace::default().period * 2 }
}

struct Questions {
    postgres: Postgres,
    telemetry: Arc<Telemetry>,
    pace: Pace,
    answers: watch::Sender<LimitReply>,
    was_good: Option<bool>,
}

impl Questions {
    async fn run(&mut self) {
        let mut pause = self.pace.first_pause;
        loop {
            match self.postgres.max_connections().await {
                Ok(number) => {
                    self.answered(number);
                    pause = self.pace.first_pause;
                    self.rest().await;
                }
                Err(error) => {
                    self.failed(&error);
                    sleep(jittered(pause)).await;
                    pause = (pause * 2).min(self.pace.period);
                }
            }
        }
    }

    /// Waits for the next question, which comes early where the connection ends: the server may have
    /// started anew, with another limit.
    async fn rest(&mut self) {
        if timeout(self.pace.period, self.postgres.closed()).await.is_ok() {
            sleep(jittered(self.pace.first_pause)).await;
        }
    }

    fn answered(&mut self, number: i64) {
        self.answers.send_replace(Some((number, Instant::now())));
        if self.was_good.replace(true) == Some(false) {
            tracing::info!(max_connections = number, "PostgreSQL answers again");
        }
    }

    fn failed(&mut self, error: &SourceError) {
        self.telemetry.postgres_failed();
        if self.was_good.replace(false) != Some(false) {
            let holds = self.pace.period * 2;
            tracing::warn!(%error, ?holds, "PostgreSQL does not tell its limit; asking on, and its last answer holds");
        }
    }
}
