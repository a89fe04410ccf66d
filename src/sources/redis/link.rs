//! One connection to Redis: opened when needed, dropped after an error, and reopened with backoff.

use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::sentinel::{SentinelClient, SentinelClientBuilder, SentinelServerType};
use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, Pipeline, RedisConnectionInfo, RedisError, ServerError, TlsMode,
    Value,
};
use secrecy::ExposeSecret;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use super::errors;
use super::stream::{self, Stream};
use super::truncate::{ByteBudget, TruncatingStream};
use crate::base::backoff::Backoff;
use crate::sources::redis::config::{RedisConfig, SentinelAddress};
use crate::sources::{Cost, SourceError};

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
    /// Grows with each connection.
    connection_id: u64,
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
            connection_id: 0,
            round_trip: Duration::ZERO,
        }
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
        let limit = self.config.timeout;
        let error = match timeout(limit, connect(&self.config)).await {
            Ok(Ok(connection)) => {
                self.connection_id += 1;
                return Ok(connection);
            }
            Ok(Err(error)) => errors::not_connected(self.server(), &error),
            Err(_) => {
                let cause = format!("no connection within {limit:?}");
                SourceError::Unreachable { server: self.server(), cause, advice: errors::RUNNING }
            }
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

/// The transport to the configured address, which truncates long values, with the credentials kept separately.
pub(super) async fn open(
    config: &RedisConfig,
) -> Result<(TruncatingStream<Box<dyn Stream>>, ByteBudget, RedisConnectionInfo), RedisError> {
    let client = client(config).await?;
    let info = client.get_connection_info();
    let (stream, budget) = TruncatingStream::new(stream::open(info.addr()).await?);
    // Old servers do not have that command, and a user may lack the permission.
    Ok((stream, budget, info.redis_settings().clone().set_skip_set_lib_name()))
}

/// A client for the configured address; with sentinels, for the master they name at this moment.
async fn client(config: &RedisConfig) -> Result<Client, RedisError> {
    crate::tls::use_ring();
    match config.sentinel() {
        Some(address) => sentinel(&address)?.async_get_client().await,
        None => Client::open(config.url.expose_secret()),
    }
}

async fn connect(config: &RedisConfig) -> Result<RedisConnection, RedisError> {
    let (stream, budget, user) = open(config).await?;
    // `run` has its own limit: after the library's, a late answer would be taken for the next one.
    let settings = AsyncConnectionConfig::new().set_response_timeout(None);
    let (mut redis, driver) = MultiplexedConnection::new_with_config(&user, stream, settings).await?;
    let connection = RedisConnection { redis: redis.clone(), budget, driver: tokio::spawn(driver) };
    // A user may lack this permission: reading works without it.
    let _ = redis::cmd("CLIENT").arg("SETNAME").arg(&config.client_name).query_async::<()>(&mut redis).await;
    Ok(connection)
}

fn sentinel(address: &SentinelAddress) -> Result<SentinelClient, RedisError> {
    let sentinels = address.sentinels.iter().map(|(host, port)| ConnectionAddr::Tcp(host.clone(), *port));
    let mut builder = SentinelClientBuilder::new(sentinels, &address.master, SentinelServerType::Master)?
        .set_client_to_redis_db(address.database);
    if let Some(username) = &address.username {
        builder = builder.set_client_to_redis_username(username);
    }
    if let Some(password) = &address.password {
        builder = builder.set_client_to_redis_password(password.expose_secret());
    }
    if address.tls {
        builder = builder.set_client_to_redis_tls_mode(TlsMode::Secure);
    }
    builder.build()
}
