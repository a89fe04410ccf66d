//! One connection to Redis: its transport, its login, and what the node says of itself.

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Pipeline, RedisConnectionInfo, RedisError, Value};
use tokio::task::JoinHandle;

use super::address::Place;
use super::config::RedisConfig;
use super::errors::ConnectError;
use super::node::Node;
use super::stream::{self, Stream};
use super::truncate::{ByteBudget, TruncatingStream};
use super::{handshake, sentinel};

/// A connection and the task that drives it.
pub(super) struct RedisConnection {
    redis: MultiplexedConnection,
    budget: ByteBudget,
    driver: JoinHandle<()>,
    /// Whether the user may ask what node it is.
    pub(super) tells_node: bool,
}

impl Drop for RedisConnection {
    fn drop(&mut self) {
        // It would wait for answers that may never come.
        self.driver.abort();
    }
}

impl RedisConnection {
    pub(super) async fn connect(config: &RedisConfig) -> Result<Self, ConnectError> {
        let Opened { stream, budget, node } = open(config).await?;
        if node.is_some_and(|node| node.is_cluster) {
            return Err(ConnectError::cluster());
        }
        // The link has its own limit: after the library's, a late answer would be taken for the next one.
        let settings = AsyncConnectionConfig::new().set_response_timeout(None);
        let opened = MultiplexedConnection::new_with_config(&library_settings(), stream, settings).await;
        let (redis, driver) = opened.map_err(|error| ConnectError::text(error.to_string()))?;
        Ok(Self { redis, budget, driver: tokio::spawn(driver), tells_node: node.is_some() })
    }

    /// One round trip.
    pub(super) async fn send(&mut self, commands: &Pipeline) -> Result<Vec<Value>, RedisError> {
        self.budget.renew();
        self.redis.send_packed_commands(commands, 0, commands.len()).await
    }

    /// Whether no byte of an answer to the last request has arrived.
    pub(super) fn is_unanswered(&self) -> bool {
        self.budget.is_untouched()
    }
}

/// A transport that has logged in, and what the node said of itself, if the user may ask.
pub(super) struct Opened {
    pub(super) stream: TruncatingStream<Box<dyn Stream>>,
    pub(super) budget: ByteBudget,
    node: Option<Node>,
}

/// Opens the transport to the configured address, which truncates long values, and logs in. A name is resolved anew, and
/// sentinels are asked anew for the primary.
pub(super) async fn open(config: &RedisConfig) -> Result<Opened, ConnectError> {
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
    let node = greeted.await.map_err(|error| ConnectError::of_handshake(error, tls, has_identity))?;
    Ok(Opened { stream, budget, node })
}

/// What the library sends first: nothing, [`open`] has logged in.
pub(super) fn library_settings() -> RedisConnectionInfo {
    RedisConnectionInfo::default().set_skip_set_lib_name()
}
