//! PostgreSQL's errors as [`SourceError`]s. None holds the password.

use tokio_postgres::Error;
use tokio_postgres::error::DbError;

use crate::sources::SourceError;

/// What to do where PostgreSQL does not answer.
pub(super) const RUNNING: &str = "is it running, and are POSTGRES_HOST, POSTGRES_PORT and POSTGRES_SSL right?";

/// Longest part of an error's text that is kept, in characters.
const LONGEST: usize = 300;

/// The connection could not be opened.
pub(super) fn not_connected(server: String, error: &Error) -> SourceError {
    if let Some(error) = error.as_db_error() {
        return refused(server, error);
    }
    let cause = causes(error);
    let advice = match () {
        () if cause.contains("certificate") => {
            "METRICS_POSTGRES_CA_FILE (or POSTGRES_SSL_ROOT_CERT) must hold the CA of the server's certificate, and POSTGRES_HOST \
             must be its name"
        }
        () if cause.contains("password") => "set POSTGRES_PASSWORD",
        () => RUNNING,
    };
    SourceError::Unreachable { server, cause, advice }
}

/// A query failed.
pub(super) fn failed(server: String, error: &Error) -> SourceError {
    match error.as_db_error() {
        Some(error) => refused(server, error),
        None => SourceError::Disconnected { server, cause: causes(error), advice: RUNNING },
    }
}

fn refused(server: String, error: &DbError) -> SourceError {
    let code = error.code().code().to_owned();
    let advice = match code.as_str() {
        "28P01" | "28000" => "are POSTGRES_USER and POSTGRES_PASSWORD right, and may the user connect?",
        "3D000" => "is POSTGRES_DATABASE right?",
        _ => "",
    };
    SourceError::Refused { server, code, message: shortened(error.message()), advice }
}

/// The error and its causes, without repetitions.
fn causes(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    shortened(&text)
}

fn shortened(text: &str) -> String {
    text.chars().take(LONGEST).collect()
}
