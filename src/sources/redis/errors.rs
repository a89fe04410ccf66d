//! Redis' errors as [`SourceError`]s. The library's texts never hold the password.

use redis::{ErrorKind, RedisError, ServerError, Value};

use crate::sources::SourceError;

/// What to do where Redis does not answer.
pub(super) const RUNNING: &str = "is it running, and is REDIS_URL right?";

/// The connection could not be opened.
pub(super) fn not_connected(server: String, error: &RedisError) -> SourceError {
    let message = error.to_string();
    let code = match error.kind() {
        ErrorKind::AuthenticationFailed => Some("AUTH"),
        _ => error.code(),
    };
    match code {
        Some(code) => SourceError::Refused { server, code: code.to_owned(), message, advice: advice(code) },
        None => SourceError::Unreachable { server, cause: message, advice: RUNNING },
    }
}

/// A request failed as a whole.
pub(super) fn failed(server: String, error: &RedisError) -> SourceError {
    let cause = error.to_string();
    match (error.kind(), error.code()) {
        (ErrorKind::Parse | ErrorKind::UnexpectedReturnType, _) => {
            SourceError::BadReply { server, problem: format!("the answer cannot be read: {cause}") }
        }
        (_, Some(code)) => SourceError::Refused { server, code: code.to_owned(), message: cause, advice: advice(code) },
        _ => SourceError::Disconnected { server, cause, advice: RUNNING },
    }
}

/// An answer that is an error.
pub(super) fn refused(server: String, error: &ServerError) -> SourceError {
    let (code, message) = (error.code().to_owned(), error.details().unwrap_or("no details").to_owned());
    SourceError::Refused { server, advice: advice(&code), code, message }
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

fn advice(code: &str) -> &'static str {
    match code {
        "AUTH" | "NOAUTH" | "WRONGPASS" => "are user and password in REDIS_URL right?",
        "NOPERM" => "docs/security.md lists the permissions that it needs",
        "READONLY" => "is REDIS_URL the address of a replica?",
        _ => "",
    }
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
        assert!(matches!(not_connected("Redis".into(), &reset), SourceError::Unreachable { .. }));
        let odd = RedisError::from((ErrorKind::Parse, "odd"));
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
