//! The whole configuration: one line a part, and the checks that concern several parts.
//!
//! Parsing lives in `settings`, the list of settings in its `table`, and each part's settings beside the part.

mod source;

use std::net::SocketAddr;
use std::time::Duration;

pub use self::source::SourceConfig;
use crate::analysis::recommendation::ScalePolicy;
use crate::engine::config::EngineConfig;
use crate::outlets::http::config::{self as http, AccessConfig};
use crate::outlets::keda::config::KedaConfig;
use crate::outlets::kubernetes::config::KubernetesConfig;
use crate::outlets::names::Mapping;
use crate::outlets::push::config::PushConfig;
use crate::outlets::routes;
use crate::settings::{Descriptors, SecondsOrZero, Setting, Settings, setting};
pub use crate::sources::mode::Mode;
use crate::sources::postgres::config::PostgresConfig;
use crate::telemetry::logging::LogConfig;

const MODE: &Setting = setting("METRICS_MODE");
const RUN_ONCE: &Setting = setting("METRICS_RUN_ONCE");
const INSTANCE_ID: &Setting = setting("INSTANCE_ID");
const REQUEST_TIMEOUT: &Setting = setting("METRICS_REQUEST_TIMEOUT_SEC");
const SCRAPE_TTL: &Setting = setting("METRICS_PROM_SCRAPE_TTL_SEC");

/// Everything that can be configured.
#[derive(Debug, Clone)]
pub struct Config {
    /// The name of this replica.
    pub instance_id: String,
    /// Timeout of one request to another service.
    pub request_timeout: Duration,
    pub source: SourceConfig,
    pub engine: EngineConfig,
    /// How many replicas are wanted.
    pub scale: ScalePolicy,
    pub address: SocketAddr,
    pub access: AccessConfig,
    /// `None` = KEDA's external scaler is off.
    pub keda: Option<KedaConfig>,
    /// `None` = no external metrics for Kubernetes.
    pub kubernetes: Option<KubernetesConfig>,
    /// Whether browsers may send their log events.
    pub client_events: bool,
    pub log: LogConfig,
    /// The age from which a scrape waits for a new snapshot.
    pub scrape_ttl: Duration,
    pub mapping: Mapping,
    pub export: PushConfig,
    /// `None` = PostgreSQL is not queried.
    pub postgres: Option<PostgresConfig>,
    /// Run one tick and one push instead of serving.
    pub run_once: bool,
}

impl Config {
    /// Reads everything. `None` if anything is wrong: `settings` then has the errors.
    pub fn read(settings: &mut Settings) -> Option<Self> {
        // A mode that is not accepted is recorded and returned as its default: the other errors are found too.
        let mode = settings.get(MODE)?;
        Self::read_as(mode, settings)
    }

    /// Reads everything for a mode that the command sets, whatever `METRICS_MODE` is.
    pub fn read_as(mode: Mode, settings: &mut Settings) -> Option<Self> {
        let instance_id = settings.text(INSTANCE_ID).unwrap_or_else(|| format!("metrics-{:08x}", fastrand::u32(..)));
        let request_timeout = settings.get(REQUEST_TIMEOUT);
        let config = Self::read_parts(mode, settings, instance_id, request_timeout);
        config.filter(|_| settings.errors().is_empty())
    }

    /// Reads every part before it returns, so that all errors are found.
    fn read_parts(
        mode: Mode,
        settings: &mut Settings,
        instance_id: String,
        request_timeout: Option<Duration>,
    ) -> Option<Self> {
        let source = SourceConfig::read(settings, mode, &instance_id, request_timeout);
        let engine = EngineConfig::read(settings);
        let scale = ScalePolicy::read(settings);
        let address = http::read_address(settings);
        let access = AccessConfig::read(settings);
        let keda = KedaConfig::read(settings, address);
        let kubernetes = KubernetesConfig::read(settings, address, access.as_ref());
        let client_events = routes::read_client_events(settings);
        let log = LogConfig::read(settings);
        let scrape_ttl = settings.get::<SecondsOrZero>(SCRAPE_TTL);
        let mapping = Mapping::read(settings);
        let export = PushConfig::read(settings);
        let postgres = PostgresConfig::read(settings, request_timeout, &instance_id);
        let run_once = settings.get(RUN_ONCE);
        Some(Self {
            instance_id,
            request_timeout: request_timeout?,
            source: source?,
            engine: engine?,
            scale: scale?,
            address: address?,
            access: access?,
            keda: keda?,
            kubernetes: kubernetes?,
            client_events: client_events?,
            log: log?,
            scrape_ttl: scrape_ttl?.0,
            mapping: mapping?,
            export: export?,
            // In proxy mode the upstreams query their own database.
            postgres: postgres.filter(|_| mode != Mode::Proxy),
            run_once: run_once?,
        })
    }

