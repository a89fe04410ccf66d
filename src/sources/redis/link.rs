//! The link to Redis: a connection that is opened when needed, dropped after an error, and reopened with backoff.

use std::time::Duration;

use redis::{Pipeline, ServerError, Value};
use tokio::time::{Instant, timeout, timeout_at};

use super::address::Place;
use super::connection::RedisConnection;
use super::node::{Node, NodeWatch};
use super::strain::Strain;
use super::{errors, merge};
use crate::base::backoff::Backoff;
use crate::problems::code::code;
use crate::problems::{Problem, ProblemCode};
use crate::sources::redis::config::RedisConfig;
use crate::sources::{Cost, SourceError};

const WRONG_NODE: ProblemCode = code("wrong_node");
const CLUSTER_MODE: ProblemCode = code("cluster_mode");

/// Pauses between attempts to connect.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// Most attempts to read over connections that end early.
const ATTEMPTS: u32 = 4;

/// A connection that reopens itself.
pub(crate) struct Link {
    config: RedisConfig,
    connection: Option<RedisConnection>,
    backoff: Backoff,
    /// No attempt before this.
    not_before: Option<Instant>,
    /// Why the last connection was dropped, or could not be made.
    failure: String,
    cost: Cost,
    /// Grows with each connection.
    connection_id: u64,
    /// How long the last round trip took.
    round_trip: Duration,
    node: NodeWatch,
    strain: Strain,
    /// What is wrong with the server that the address leads to.
    problem: Option<Problem>,
}

impl Link {
    pub(crate) fn new(config: RedisConfig) -> Self {
        let expects_primary = matches!(config.address.place, Place::Sentinels(_));
        Self {
            config,
            connection: None,
            backoff: Backoff::new(FIRST_PAUSE, LONGEST_PAUSE),
            not_before: None,
            failure: String::new(),
            cost: Cost { round_trips: 0, commands: 0 },
            connection_id: 0,
            round_trip: Duration::ZERO,
            node: NodeWatch::new(expects_primary),
            strain: Strain::default(),
            problem: None,
        }
    }

    /// What is wrong with the connection now.
    pub(super) const fn problem(&self) -> Option<&Problem> {
        self.problem.as_ref()
    }

    /// The cost since the last call of [`Self::reset_cost`].
    pub(super) const fn cost(&self) -> Cost {
        self.cost
    }

    /// Names the connection that is open, if one is: what was watched on it is watched as long as this stays the same.
    pub(super) fn connection_id(&self) -> Option<u64> {
        self.connection.as_ref().map(|_| self.connection_id)
    }

    pub(super) const fn round_trip(&self) -> Duration {
        self.round_trip
    }

    pub(super) const fn reset_cost(&mut self) {
        self.cost = Cost { round_trips: 0, commands: 0 };
    }

    /// Commands that only read, and what the node says of itself: a node that was demoted, or a replica that has lost its
    /// primary, holds what was true once. Then the connection is made anew, by name, and they are sent again.
    ///
    /// # Errors
    /// The new connection leads to a wrong node too.
    pub(super) async fn read_from_primary(&mut self, mut commands: Pipeline) -> Result<Vec<Value>, SourceError> {
        if !self.connection().await?.tells_node {
            return self.read(&commands).await;
        }
        commands.cmd("INFO").arg("replication");
        for _ in 0..2 {
            let mut values = self.read(&commands).await?;
            let problem = values.pop().and_then(Node::of_reply).and_then(|node| self.node.observe(node));
            let Some(problem) = problem else {
                self.problem = None;
                return Ok(values);
            };
            self.problem = Some(Problem::new(WRONG_NODE, self.config.redacted(), problem));
            self.connection = None;
        }
        let problem = self.problem.as_ref().map(|problem| problem.detail.clone()).unwrap_or_default();
        let error = SourceError::WrongNode { server: self.server(), problem };
        self.lost(&error);
        Err(error)
    }

    /// Commands that only read. A connection that turns out closed is made anew at once and they are sent again: it may
    /// have been idle for too long. Where the server closes it instead of answering, fewer are sent at a time.
    pub(super) async fn read(&mut self, commands: &Pipeline) -> Result<Vec<Value>, SourceError> {
        match merge::merged(commands) {
            Some(merged) => self.read_again(&merged.pipeline).await.map(|values| merged.split(values)),
            None => self.read_again(commands).await,
        }
    }

    async fn read_again(&mut self, commands: &Pipeline) -> Result<Vec<Value>, SourceError> {
        let began = Instant::now();
        let mut attempts = 0;
        loop {
            attempts += 1;
            let was_open = self.connection.is_some();
            let (error, answered) = match self.attempt(commands).await {
                Ok(values) => return Ok(values),
                Err(failed) => failed,
            };
            if !matches!(error, SourceError::Disconnected { .. }) {
                return Err(error);
            }
            if answered || !was_open {
                self.strain.closed(commands.len());
            }
            if attempts == ATTEMPTS || began.elapsed() > self.config.timeout / 2 {
                return Err(error);
            }
            self.not_before = None;
        }
    }

