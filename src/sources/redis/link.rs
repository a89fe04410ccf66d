//! One connection to Redis: made when needed, dropped when it cannot be trusted any more, and made
//! again with growing pauses. What is asked over it is its callers' matter.

use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::sentinel::{SentinelClient, SentinelClientBuilder, SentinelServerType};
use redis::{AsyncConnectionConfig, Client, ConnectionAddr, Pipeline, RedisConnectionInfo, RedisError, TlsMode, Value};
use secrecy::ExposeSecret;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use super::stream::{self, Stream};
use super::truncate::{ByteBudget, TruncatingStream};
use crate::sources::redis::config::{RedisConfig, SentinelAddress};
use crate::sources::{Cost, SourceError};

/// Pause after a first failure; doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// A connection that heals itself.
pub(crate) struct Link {
    config: RedisConfig,
    connection: Option<RedisConnection>,
    pause: Duration,
    /// No attempt before this.
    not_before: Option<Instant>,
    cost: Cost,
}

/// A connection and the task that drives it.
struct RedisConnection {
    redis: MultiplexedConnection,
    budget: ByteBudget,
    driver: JoinHandle<()>,
}

impl Drop for RedisConnection {
    fn drop(&mut self) {
        // By itself it would wait for answers that may never come.
        self.driver.abort();
    }
}

impl Link {
    pub(crate) const fn new(config: RedisConfig) -> Self {
        Self {
            config,
            connection: None,
            pause: FIRST_PAUSE,
            not_before: None,
            cost: Cost { round_trips: 0, commands: 0 },
        }
    }

    /// What was asked since the last call of [`Self::reset_cost`].
    pub(super) const fn cost(&self) -> Cost {
        self.cost
    }

    pub(super) const fn reset_cost(&mut self) {
        self.cost = Cost { round_trips: 0, commands: 0 };
    }

    /// Sends all commands in one round trip and gives one value a command; a command that the
    /// server refuses gives [`Value::ServerError`] and leaves the others alone.
    pub(crate) async fn run(&mut self, commands: &Pipeline) -> Result<Vec<Value>, SourceError> {
        if commands.is_empty() {
            return Ok(Vec::new());
        }
        let limit = self.config.timeout;
        let connection = self.connection().await?;
        connection.budget.renew();
        let answer = timeout(limit, connection.redis.send_packed_commands(commands, 0, commands.len())).await;
        self.cost.round_trips += 1;
        self.cost.commands += commands.len() as u64;
        match answer {
            Ok(Ok(values)) => {
                self.pause = FIRST_PAUSE;
                Ok(values)
            }
            Ok(Err(error)) => Err(self.lost(&describe(&error))),
            // Answers may still come; on this connection they would be taken for those of later questions.
            Err(_) => Err(self.lost(&format!("no answer within {limit:?}"))),
        }
    }

    /// The answers are errors of the server as a whole (loading, no permission, …).
    pub(crate) fn refused(&self, why: &str) -> SourceError {
        SourceError(format!("Redis at {} refuses: {why}", self.config.redacted()))
    }

    async fn connection(&mut self) -> Result<&mut RedisConnection, SourceError> {
        if self.connection.is_none() {
            if let Some(not_before) = self.not_before.filter(|at| *at > Instant::now()) {
                let wait = not_before - Instant::now();
                return Err(SourceError(format!(
                    "Redis at {} was lost; trying again in {wait:.1?}",
                    self.config.redacted()
                )));
            }
            let connection = match timeout(self.config.timeout, connect(&self.config)).await {
                Ok(Ok(connection)) => connection,
                Ok(Err(error)) => return Err(self.lost(&format!("cannot connect: {}", describe(&error)))),
                Err(_) => return Err(self.lost(&format!("cannot connect within {:?}", self.config.timeout))),
            };
            self.connection = Some(connection);
        }
        self.connection.as_mut().ok_or_else(|| SourceError("no connection".to_owned()))
    }

    /// Gives the connection up and says when the next attempt may be.
    fn lost(&mut self, why: &str) -> SourceError {
        self.connection = None;
        // Full jitter, so that replicas do not return in step.
        self.not_before = Some(Instant::now() + self.pause.mul_f64(fastrand::f64()));
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        SourceError(format!("Redis at {}: {why}; is it running, and is REDIS_URL right?", self.config.redacted()))
    }
}

/// The error in words; the library's own text never holds the password.
fn describe(error: &RedisError) -> String {
    error.to_string()
}

/// A way to the configured address that lets no long value through, and who to be there.
pub(super) async fn open(
    config: &RedisConfig,
) -> Result<(TruncatingStream<Box<dyn Stream>>, ByteBudget, RedisConnectionInfo), RedisError> {
    let client = client(config).await?;
    let info = client.get_connection_info();
    let (stream, budget) = TruncatingStream::new(stream::open(info.addr()).await?);
    // Old servers do not know that command, and a user may lack the permission.
    Ok((stream, budget, info.redis_settings().clone().set_skip_set_lib_name()))
}

/// A client for the configured address; with sentinels, for the master they name now.
async fn client(config: &RedisConfig) -> Result<Client, RedisError> {
    crate::tls::use_ring();
    match config.sentinel() {
        Some(address) => sentinel(&address)?.async_get_client().await,
        None => Client::open(config.url.expose_secret()),
    }
}

async fn connect(config: &RedisConfig) -> Result<RedisConnection, RedisError> {
    let (stream, budget, user) = open(config).await?;
    // The link has a limit of its own: the library's would leave a late answer in the way of the next.
    let settings = AsyncConnectionConfig::new().set_response_timeout(None);
    let (mut redis, driver) = MultiplexedConnection::new_with_config(&user, stream, settings).await?;
    let connection = RedisConnection { redis: redis.clone(), budget, driver: tokio::spawn(driver) };
    // A user without this permission may read all the same.
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
