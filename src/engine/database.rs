//! PostgreSQL's connection limit: queried in the background, read by ticks without waiting.
//!
//! An answer is valid for two periods, which bridges one failed query; then it is absent.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use crate::base::backoff::Backoff;
use crate::base::clock::{Clock, SystemClock};
use crate::base::file_watch::FileWatcher;
use crate::sources::SourceError;
use crate::sources::postgres::Postgres;
use crate::sources::postgres::authorities::{self, AuthoritiesSender};
use crate::sources::postgres::config::{PostgresConfig, PostgresTls};
use crate::telemetry::Telemetry;
use crate::telemetry::http::WatchedFiles;

/// When to query.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Time between two queries; an answer is valid for two periods.
    pub period: Duration,
    /// Pause after a first failure and after the end of a connection; it doubles with every further failure, up to the
    /// period.
    pub first_pause: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self { period: Duration::from_mins(1), first_pause: Duration::from_secs(1) }
    }
}

/// The newest answer and when it came.
type LimitReply = Option<(i64, Instant)>;

/// Reads the newest answer; cheap, and never waits.
#[derive(Debug, Clone)]
pub struct Database {
    answer: watch::Receiver<LimitReply>,
    valid_for: Duration,
}

impl Database {
    /// `max_connections`; `None` before the first answer and when the last is too old.
    #[must_use]
    pub fn max_connections(&self) -> Option<i64> {
        let answer = *self.answer.borrow();
        answer.filter(|(_, at)| at.elapsed() <= self.valid_for).map(|(number, _)| number)
    }
}

/// Queries in the background until the last clone of the returned reader is dropped. Follows the CA file, if there is
/// one: a replaced one is used from the next connection on.
///
/// # Errors
/// The CA file cannot be loaded any more.
pub fn watch(config: PostgresConfig, telemetry: Arc<Telemetry>, pace: Pace) -> Result<Database, Vec<String>> {
    telemetry.register_postgres();
    let file = config.tls.as_ref().and_then(PostgresTls::file).map(|(file, setting)| (file.to_owned(), setting));
    let (postgres, sender) = Postgres::reloadable(config);
    let mut following = JoinSet::new();
    if let (Some(file), Some(sender)) = (file, sender) {
        follow_authorities(file, sender, &telemetry, &mut following)?;
    }
    let (answers, answer) = watch::channel(None);
    let backoff = Backoff::new(pace.first_pause, pace.period);
    let mut queries = Queries { postgres, telemetry, pace, backoff, answers };
    tokio::spawn(async move {
        let _following = following;
        let answers = queries.answers.clone();
        tokio::select! {
            () = answers.closed() => {}
            () = queries.run() => {}
        }
    });
    Ok(Database { answer, valid_for: pace.period * 2 })
}

