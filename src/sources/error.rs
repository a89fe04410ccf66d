//! Why a source could not be read.

use std::time::Duration;

/// Why a source could not be read: what, where, and what to do; never a secret. The variants tell whether a request
/// may have taken effect and whether the server answered at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// There is no connection, and nothing was sent.
    #[error("{server}: cannot connect: {cause}{}", then(advice))]
    Unreachable { server: String, cause: String, advice: &'static str },
    /// There is no connection, and it is too early for the next attempt; nothing was sent.
    #[error("{failure}; next attempt in {retry_in:.1?}")]
    BackingOff {
        /// Why the last attempt failed, with the server.
        failure: String,
        retry_in: Duration,
    },
    /// The request was sent and not answered in time; it may have taken effect.
    #[error("{server}: no answer within {limit:?}{}", then(advice))]
    TimedOut { server: String, limit: Duration, advice: &'static str },
    /// The connection ended before the whole answer came; the request may have taken effect.
    #[error("{server}: connection lost before the answer: {cause}{}", then(advice))]
    Disconnected { server: String, cause: String, advice: &'static str },
    /// The server answered with an error.
    #[error("{server} refused: {message} ({code}){}", then(advice))]
    Refused {
        server: String,
        /// The server's own error code, such as `READONLY` (Redis) or `28P01` (PostgreSQL).
        code: String,
        message: String,
        advice: &'static str,
    },
    /// The server answered, and is not the one that is meant.
    #[error("{server} is the wrong node: {problem}; it is connected to anew, by name")]
    WrongNode { server: String, problem: String },
    /// The server answered something else than was asked for.
    #[error("{server}: {problem}")]
    BadReply { server: String, problem: String },
    /// Every configured upstream failed, in proxy mode; one message each.
    #[error("{0}")]
    Upstreams(String),
}

/// What to do about it, behind the rest of the message.
fn then(advice: &str) -> String {
    if advice.is_empty() { String::new() } else { format!("; {advice}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_say_what_where_and_what_to_do() {
        let (server, advice) = ("Redis at redis://h:1".to_owned(), "is it running?");
        let cases = [
            (
                SourceError::Unreachable { server: server.clone(), cause: "Connection refused".into(), advice },
                "Redis at redis://h:1: cannot connect: Connection refused; is it running?",
            ),
            (
                SourceError::BackingOff { failure: "Redis is gone".into(), retry_in: Duration::from_millis(1540) },
                "Redis is gone; next attempt in 1.5s",
            ),
            (
                SourceError::TimedOut { server: server.clone(), limit: Duration::from_secs(5), advice },
                "Redis at redis://h:1: no answer within 5s; is it running?",
            ),
            (
                SourceError::Refused { server, code: "LOADING".into(), message: "in memory".into(), advice: "" },
                "Redis at redis://h:1 refused: in memory (LOADING)",
            ),
        ];
        for (error, expected) in cases {
            assert_eq!(error.to_string(), expected);
        }
    }
}