    /// Sends all commands in one round trip, or in more if the server could not answer as many before, and returns one value
    /// a command: [`Value::ServerError`] for one that the server refuses, which does not affect the others.
    pub(crate) async fn run(&mut self, commands: &Pipeline) -> Result<Vec<Value>, SourceError> {
        self.attempt(commands).await.map_err(|(error, _)| error)
    }

    /// The same; with an error, whether a part of the answer had arrived.
    async fn attempt(&mut self, commands: &Pipeline) -> Result<Vec<Value>, (SourceError, bool)> {
        let end = Instant::now() + self.config.timeout;
        let Some(parts) = self.strain.parts(commands) else { return self.round_trip_of(commands, end).await };
        let mut values = Vec::new();
        for part in &parts.pipelines {
            values.append(&mut self.round_trip_of(part, end).await?);
        }
        self.strain.answered();
        Ok(parts.join(values))
    }

    /// One round trip, or a part of one that ends at `end`, beside the time that connecting takes.
    async fn round_trip_of(&mut self, commands: &Pipeline, end: Instant) -> Result<Vec<Value>, (SourceError, bool)> {
        if commands.is_empty() {
            return Ok(Vec::new());
        }
        let limit = self.config.timeout;
        let before = Instant::now();
        let connection = self.connection().await.map_err(|error| (error, false))?;
        let sent = Instant::now();
        let answer = timeout_at(end + (sent - before), connection.send(commands)).await;
        let answered = !connection.is_unanswered();
        self.round_trip = sent.elapsed();
        self.cost.round_trips += 1;
        self.cost.commands += commands.len() as u64;
        let error = match answer {
            Ok(Ok(values)) => {
                self.backoff.reset();
                return Ok(values);
            }
            Ok(Err(error)) => errors::failed(self.server(), &error),
            // A late answer on this connection would be taken for that of a later request.
            Err(_) => SourceError::TimedOut { server: self.server(), limit, advice: errors::RUNNING },
        };
        self.lost(&error);
        Err((error, answered))
    }

    /// An answer that is an error of the server as a whole (loading, no permission, …).
    pub(crate) fn refused(&mut self, error: &ServerError) -> SourceError {
        if matches!(error.code(), "CROSSSLOT" | "MOVED" | "ASK" | "CLUSTERDOWN") {
            self.problem = Some(Problem::new(CLUSTER_MODE, self.config.redacted(), errors::error_text(error)));
        }
        errors::refused(self.server(), error)
    }

    /// Takes the outcome of our own write. A refusal may mean that the node was demoted: then the next request connects
    /// anew, by name.
    pub(super) fn wrote(&mut self, refusal: Option<&ServerError>) {
        if self.node.wrote(refusal.is_some_and(|error| error.code() == "READONLY")) {
            self.connection = None;
        }
    }

    /// The address, without credentials.
    pub(super) fn place(&self) -> String {
        self.config.redacted()
    }

    fn server(&self) -> String {
        format!("Redis at {}", self.place())
    }

    async fn connection(&mut self) -> Result<&mut RedisConnection, SourceError> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.reconnect().await?,
        };
        Ok(self.connection.insert(connection))
    }

    async fn reconnect(&mut self) -> Result<RedisConnection, SourceError> {
        let retry_in = self.not_before.map(|at| at.saturating_duration_since(Instant::now()));
        if let Some(retry_in) = retry_in.filter(|left| !left.is_zero()) {
            return Err(SourceError::BackingOff { failure: self.failure.clone(), retry_in });
        }
        let limit = self.config.connect_timeout;
        let error = match timeout(limit, RedisConnection::connect(&self.config)).await {
            Ok(Ok(connection)) => {
                self.connection_id += 1;
                return Ok(connection);
            }
            Ok(Err(error)) => {
                let found = error.is_cluster().then_some(CLUSTER_MODE);
                let problem = found.map(|code| Problem::new(code, self.config.redacted(), error.cause()));
                self.problem = problem.or(self.problem.take());
                error.of_server(self.server())
            }
            Err(_) => errors::no_connection(self.server(), limit, self.config.tls.as_ref()),
        };
        self.lost(&error);
        Err(error)
    }

    /// Drops the connection and schedules the next attempt.
    fn lost(&mut self, why: &SourceError) {
        self.failure = why.to_string();
        self.connection = None;
        self.not_before = Some(Instant::now() + self.backoff.next());
    }
}
