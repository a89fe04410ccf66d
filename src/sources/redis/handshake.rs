//! The first round trip of a connection: user, database and name, with the server's own words where it refuses.
//!
//! Not left to the library: it drops the server's text, and what the server said before it closed the connection.

use redis::{Pipeline, RedisError, ServerError, Value};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};

use super::address::Credentials;
use super::errors::first_refusal;
use super::node::Node;

/// Logs in, chooses the database, sets the connection's name, and asks what node it is: `None` where the user may not.
///
/// # Errors
/// The transport's, or the server's.
pub(super) async fn greet<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    user: &Credentials,
    database: u32,
    name: &str,
) -> Result<Option<Node>, RedisError> {
    match login(stream, user, database, name).await {
        // A Redis before version 6 knows no user names.
        Err(error) if is_old(&error) && user.username.is_some() => {
            let user = Credentials { username: None, password: user.password.clone() };
            login(stream, &user, database, name).await
        }
        outcome => outcome,
    }
}

async fn login<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    user: &Credentials,
    database: u32,
    name: &str,
) -> Result<Option<Node>, RedisError> {
    let mut pipeline = Pipeline::new();
    authenticate(user, &mut pipeline);
    if database != 0 {
        pipeline.cmd("SELECT").arg(database);
    }
    let needed = pipeline.len();
    pipeline.cmd("CLIENT").arg("SETNAME").arg(name);
    pipeline.cmd("INFO");
    let mut replies = exchange(stream, &pipeline).await?;
    let (needed, rest) = replies.split_at(needed.min(replies.len()));
    let refusal = first_refusal(needed).or_else(|| first_refusal(rest).filter(|error| concerns_connection(error)));
    match refusal {
        Some(error) => Err(error.clone().into()),
        None => Ok(replies.pop().and_then(Node::of_reply)),
    }
}

/// Adds the command that logs in, if there is a user.
pub(super) fn authenticate(user: &Credentials, pipeline: &mut Pipeline) {
    if user.is_empty() {
        return;
    }
    let auth = pipeline.cmd("AUTH");
    if let Some(username) = &user.username {
        auth.arg(username);
    }
    auth.arg(user.password());
}

/// A user may lack the permission for the name, and a proxy may not know the command: reading works without it.
fn concerns_connection(error: &ServerError) -> bool {
    let text = error.details().unwrap_or_default();
    matches!(error.code(), "NOAUTH" | "DENIED" | "LOADING") || text.contains("max number of clients")
}

fn is_old(error: &RedisError) -> bool {
    error.to_string().contains("wrong number of arguments for 'auth' command")
}

/// One round trip; the replies are one for each command, or fewer if the server closed the connection behind them.
pub(super) async fn exchange<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    pipeline: &Pipeline,
) -> Result<Vec<Value>, RedisError> {
    let sent = stream.write_all(&pipeline.get_packed_pipeline()).await;
    let sent = if sent.is_ok() { stream.flush().await } else { sent };
    let (mut decoder, mut replies) = (Default::default(), Vec::new());
    while replies.len() < pipeline.len() {
        // A server that refuses the connection says why and closes it: its words are there although writing failed.
        match redis::parse_redis_value_async(&mut decoder, stream).await {
            Ok(value) => replies.push(value),
            Err(_) if first_refusal(&replies).is_some() => break,
            Err(error) => return Err(sent.err().map_or(error, RedisError::from)),
        }
    }
    Ok(replies)
}