    /// What is odd about the settings without being wrong.
    #[must_use]
    pub fn warnings(settings: &Settings) -> Vec<String> {
        let ignored = |name: &String| format!("{name} is not a setting of this version and is ignored");
        let descriptors = settings.descriptors().map_or(&[][..], Descriptors::warnings);
        let unused = descriptors.iter().map(ToString::to_string);
        let recorded = settings.layer_warnings().iter().chain(settings.warnings()).cloned();
        settings.unknown().iter().map(ignored).chain(recorded).chain(unused).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::facts::Scope;
    use crate::settings::table;

    const GATEWAY: (&str, &str) = ("GATEWAY_CONFIG_JSON", r#"{"tenant":"acme","project":"chat"}"#);

    fn read(variables: &[(&str, &str)]) -> Result<Config, Vec<String>> {
        let mut settings = Settings::from_environment(variables.iter().copied());
        let config = Config::read(&mut settings);
        config.ok_or_else(|| settings.into_errors().into_iter().map(|error| error.to_string()).collect())
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
    fn all_errors_are_reported_together() {
        let problems = read(&[
            ("METRICS_PORT", "http"),
            ("METRICS_STALE_AFTER_SEC", "1"),
            ("METRICS_MAPPING_JSON", "[]"),
            ("REDIS_URL", "redis//:hunter2@x"),
            ("METRICS_HISTORY_MAX_SAMPLES", "0"),
        ])
        .unwrap_err();
        let all = problems.join("\n");
        for name in [
            "METRICS_PORT \"http\"",
            "METRICS_STALE_AFTER_SEC",
            "METRICS_MAPPING_JSON",
            "REDIS_URL",
            "METRICS_HISTORY_MAX_SAMPLES",
            "GATEWAY_CONFIG_JSON",
        ] {
            assert!(all.contains(name), "{name} is not in\n{all}");
        }
        assert!(!all.contains("hunter2"));
    }

    #[test]
    fn the_embedded_mode_needs_nothing() {
        assert_eq!(scope(&read(&[("METRICS_MODE", "embedded")]).unwrap()).tenant, "demo");
    }

    #[test]
    fn a_mode_that_is_not_accepted_hides_no_other_error() {
        let errors = read(&[("METRICS_MODE", "rediss"), ("REDIS_URL", "x")]).unwrap_err().join("\n");
        for name in ["METRICS_MODE \"rediss\"", "REDIS_URL", "GATEWAY_CONFIG_JSON"] {
            assert!(errors.contains(name), "{name} is not in\n{errors}");
        }
    }

    #[test]
    fn a_database_is_not_queried_in_proxy_mode() {
        let variables = [
            ("METRICS_PROC_BASE_URL", "http://proc"),
            ("METRICS_ENABLE_PG_POOL", "1"),
            ("POSTGRES_HOST", "db"),
            ("POSTGRES_DATABASE", "kdcube"),
            ("POSTGRES_USER", "metrics"),
        ];
        let postgres = |mode| read(&[&variables[..], &[("METRICS_MODE", mode)]].concat()).unwrap().postgres;
        assert!(postgres("proxy").is_none() && postgres("embedded").is_some());
    }

    #[test]
    fn no_error_shows_a_secret() {
        for row in table::all().iter().filter(|row| row.is_secret()) {
            for value in ["hunter2 \u{7f}", "redis//:hunter2@x", "http://me:hunter2@[::", "{\"a\": [\"hunter2\"]"] {
                for mode in ["redis", "proxy", "embedded"] {
                    let on = [("METRICS_EXPORT_PROMETHEUS_PUSH", "1"), ("METRICS_ENABLE_PG_POOL", "1")];
                    let broken = [("METRICS_MODE", mode), ("METRICS_PORT", "many"), (row.variable(), value)];
                    let errors = read(&[&on[..], &broken].concat()).unwrap_err().join("\n");
                    assert!(!errors.contains("hunter2"), "{}={value}: {errors}", row.variable());
                }
            }
        }
    }
}
