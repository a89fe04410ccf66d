//! Asks sentinels where the primary is.

use redis::{Pipeline, RedisError, Value};
use tokio::time::timeout;

use super::address::{Credentials, HostPort, SentinelGroup};
use super::config::RedisConfig;
use super::errors::{ConnectError, first_refusal};
use super::handshake::{authenticate, exchange};
use super::stream;
use super::truncate::TruncatingStream;

/// The address of the primary at this moment, by the first sentinel that knows it.
///
/// # Errors
/// What the last sentinel said, or why it could not be asked.
pub(super) async fn primary(config: &RedisConfig, group: &SentinelGroup) -> Result<HostPort, ConnectError> {
    // One that hangs must leave time for the others, and for the primary.
    let parts = u32::try_from(group.sentinels.len()).unwrap_or(u32::MAX).saturating_add(1);
    let limit = config.connect_timeout / parts;
    let mut failed = ConnectError::text("no sentinel is configured".to_owned());
    for sentinel in &group.sentinels {
        match timeout(limit, ask(config, group, sentinel)).await {
            Ok(Ok(primary)) => return Ok(primary),
            Ok(Err(error)) => failed = error.at(format!("sentinel {sentinel}")),
            Err(_) => failed = ConnectError::text(format!("sentinel {sentinel}: no answer within {limit:?}")),
        }
    }
    Err(failed)
}

async fn ask(config: &RedisConfig, group: &SentinelGroup, sentinel: &HostPort) -> Result<HostPort, ConnectError> {
    let tls = config.sentinel_tls.as_ref();
    let opened = stream::tcp(sentinel, tls).await;
    let (mut stream, _budget) = TruncatingStream::new(opened.map_err(|error| ConnectError::of_stream(error, tls))?);
    let mut replies = query(&mut stream, &group.user, &group.primary).await;
    if group.user.is_empty() && !config.address.user.is_empty() && is_refused(&replies, "NOAUTH") {
        replies = query(&mut stream, &config.address.user, &group.primary).await;
    }
    let replies = replies.map_err(|error| ConnectError::of_handshake(error, tls, false))?;
    if let Some(error) = first_refusal(&replies) {
        return Err(ConnectError::of_sentinel(error));
    }
    let unknown = || ConnectError::text(format!("knows no primary {:?}", group.primary));
    replies.into_iter().next_back().and_then(host_port).ok_or_else(unknown)
}

async fn query(
    stream: &mut (impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin),
    user: &Credentials,
    primary: &str,
) -> Result<Vec<Value>, RedisError> {
    let mut pipeline = Pipeline::new();
    authenticate(user, &mut pipeline);
    pipeline.cmd("SENTINEL").arg("GET-MASTER-ADDR-BY-NAME").arg(primary);
    exchange(stream, &pipeline).await
}

fn is_refused(replies: &Result<Vec<Value>, RedisError>, code: &str) -> bool {
    replies.as_ref().ok().and_then(|replies| first_refusal(replies)).is_some_and(|error| error.code() == code)
}

fn host_port(reply: Value) -> Option<HostPort> {
    let (host, port): (String, u16) = redis::from_redis_value(reply).ok()?;
    Some(HostPort { host, port })
}
