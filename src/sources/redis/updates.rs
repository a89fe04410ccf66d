//! Listens for gateway configurations that an admin publishes. What is done with one is the
//! engine's matter; a message that is missed is found on the next tick, in the saved copy.

use std::time::Duration;

use futures_util::StreamExt;
use redis::aio::PubSub;
use tokio::sync::mpsc;

use super::link;
use crate::base::backoff::jittered;
use crate::platform::facts::Scope;
use crate::platform::keys::Keys;
use crate::sources::redis::config::RedisConfig;

/// Pause before the subscription is made again, half of it by chance.
const PAUSE: Duration = Duration::from_secs(5);

/// Passes every message on, of whatever bytes, until nobody takes it any more.
pub async fn watch_gateway_updates(config: RedisConfig, scope: Scope, out: mpsc::Sender<Vec<u8>>) {
    let channel = Keys::new(&scope).gateway_updates();
    while !out.is_closed() {
        if let Err(error) = listen(&config, &channel, &out).await {
            tracing::debug!(%error, "no subscription to configuration updates");
        }
        tokio::time::sleep(jittered(PAUSE)).await;
    }
}

async fn listen(config: &RedisConfig, channel: &str, out: &mpsc::Sender<Vec<u8>>) -> Result<(), redis::RedisError> {
    let (stream, budget, user) = link::open(config).await?;
    let mut subscription = PubSub::new(&user, stream).await?;
    subscription.subscribe(channel).await?;
    let mut messages = subscription.on_message();
    while let Some(message) = messages.next().await {
        budget.renew();
        if out.send(message.get_payload_bytes().to_vec()).await.is_err() {
            break;
        }
    }
    Ok(())
}