fn follow_authorities(
    (file, setting): (PathBuf, &'static str),
    sender: AuthoritiesSender,
    telemetry: &Arc<Telemetry>,
    following: &mut JoinSet<()>,
) -> Result<(), Vec<String>> {
    let path = file.clone();
    let load = move || authorities::load(&path).map_err(|error| vec![format!("{setting} {path:?}: {error}")]);
    let (watcher, roots) = FileWatcher::begin(vec![file], load)?;
    sender.replace(roots);
    let telemetry = Arc::clone(telemetry);
    telemetry.register_watched_files(WatchedFiles::PostgresCa);
    following.spawn(watcher.follow(move |change| {
        let errors = change.as_ref().err().map(Vec::as_slice);
        telemetry.files_reloaded(WatchedFiles::PostgresCa, errors, SystemClock.now());
        if let Ok(roots) = change {
            tracing::info!("{setting} reloaded; in use from the next connection on");
            sender.replace(roots);
        }
    }));
    Ok(())
}

/// Queries once, for a command that ticks once. A failure is logged, and the answer is absent.
pub async fn ask_once(config: PostgresConfig) -> Database {
    let answer = match Postgres::new(config).max_connections().await {
        Ok(number) => Some((number, Instant::now())),
        Err(error) => {
            tracing::warn!(%error, "query of max_connections failed; the limit is absent");
            None
        }
    };
    Database { answer: watch::channel(answer).1, valid_for: Pace::default().period * 2 }
}

struct Queries {
    postgres: Postgres,
    telemetry: Arc<Telemetry>,
    pace: Pace,
    backoff: Backoff,
    answers: watch::Sender<LimitReply>,
}

impl Queries {
    async fn run(&mut self) {
        loop {
            match self.postgres.max_connections().await {
                Ok(number) => {
                    self.answered(number);
                    self.backoff.reset();
                    self.wait().await;
                }
                Err(error) => {
                    self.failed(&error);
                    sleep(self.backoff.next()).await;
                }
            }
        }
    }

    /// Waits until the next query. It is due early when the connection ends: the server may have restarted with
    /// another limit.
    async fn wait(&mut self) {
        if timeout(self.pace.period, self.postgres.closed()).await.is_ok() {
            sleep(self.backoff.next()).await;
        }
    }

    fn answered(&mut self, number: i64) {
        self.answers.send_replace(Some((number, Instant::now())));
        self.telemetry.postgres_queried(None, SystemClock.now());
    }

    fn failed(&mut self, error: &SourceError) {
        let valid_for = self.pace.period * 2;
        let detail = format!("{error}; retrying, the last answer stays valid for {valid_for:?}");
        self.telemetry.postgres_queried(Some(detail), SystemClock.now());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_answer_is_valid_for_two_periods_and_bridges_one_failed_query() {
        let (answers, answer) = watch::channel(None);
        let pace = Pace::default();
        let database = Database { answer, valid_for: pace.period * 2 };
        assert_eq!(database.max_connections(), None, "before the first answer");
        answers.send_replace(Some((100, Instant::now())));
        for (pause, number) in [(pace.period * 2, Some(100)), (Duration::from_millis(1), None)] {
            sleep(pause).await;
            assert_eq!(database.max_connections(), number);
        }
        answers.send_replace(Some((200, Instant::now())));
        assert_eq!((database.max_connections(), database.clone().max_connections()), (Some(200), Some(200)));
    }

    #[tokio::test]
    async fn a_server_that_cannot_be_reached_is_a_problem_and_queries_end_with_their_last_reader() {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let config = PostgresConfig {
            host: "127.0.0.1".to_owned(),
            port,
            database: "chat".to_owned(),
            user: "metrics".to_owned(),
            password: Some("hunter2".to_owned().into()),
            tls: None,
            application: "test".to_owned(),
            timeout: Duration::from_secs(5),
        };
        assert_eq!(ask_once(config.clone()).await.max_connections(), None);
        let telemetry = Arc::new(Telemetry::default());
        let pace = Pace { period: Duration::from_millis(20), first_pause: Duration::from_millis(1) };
        let database = watch(config, Arc::clone(&telemetry), pace).unwrap();
        let failures = || telemetry.own_state(Default::default()).sources.postgres_errors.unwrap();
        while failures() < 3 {
            sleep(Duration::from_millis(1)).await;
        }
        assert_eq!(database.max_connections(), None);
        let problem = telemetry.problems().active().remove(0);
        assert_eq!(problem.code.as_str(), "postgres_failed");
        assert!(problem.detail.contains("the last answer stays valid for 40ms"), "{}", problem.detail);
        assert!(
            problem.detail.contains(&port.to_string()) && !problem.detail.contains("hunter2"),
            "{}",
            problem.detail
        );
        drop(database);
        sleep(Duration::from_millis(40)).await;
        let ended = failures();
        sleep(Duration::from_millis(60)).await;
        assert_eq!(failures(), ended, "nobody reads the answers any more");
    }
}
