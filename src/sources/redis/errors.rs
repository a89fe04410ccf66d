//! Redis' errors as [`SourceError`]s. The library's texts never hold the password.

use std::io::ErrorKind;
use std::time::Duration;

use redis::{RedisError, ServerError, Value};

use crate::base::error_chain;
use crate::sources::SourceError;
use crate::tls::stream_client::StreamClient;

/// What to do where Redis does not answer.
pub(super) const RUNNING: &str = "is it running, and is REDIS_URL right?";

const USER: &str = "are user and password in REDIS_URL right?";
const CLUSTER: &str = "CLUSTER";
const NO_CLUSTER: &str = "point REDIS_URL at a Redis without cluster mode, as the platform itself requires";
const SENTINEL_USER: &str = "are METRICS_REDIS_SENTINEL_USERNAME and METRICS_REDIS_SENTINEL_PASSWORD right?";
const PLAIN: &str = "if this port expects TLS, the address begins with rediss://";
const NOT_TLS: &str = "is this a port with TLS? An address without TLS begins with redis://";
const AUTHORITY: &str = "name the authority's certificate with METRICS_REDIS_CA_FILE";
const IDENTITY: &str = "a Redis with TLS asks clients for a certificate by default: set METRICS_REDIS_CLIENT_CERT_FILE and \
                        METRICS_REDIS_CLIENT_KEY_FILE";

/// Why a connection could not be opened, and what to do about it.
#[derive(Debug)]
pub(super) struct ConnectError {
    cause: String,
    /// The server's own error code, where it refused.
    code: Option<String>,
    advice: &'static str,
}

impl ConnectError {
    pub(super) const fn text(cause: String) -> Self {
        Self { cause, code: None, advice: RUNNING }
    }

    /// No transport, or no TLS on it.
    pub(super) fn of_stream(error: std::io::Error, tls: Option<&StreamClient>) -> Self {
        let cause = error_chain::innermost(&error).to_string();
        let is_untrusted = ["UnknownIssuer", "BadSignature"].iter().any(|word| cause.contains(word));
        let advice = if is_untrusted {
            AUTHORITY
        } else if tls.is_some() && is_not_tls(&error) {
            NOT_TLS
        } else {
            RUNNING
        };
        Self { cause, code: None, advice }
    }

    /// The first round trip failed; `has_identity` whether we showed a certificate.
    pub(super) fn of_handshake(error: RedisError, tls: Option<&StreamClient>, has_identity: bool) -> Self {
        let cause = error.to_string();
        match (error.code(), tls) {
            (Some(code), _) => Self { advice: advice(code, &cause), code: Some(code.to_owned()), cause },
            (None, None) => Self { cause, code: None, advice: PLAIN },
            (None, Some(_)) if !has_identity => Self { cause, code: None, advice: IDENTITY },
            (None, Some(_)) => Self { cause, code: None, advice: RUNNING },
        }
    }

    /// A sentinel refused.
    pub(super) fn of_sentinel(error: &ServerError) -> Self {
        let advice = if is_of_user(error.code(), error.details().unwrap_or_default()) { SENTINEL_USER } else { "" };
        Self { cause: error_text(error), code: Some(error.code().to_owned()), advice }
    }

    /// The server runs in cluster mode, in which a command over several keys fails: nothing would be read but at first.
    pub(super) fn cluster() -> Self {
        Self {
            cause: "it runs in cluster mode, in which commands over several keys fail".to_owned(),
            code: Some(CLUSTER.to_owned()),
            advice: NO_CLUSTER,
        }
    }

    pub(super) fn is_cluster(&self) -> bool {
        self.code.as_deref() == Some(CLUSTER)
    }

    pub(super) fn cause(&self) -> &str {
        &self.cause
    }

    /// The same with where it happened.
    pub(super) fn at(self, place: String) -> Self {
        Self { cause: format!("{place}: {}", self.cause), ..self }
    }

    /// As an error of the source.
    pub(super) fn of_server(self, server: String) -> SourceError {
        let Self { cause, code, advice } = self;
        match code {
            Some(code) => SourceError::Refused { server, code, message: cause, advice },
            None => SourceError::Unreachable { server, cause, advice },
        }
    }
}

/// Whether the peer's first bytes are none of TLS, or none came.
fn is_not_tls(error: &std::io::Error) -> bool {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    matches!(inner, Some(rustls::Error::InvalidMessage(_)))
        || matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset | ErrorKind::BrokenPipe)
}

