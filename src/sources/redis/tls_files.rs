//! Follows the files that verify Redis and show it who we are: a replaced one is used from the next connection on.

use std::path::Path;

use tokio::task::JoinSet;

use super::config::RedisConfig;
use crate::base::file_watch::FileWatcher;
use crate::tls::stream_client::StreamClient;

/// Follows the files of `config` until the result is dropped; needs a runtime. `reloaded` is called after each change, with the errors
/// of contents that cannot be used: then the previous ones stay in use.
///
/// # Errors
/// A file has become invalid since the configuration was read.
pub(super) fn follow(
    config: &RedisConfig,
    reloaded: impl Fn(Option<&[String]>) + Send + 'static,
) -> Result<JoinSet<()>, Vec<String>> {
    let clients: Vec<StreamClient> = config.stream_clients().cloned().collect();
    let paths = clients.iter().flat_map(StreamClient::paths).map(Path::to_owned).collect();
    let loaders = clients.clone();
    let (watcher, configs) = FileWatcher::begin(paths, move || loaders.iter().map(StreamClient::load).collect())?;
    let replace =
        move |configs: Vec<_>| clients.iter().zip(configs).for_each(|(client, config)| client.replace(config));
    replace(configs);
    let mut following = JoinSet::new();
    following.spawn(watcher.follow(move |change| {
        reloaded(change.as_ref().err().map(Vec::as_slice));
        if let Ok(configs) = change {
            tracing::info!("TLS files of Redis reloaded; in use from the next connection on");
            replace(configs);
        }
    }));
    Ok(following)
}
