//! Logging: its settings and set-up.

use tracing_subscriber::EnvFilter;

use crate::settings::{FromSetting, Setting, Settings, setting};

const FORMAT: &Setting = setting("METRICS_LOG_FORMAT");
const FILTER: &Setting = setting("RUST_LOG");

/// Libraries that log whole requests, credentials included, below the level `info`; they are held to it.
const CREDENTIAL_LOGGING_TARGETS: [&str; 5] =
    ["aws_config", "aws_runtime", "aws_sigv4", "aws_smithy_runtime", "aws_smithy_http_client"];

/// What is logged, and how.
#[derive(Debug, Clone)]
pub struct LogConfig {
    pub format: LogFormat,
    /// `RUST_LOG` directives, which [`filter`] accepts.
    pub filter: String,
}

impl LogConfig {
    /// Reads the log settings; errors are recorded.
    pub fn read(settings: &mut Settings) -> Option<Self> {
        let format = settings.get(FORMAT);
        let text = settings.text(FILTER)?;
        match filter(&text) {
            Ok(_) => Some(Self { format: format?, filter: text }),
            Err(problem) => {
                settings.reject(FILTER, &problem);
                None
            }
        }
    }
}

/// The format of log lines.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object per line.
    Json,
}

impl FromSetting for LogFormat {
    fn from_setting(text: &str) -> Result<Self, String> {
        match text.to_ascii_lowercase().as_str() {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err("is not a log format".to_owned()),
        }
    }
}

/// Parses a filter such as `info,kdcube_metrics=debug`.
///
/// # Errors
/// The text is not a filter.
pub fn filter(text: &str) -> Result<EnvFilter, String> {
    EnvFilter::try_new(text).map_err(|error| format!("is not a log filter: {error}"))
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
    fn format_and_filter_are_read_and_both_errors_are_reported() {
        let mut settings = Settings::from_environment([("METRICS_LOG_FORMAT", "JSON"), ("RUST_LOG", "warn,h2=info")]);
        let config = LogConfig::read(&mut settings).unwrap();
        assert_eq!((config.format, config.filter.as_str()), (LogFormat::Json, "warn,h2=info"));
        let mut bad = Settings::from_environment([("METRICS_LOG_FORMAT", "xml"), ("RUST_LOG", "foo=bar=baz")]);
        assert!(LogConfig::read(&mut bad).is_none());
        let lines: Vec<String> = bad.into_errors().iter().map(ToString::to_string).collect();
        assert!(lines[0].starts_with("METRICS_LOG_FORMAT \"xml\": is not a log format"), "{lines:?}");
        assert!(lines[1].starts_with("RUST_LOG \"foo=bar=baz\": is not a log filter"), "{lines:?}");
    }
}
