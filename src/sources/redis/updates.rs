//! Listens for gateway configurations that an administrator publishes. A missed message does no harm: the next tick
//! reads the saved copy.

use std::time::Duration;

use futures_util::StreamExt;
use redis::aio::PubSub;
use tokio::sync::mpsc;

use super::connection::{self, Opened};
use crate::base::backoff::Backoff;
use crate::platform::facts::Scope;
use crate::platform::keys::Keys;
use crate::sources::redis::config::RedisConfig;

/// Pauses before subscribing again.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Sends every message, of whatever bytes, to `out`, until its receiver is dropped.
pub async fn watch_gateway_updates(config: RedisConfig, scope: Scope, out: mpsc::Sender<Vec<u8>>) {
    let channel = Keys::new(&scope).gateway_updates();
    let mut backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
    while !out.is_closed() {
        if let Err(error) = listen(&config, &channel, &out, &mut backoff).await {
            tracing::debug!(error, "not subscribed to gateway configuration updates; will retry");
        }
        tokio::time::sleep(backoff.next()).await;
    }
}

/// Forwards messages until the connection ends.
async fn listen(
    config: &RedisConfig,
    channel: &str,
    out: &mpsc::Sender<Vec<u8>>,
    backoff: &mut Backoff,
) -> Result<(), String> {
    let text = |error: redis::RedisError| error.to_string();
    let opened = connection::open(config).await;
    let Opened { stream, budget, .. } = opened.map_err(|error| error.of_server(config.redacted()).to_string())?;
    let mut subscription = PubSub::new(&connection::library_settings(), stream).await.map_err(text)?;
    subscription.subscribe(channel).await.map_err(text)?;
    backoff.reset();
    let mut messages = subscription.on_message();
    while let Some(message) = messages.next().await {
        budget.renew();
        if out.send(message.get_payload_bytes().to_vec()).await.is_err() {
            break;
        }
    }
    Ok(())
}