/// No connection within the time limit: a plain port waits for the rest of what it takes for a command.
pub(super) fn no_connection(server: String, limit: Duration, tls: Option<&StreamClient>) -> SourceError {
    let advice = if tls.is_some() { NOT_TLS } else { RUNNING };
    SourceError::Unreachable { server, cause: format!("no connection within {limit:?}"), advice }
}

/// A request failed as a whole.
pub(super) fn failed(server: String, error: &RedisError) -> SourceError {
    let cause = error.to_string();
    match (error.kind(), error.code()) {
        (redis::ErrorKind::Parse | redis::ErrorKind::UnexpectedReturnType, _) => {
            SourceError::BadReply { server, problem: format!("the answer cannot be read: {cause}") }
        }
        (_, Some(code)) => {
            SourceError::Refused { server, code: code.to_owned(), advice: advice(code, &cause), message: cause }
        }
        _ => SourceError::Disconnected { server, cause, advice: RUNNING },
    }
}

/// An answer that is an error.
pub(super) fn refused(server: String, error: &ServerError) -> SourceError {
    let (code, message) = (error.code().to_owned(), error.details().unwrap_or("no details").to_owned());
    SourceError::Refused { server, advice: advice(&code, &message), code, message }
}

/// The first command that was refused.
pub(crate) fn first_refusal(values: &[Value]) -> Option<&ServerError> {
    values.iter().find_map(|value| match value {
        Value::ServerError(error) => Some(error),
        _ => None,
    })
}

/// The first answer that concerns the server rather than one key: loading, no permission, no password. The answers
/// at `optional` may be refused.
pub(super) fn server_refusal<'a>(values: &'a [Value], optional: &[usize]) -> Option<&'a ServerError> {
    values.iter().enumerate().filter(|(index, _)| !optional.contains(index)).find_map(|(_, value)| match value {
        Value::ServerError(error) if error.code() != "WRONGTYPE" => Some(error),
        _ => None,
    })
}

/// The server's own code and message.
pub(super) fn error_text(error: &ServerError) -> String {
    format!("{} {}", error.code(), error.details().unwrap_or_default()).trim().to_owned()
}

fn advice(code: &str, text: &str) -> &'static str {
    match code {
        _ if is_of_user(code, text) => USER,
        "NOPERM" => "docs/security.md lists the permissions that it needs",
        "CROSSSLOT" | "MOVED" | "ASK" | "CLUSTERDOWN" => NO_CLUSTER,
        "READONLY" => "is REDIS_URL the address of a replica?",
        _ => "",
    }
}

/// `ERR AUTH <password> called without any password configured` has no code of its own.
fn is_of_user(code: &str, text: &str) -> bool {
    matches!(code, "NOAUTH" | "WRONGPASS") || text.contains("AUTH <password> called without any password")
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    fn server_error(line: &str) -> ServerError {
        match redis::parse_redis_value(line.as_bytes()).unwrap() {
            Value::ServerError(error) => error,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_refusal_keeps_the_servers_code() {
        for (line, code) in [
            ("-READONLY You can't write against a read only replica.\r\n", "READONLY"),
            ("-MOVED 3999 10.0.0.2:6381\r\n", "MOVED"),
            ("-LOADING Redis is loading the dataset in memory\r\n", "LOADING"),
            ("-NOPERM this user has no permissions\r\n", "NOPERM"),
        ] {
            let error = server_error(line);
            for found in [refused("Redis".into(), &error), failed("Redis".into(), &error.clone().into())] {
                assert!(matches!(&found, SourceError::Refused { code: found, .. } if found == code), "{found:?}");
            }
        }
    }

    #[test]
    fn a_lost_connection_is_not_taken_for_a_bad_answer() {
        let reset = RedisError::from(io::Error::from(io::ErrorKind::ConnectionReset));
        assert!(matches!(failed("Redis".into(), &reset), SourceError::Disconnected { .. }));
        let odd = RedisError::from((redis::ErrorKind::Parse, "odd"));
        assert!(matches!(failed("Redis".into(), &odd), SourceError::BadReply { .. }));
    }

    #[test]
    fn a_key_of_another_type_does_not_concern_the_server() {
        let values = ["-WRONGTYPE x\r\n", "-NOPERM scan\r\n", ":1\r\n"]
            .map(|line| redis::parse_redis_value(line.as_bytes()).unwrap());
        assert_eq!(server_refusal(&values, &[]).map(ServerError::code), Some("NOPERM"));
        assert!(server_refusal(&values, &[1]).is_none());
        assert_eq!(first_refusal(&values).map(ServerError::code), Some("WRONGTYPE"));
    }
}
