//! One connection to Redis: opened when needed, dropped after an error, and reopened with backoff.

use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Pipeline, RedisConnectionInfo, ServerError, Value};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use super::address::Place;
use super::errors::{self, ConnectError};
use super::stream::{self, Stream};
use super::truncate::{ByteBudget, TruncatingStream};
use super::{handshake, sentinel};
use crate::base::backoff::Backoff;
use crate::problems::code::code;
use crate::problems::{Problem, ProblemCode};
use crate::sources::redis::config::RedisConfig;
use crate::sources::{Cost, SourceError};
use crate::tls::stream_client::StreamClient;

const RELOAD_FAILED: ProblemCode = code("reload_failed");

/// Pauses between attempts to connect.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// A connection that reopens itself.
pub(crate) struct Link {
    config: RedisConfig,
    connection: Option<RedisConnection>,
    backoff: Backoff,
    /// No attempt before this.
    not_before: Option<Instant>,
    cost: Cost,
    /// Duration of the last successful round trip.
    round_trip: Duration,
}

/// A connection and the task that drives it.
struct RedisConnection {
    redis: MultiplexedConnection,
    budget: ByteBudget,
    driver: JoinHandle<()>,
}

impl Drop for RedisConnection {
    fn drop(&mut self) {
        // It would wait for answers that may never come.
        self.driver.abort();
    }
}

impl Link {
    pub(crate) const fn new(config: RedisConfig) -> Self {
        Self {
            config,
            connection: None,
            backoff: Backoff::new(FIRST_PAUSE, LONGEST_PAUSE),
            not_before: None,
            cost: Cost { round_trips: 0, commands: 0 },
            round_trip: Duration::ZERO,
        }
    }

    /// What is wrong with the connection now.
    pub(super) fn problems(&self) -> Vec<Problem> {
        let clients = [&self.config.tls, &self.config.sentinel_tls].into_iter().flatten();
        let failure = clients.filter_map(StreamClient::failure).next();
        failure.map(|failure| Problem::new(RELOAD_FAILED, "redis_tls", failure)).into_iter().collect()
    }

    /// The cost since the last call of [`Self::reset_cost`].
    pub(super) const fn cost(&self) -> Cost {
        self.cost
    }

    pub(super) const fn round_trip(&self) -> Duration {
        self.round_trip
    }

    pub(super) const fn reset_cost(&mut self) {
        self.cost = Cost { round_trips: 0, commands: 0 };
    }

    /// Sends all commands in one round trip and returns one value a command: [`Value::ServerError`] for one that the
    /// server refuses, which does not affect the others.
    pub(crate) async fn run(&mut self, commands: &Pipeline) -> Result<Vec<Value>, SourceError> {
        if commands.is_empty() {
            return Ok(Vec::new());
        }
        let limit = self.config.timeout;
        let connection = self.connection().await?;
        connection.budget.renew();
        let sent = Instant::now();
        let answer = timeout(limit, connection.redis.send_packed_commands(commands, 0, commands.len())).await;
        self.round_trip = sent.elapsed();
        self.cost.round_trips += 1;
        self.cost.commands += commands.len() as u64;
        match answer {
            Ok(Ok(values)) => {
                self.backoff.reset();
                Ok(values)
            }
            Ok(Err(error)) => {
                self.lost();
                Err(errors::failed(self.server(), &error))
            }
            // A late answer on this connection would be taken for that of a later request.
            Err(_) => {
                self.lost();
                Err(SourceError::TimedOut { server: self.server(), limit, advice: errors::RUNNING })
            }
        }
    }

    /// An answer that is an error of the server as a whole (loading, no permission, …).
    pub(crate) fn refused(&self, error: &ServerError) -> SourceError {
        errors::refused(self.server(), error)
    }

    fn server(&self) -> String {
        format!("Redis at {}", self.config.redacted())
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
            return Err(SourceError::BackingOff { server: self.server(), retry_in });
        }
        let limit = self.config.connect_timeout;
        let error = match timeout(limit, connect(&self.config)).await {
            Ok(Ok(connection)) => return Ok(connection),
            Ok(Err(error)) => error.of_server(self.server()),
            Err(_) => errors::no_connection(self.server(), limit, self.config.tls.as_ref()),
        };
        self.lost();
        Err(error)
    }

    /// Drops the connection and schedules the next attempt.
    fn lost(&mut self) {
        self.connection = None;
        self.not_before = Some(Instant::now() + self.backoff.next());
    }
}

/// The transport to the configured address, which truncates long values, logged in. A name is resolved anew, and sentinels
/// are asked anew for the primary.
pub(super) async fn open(
    config: &RedisConfig,
) -> Result<(TruncatingStream<Box<dyn Stream>>, ByteBudget), ConnectError> {
    let tls = config.tls.as_ref();
    let stream = match &config.address.place {
        Place::Tcp(host) => stream::tcp(host, tls).await,
        Place::Unix(path) => stream::unix(path).await,
        Place::Sentinels(group) => stream::tcp(&sentinel::primary(config, group).await?, tls).await,
    };
    let stream = stream.map_err(|error| ConnectError::of_stream(error, tls))?;
    let (mut stream, budget) = TruncatingStream::new(stream);
    let greeted = handshake::greet(&mut stream, &config.address.user, config.address.database, &config.client_name);
    let has_identity = config.address.tls.as_ref().is_some_and(|tls| tls.identity.is_some());
    greeted.await.map_err(|error| ConnectError::of_handshake(error, tls, has_identity))?;
    Ok((stream, budget))
}

/// What the library sends first: nothing, [`open`] has logged in.
pub(super) fn library_settings() -> RedisConnectionInfo {
    RedisConnectionInfo::default().set_skip_set_lib_name()
}

async fn connect(config: &RedisConfig) -> Result<RedisConnection, ConnectError> {
    let (stream, budget) = open(config).await?;
    // `run` has its own limit: after the library's, a late answer would be taken for the next one.
    let settings = AsyncConnectionConfig::new().set_response_timeout(None);
    let opened = MultiplexedConnection::new_with_config(&library_settings(), stream, settings).await;
    let (redis, driver) = opened.map_err(|error| ConnectError::text(error.to_string()))?;
    Ok(RedisConnection { redis, budget, driver: tokio::spawn(driver) })
}
