//! The settings of logging: what is logged, how, and to which file besides standard error.

use std::path::PathBuf;

use tracing_subscriber::EnvFilter;

use super::rotating_file::LogFileConfig;
use crate::settings::{FromSetting, Setting, Settings, setting};

const FORMAT: &Setting = setting("METRICS_LOG_FORMAT");
const FILTER: &Setting = setting("RUST_LOG");
const LEVEL: &Setting = setting("LOG_LEVEL");
const DIRECTORY: &Setting = setting("LOG_DIR");
const FILE_PREFIX: &Setting = setting("LOG_FILE_PREFIX");
const MAX_MB: &Setting = setting("LOG_MAX_MB");
const BACKUP_COUNT: &Setting = setting("LOG_BACKUP_COUNT");

const MEGABYTE: u64 = 1024 * 1024;

/// What is logged, and how.
#[derive(Debug, Clone, Default)]
pub struct LogConfig {
    pub format: LogFormat,
    /// Directives, which [`filter`] accepts.
    pub filter: String,
    /// `None` = standard error only.
    pub file: Option<LogFileConfig>,
}

impl LogConfig {
    /// Reads the log settings; errors are recorded.
    pub fn read(settings: &mut Settings) -> Option<Self> {
        let format = settings.get(FORMAT);
        let file = read_file(settings);
        let level = read_level(settings);
        let text = settings.text(FILTER).or(level)?;
        if let Err(problem) = filter(&text) {
            settings.reject(FILTER, &problem);
            return None;
        }
        Some(Self { format: format?, filter: text, file: file? })
    }
}

/// The directives of `LOG_LEVEL`. The platform's servers take an unknown level for INFO.
fn read_level(settings: &mut Settings) -> Option<String> {
    let text = settings.text(LEVEL)?;
    let level = directives(&text);
    if level.is_none() {
        let origin = settings.origin(LEVEL);
        settings.warn(format!(
            "LOG_LEVEL {text:?}: is not a level and means INFO; accepted: {}; from {origin}",
            LEVEL.accepts()
        ));
    }
    Some(level.unwrap_or("info").to_owned())
}

/// Directives of one of Python's levels. DEBUG is of this server: its libraries log every packet.
fn directives(level: &str) -> Option<&'static str> {
    match level.to_ascii_uppercase().as_str() {
        "DEBUG" => Some("info,kdcube_metrics=debug"),
        "INFO" => Some("info"),
        "WARNING" | "WARN" => Some("warn"),
        "ERROR" | "CRITICAL" | "FATAL" => Some("error"),
        _ => None,
    }
}

/// The file of `LOG_DIR`; `Some(None)` without one.
fn read_file(settings: &mut Settings) -> Option<Option<LogFileConfig>> {
    let directory = settings.text(DIRECTORY).map(PathBuf::from);
    let prefix = settings.get::<FilePrefix>(FILE_PREFIX);
    let megabytes = settings.get::<Megabytes>(MAX_MB);
    let backups = settings.get::<Backups>(BACKUP_COUNT);
    let (FilePrefix(prefix), Megabytes(megabytes), Backups(backups)) = (prefix?, megabytes?, backups?);
    Some(directory.map(|directory| LogFileConfig { directory, prefix, max_bytes: megabytes * MEGABYTE, backups }))
}

struct FilePrefix(String);

impl FromSetting for FilePrefix {
    fn from_setting(text: &str) -> Result<Self, String> {
        let is_name = !text.contains('/') && !text.contains(char::is_control) && text.len() <= 200;
        if is_name { Ok(Self(text.to_owned())) } else { Err("is not the name of a file".to_owned()) }
    }
}

struct Megabytes(u64);

impl FromSetting for Megabytes {
    fn from_setting(text: &str) -> Result<Self, String> {
        in_range(text, 1, 1_000_000).map(Self)
    }
}

struct Backups(u32);

impl FromSetting for Backups {
    fn from_setting(text: &str) -> Result<Self, String> {
        let backups = in_range(text, 0, 1000)?;
        u32::try_from(backups).map(Self).map_err(|error| error.to_string())
    }
}

fn in_range(text: &str, least: u64, most: u64) -> Result<u64, String> {
    let number = text.parse().map_err(|_| "is not a whole number".to_owned())?;
    if (least..=most).contains(&number) { Ok(number) } else { Err("is out of range".to_owned()) }
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
pub(super) fn filter(text: &str) -> Result<EnvFilter, String> {
    EnvFilter::try_new(text).map_err(|error| format!("is not a log filter: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> (Option<LogConfig>, Vec<String>, Vec<String>) {
        let mut settings = Settings::from_environment(variables.iter().copied());
        let config = LogConfig::read(&mut settings);
        let warnings = settings.warnings().to_vec();
        (config, warnings, settings.into_errors().iter().map(ToString::to_string).collect())
    }

    #[test]
    fn format_and_filter_are_read_and_both_errors_are_reported() {
        let config = read(&[("METRICS_LOG_FORMAT", "JSON"), ("RUST_LOG", "warn,h2=info")]).0.unwrap();
        assert_eq!((config.format, config.filter.as_str()), (LogFormat::Json, "warn,h2=info"));
        let (config, _, errors) = read(&[("METRICS_LOG_FORMAT", "xml"), ("RUST_LOG", "foo=bar=baz")]);
        assert!(config.is_none());
        assert!(errors[0].starts_with("METRICS_LOG_FORMAT \"xml\": is not a log format"), "{errors:?}");
        assert!(errors[1].starts_with("RUST_LOG \"foo=bar=baz\": is not a log filter"), "{errors:?}");
    }

    #[test]
    fn the_level_counts_where_no_filter_is_given_and_an_unknown_one_is_info_with_a_warning() {
        for (level, expected, warnings) in [
            ("", "info", 0),
            ("debug", "info,kdcube_metrics=debug", 0),
            ("Info", "info", 0),
            ("WARNING", "warn", 0),
            ("warn", "warn", 0),
            ("ERROR", "error", 0),
            ("CRITICAL", "error", 0),
            ("loud", "info", 1),
        ] {
            let (config, warned, _) = read(&[("LOG_LEVEL", level)]);
            assert_eq!((config.unwrap().filter.as_str(), warned.len()), (expected, warnings), "{level}: {warned:?}");
        }
        let (config, warnings, _) = read(&[("LOG_LEVEL", "ERROR"), ("RUST_LOG", "debug")]);
        assert_eq!((config.unwrap().filter.as_str(), warnings.len()), ("debug", 0));
    }

    #[test]
    fn a_directory_makes_a_file_of_the_platforms_size_and_count() {
        assert_eq!(read(&[("LOG_FILE_PREFIX", "metrics")]).0.unwrap().file, None);
        let file = read(&[("LOG_DIR", "/logs")]).0.unwrap().file.unwrap();
        assert_eq!((file.path(), file.max_bytes, file.backups), ("/logs/metrics.log".into(), 20 * MEGABYTE, 10));
        let given = [("LOG_DIR", "/x"), ("LOG_FILE_PREFIX", "m"), ("LOG_MAX_MB", "1"), ("LOG_BACKUP_COUNT", "0")];
        let file = read(&given).0.unwrap().file.unwrap();
        assert_eq!((file.path(), file.max_bytes, file.backups), ("/x/m.log".into(), MEGABYTE, 0));
        for bad in [("LOG_FILE_PREFIX", "../x"), ("LOG_MAX_MB", "0"), ("LOG_BACKUP_COUNT", "-1")] {
            assert!(read(&[bad]).2[0].starts_with(bad.0), "{bad:?}");
        }
    }
}
