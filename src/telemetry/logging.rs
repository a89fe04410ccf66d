//! Logging set-up: filter, format and destination of log lines.

use tracing_subscriber::EnvFilter;

/// Libraries that log whole requests, credentials included, below the level `info`; they are held to it.
const CREDENTIAL_LOGGING_TARGETS: [&str; 5] =
    ["aws_config", "aws_runtime", "aws_sigv4", "aws_smithy_runtime", "aws_smithy_http_client"];

/// The format of log lines.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object per line.
    Json,
}

/// Parses a filter such as `info,kdcube_metrics=debug`.
///
/// # Errors
/// The text is not a filter.
pub fn filter(text: &str) -> Result<EnvFilter, String> {
    EnvFilter::try_new(text).map_err(|error| format!("invalid log filter `{text}`: {error}"))
}

/// Installs the global logger. It writes to standard error: standard output is for a command's result.
///
/// # Errors
/// The text is not a filter, or a logger is already installed.
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
    .map_err(|error| format!("cannot set up logging: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invalid_filter_is_named() {
        assert!(filter("info,kdcube_metrics=debug").is_ok());
        let error = filter("kdcube_metrics=loud").unwrap_err();
        assert!(error.starts_with("invalid log filter `kdcube_metrics=loud`: "), "{error}");
    }
}
