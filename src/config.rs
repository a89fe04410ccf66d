//! All settings, typed: parsed once from [`Settings`] and read nowhere else.
//!
//! Owns what the settings mean together. How one is read is `settings`' matter, which there are is
//! `table`'s.

pub mod source;

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::outlets::http::config::{self as access, AccessConfig};
use crate::outlets::names::Mapping;
use crate::outlets::push::config::{self as push, ExportConfig};
use crate::settings::table;
use crate::settings::{FromSetting, Settings};
use crate::sources::postgres::config::{self as postgres, PostgresConfig};
use crate::telemetry::logging::{self, LogFormat};

pub(crate) use self::source::read_redis;
pub use self::source::{Mode, SourceConfig};

impl FromSetting for LogFormat {
    fn from_setting(text: &str) -> Result<Self, String> {
        match text.to_ascii_lowercase().as_str() {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err("is not a log format".to_owned()),
        }
    }
}

/// What is logged, and how.
#[derive(Debug, Clone)]
pub struct LogConfig {
    pub format: LogFormat,
    /// `RUST_LOG` directives.
    pub filter: String,
}

/// Everything that was configured.
#[derive(Debug, Clone)]
pub struct Config {
    pub source: SourceConfig,
    pub address: SocketAddr,
    pub access: AccessConfig,
    pub instance_id: String,
    pub sample_interval: Duration,
    pub stale_after: Duration,
    pub request_timeout: Duration,
    /// Most samples kept of each latency series.
    pub history_max_samples: usize,
    pub log: LogConfig,
    pub scrape_ttl: Duration,
    pub mapping: Mapping,
    pub export: ExportConfig,
    /// `None` = PostgreSQL is not asked.
    pub postgres: Option<PostgresConfig>,
    /// One tick, one push, and the end.
    pub run_once: bool,
}

impl Config {
    /// Reads everything; `None` if anything is wrong, which `settings` then knows.
    pub fn read(settings: &mut Settings) -> Option<Self> {
        Self::read_as(None, settings)
    }

    /// Like [`Self::read`], in a mode that the command decides rather than `METRICS_MODE`.
    pub fn read_as(mode: Option<Mode>, settings: &mut Settings) -> Option<Self> {
        let mode = mode.or_else(|| settings.get(&table::MODE));
        let instance_id =
            settings.word(&table::INSTANCE_ID).unwrap_or_else(|| format!("metrics-{:08x}", fastrand::u32(..)));
        let request_timeout = settings.get(&table::REQUEST_TIMEOUT);
        let source = source::read(settings, mode, &instance_id, request_timeout);
        let config = Self::assemble(settings, source, instance_id, request_timeout);
        config.filter(|_| settings.errors().is_empty())
    }

    /// The part of reading that cannot fail alone; problems are noted, not returned.
    fn assemble(
        settings: &mut Settings,
        source: Option<SourceConfig>,
        instance_id: String,
        request_timeout: Option<Duration>,
    ) -> Option<Self> {
        let address = read_address(settings);
        let (sample_interval, stale_after) = read_cadence(settings);
        let log = read_log(settings);
        let history_max_samples = read_history_limit(settings);
        let scrape_ttl = settings.get(&table::SCRAPE_TTL);
        let access = access::read(settings);
        let mapping = read_mapping(settings);
        let export = push::read(settings);
        // An upstream asks its own database.
        let is_proxy = matches!(source, Some(SourceConfig::Proxy(_)));
        let postgres = postgres::read(settings, request_timeout, &instance_id).filter(|_| !is_proxy);
        let run_once = settings.get(&table::RUN_ONCE);
        Some(Self {
            source: source?,
            address: address?,
            access: access?,
            instance_id,
            sample_interval: sample_interval?,
            stale_after: stale_after?,
            request_timeout: request_timeout?,
            history_max_samples: history_max_samples?,
            log: log?,
            scrape_ttl: scrape_ttl?,
            mapping: mapping?,
            export: export?,
            postgres,
            run_once: run_once?,
        })
    }

    /// What is odd about the settings without being wrong.
    #[must_use]
    pub fn warnings(settings: &Settings) -> Vec<String> {
        let unknown = settings.unknown("METRICS_", table::ALL);
        unknown.map(|name| format!("{name} is not a setting of this version and is ignored")).collect()
    }
}

/// Where the server listens.
pub(crate) fn read_address(settings: &mut Settings) -> Option<SocketAddr> {
    let bind: Option<IpAddr> = settings.get(&table::BIND);
    let port = settings.get(&table::PORT);
    Some(SocketAddr::new(bind?, port?))
}

