//! Logging set-up: where lines go and how they look. What is logged is up to each room.

use tracing_subscriber::EnvFilter;

/// Libraries that show whole requests, tokens included, when asked for more than this.
const CREDENTIAL_LOGGING_TARGETS: [&str; 5] =
    ["aws_config", "aws_runtime", "aws_sigv4", "aws_smithy_runtime", "aws_smithy_http_client"];

/// How log lines look.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Reads a filter.
///
/// # Errors
/// It does not parse.
pub fn filter(text: &str) -> Result<EnvFilter, String> {
    EnvFilter::try_new(text).map_err(|error| format!("bad log filter `{text}`: {error}"))
}

/// Installs the program's logging, to standard error; standard output is for answers.
///
/// # Errors
/// A filter that does not parse, or logging that is installed already.
pub fn init(text: &str, format: LogFormat, colour: bool) -> Result<(), String> {
    let filter = CREDENTIAL_LOGGING_TARGETS.iter().fold(filter(text)?, |filter, target| {
        match format!("{target}=info").parse() {
            Ok(directive) => filter.add_directive(directive),
            Err(_) => filter,
        }
    });
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match format {
        LogFormat::Text => builder.with_ansi(colour).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).with_current_span(false).try_init(),
    }
    .map_err(|error| format!("logging could not be set up: {error}"))
}