fn read_cadence(settings: &mut Settings) -> (Option<Duration>, Option<Duration>) {
    let interval: Option<Duration> = settings.get(&table::SAMPLE_INTERVAL);
    let stale: Option<Duration> = settings.get(&table::STALE_AFTER);
    if let (Some(interval), Some(stale)) = (interval, stale)
        && stale <= interval
    {
        settings.error(format!(
            "METRICS_STALE_AFTER_SEC \"{}\": every snapshot would be stale before the next; accepted: more than \
             METRICS_SAMPLE_INTERVAL_SEC ({})",
            stale.as_secs_f64(),
            interval.as_secs_f64()
        ));
    }
    (interval, stale)
}

fn read_log(settings: &mut Settings) -> Option<LogConfig> {
    let format = settings.get(&table::LOG_FORMAT);
    let filter = settings.word(&table::RUST_LOG)?;
    if let Err(problem) = logging::filter(&filter) {
        settings.reject(&table::RUST_LOG, &problem);
    }
    Some(LogConfig { format: format?, filter })
}

fn read_history_limit(settings: &mut Settings) -> Option<usize> {
    let limit = settings.get(&table::HISTORY_MAX_SAMPLES)?;
    if limit == 0 {
        settings
            .error("METRICS_HISTORY_MAX_SAMPLES \"0\": nothing could be kept; accepted: a whole number, at least 1");
    }
    Some(limit)
}

fn read_mapping(settings: &mut Settings) -> Option<Mapping> {
    let Some(text) = settings.text(&table::MAPPING_JSON) else { return Some(Mapping::default()) };
    match Mapping::parse(&text) {
        Ok(mapping) => Some(mapping),
        Err(problems) => {
            for problem in problems {
                settings.error(format!("METRICS_MAPPING_JSON: {problem}"));
            }
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::facts::Scope;

    const GATEWAY: (&str, &str) = ("GATEWAY_CONFIG_JSON", r#"{"tenant":"acme","project":"chat"}"#);

    fn read(variables: &[(&str, &str)]) -> Result<Config, Vec<String>> {
        let mut settings = Settings::from_environment(variables.iter().copied());
        let config = Config::read(&mut settings);
        config.ok_or_else(|| settings.into_errors().into_iter().map(|problem| problem.0).collect())
    }

    fn scope(config: &Config) -> Scope {
        config.source.scope().unwrap().clone()
    }

    #[test]
    fn tenant_and_project_are_all_that_is_needed() {
        let config = read(&[GATEWAY]).unwrap();
        assert_eq!((config.source.mode(), config.address.port()), (Mode::Redis, 8090));
        assert_eq!(scope(&config).tenant, "acme");
        assert!(config.instance_id.starts_with("metrics-") && config.instance_id.len() == 16);
    }

    #[test]
    fn all_problems_are_told_at_once() {
        let problems = read(&[
            ("METRICS_PORT", "http"),
            ("METRICS_STALE_AFTER_SEC", "1"),
            ("METRICS_MAPPING_JSON", "[]"),
            ("REDIS_URL", "redis//:hunter2@x"),
            ("METRICS_HISTORY_MAX_SAMPLES", "0"),
            ("GATEWAY_COMPONENT", "web"),
        ])
        .unwrap_err();
        let all = problems.join("\n");
        for name in [
            "METRICS_PORT \"http\"",
            "METRICS_STALE_AFTER_SEC",
            "METRICS_MAPPING_JSON",
            "REDIS_URL",
            "METRICS_HISTORY_MAX_SAMPLES",
            "GATEWAY_COMPONENT \"web\"",
            "GATEWAY_CONFIG_JSON",
        ] {
            assert!(all.contains(name), "{name} is not in\n{all}");
        }
        assert!(!all.contains("hunter2"));
    }

    #[test]
    fn a_descriptor_directory_will_do() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("gateway.yaml"), "gateway:\n  tenant: t\n  project: p\n").unwrap();
        let config = read(&[("PLATFORM_DESCRIPTORS_DIR", directory.path().to_str().unwrap())]).unwrap();
        assert_eq!(scope(&config).project, "p");
        let problem = read(&[("PLATFORM_DESCRIPTORS_DIR", "/nowhere")]).unwrap_err();
        assert!(
            problem[0].starts_with("PLATFORM_DESCRIPTORS_DIR: /nowhere/gateway.yaml cannot be read"),
            "{problem:?}"
        );
    }

    #[test]
    fn the_embedded_mode_needs_nothing() {
        assert_eq!(scope(&read(&[("METRICS_MODE", "embedded")]).unwrap()).tenant, "demo");
    }
}
