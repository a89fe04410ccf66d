//! `check`: a table of the settings in force, the state of every dependency, and all errors.

mod access;

use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use super::{CommandError, Exit, block_on, print};
use crate::app;
use crate::base::clock::{Clock, SystemClock};
use crate::config::{Config, SourceConfig};
use crate::payload::upstream;
use crate::platform::facts::{Component, Scope};
use crate::settings::{Origin, Settings, table};
use crate::sources::postgres::Postgres;
use crate::sources::postgres::config::PostgresConfig;
use crate::sources::proxy::config::ProxyConfig;
use crate::sources::proxy::{UpstreamReply, Upstreams};
use crate::sources::redis::RedisSource;
use crate::sources::redis::config::RedisConfig;
use crate::telemetry::Telemetry;

/// One line of the table.
struct Finding {
    what: String,
    outcome: FindingStatus,
    detail: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FindingStatus {
    Ok,
    Warning,
    Failed,
}

impl FindingStatus {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Failed => "FAILED",
        }
    }
}

pub(super) fn run(config: Option<Config>, settings: Settings, warnings: &[String]) -> Result<Exit, CommandError> {
    let mut findings = changed(&settings);
    findings.extend(warnings.iter().map(|warning| finding("settings", FindingStatus::Warning, warning)));
    let configured = config.is_some();
    match config {
        None => findings.extend(errors(settings)),
        Some(config) => findings.extend(block_on(async { Ok::<_, CommandError>(dependencies(&config).await) })?),
    }
    print(&render(&findings))?;
    let failed = findings.iter().any(|finding| finding.outcome == FindingStatus::Failed);
    Ok(match (configured, failed) {
        (false, _) => Exit::Configuration,
        (true, true) => Exit::Failure,
        (true, false) => Exit::Success,
    })
}

fn finding(what: &str, outcome: FindingStatus, detail: impl Into<String>) -> Finding {
    Finding { what: what.to_owned(), outcome, detail: detail.into() }
}

/// The settings that are not at their default, and where each comes from.
fn changed(settings: &Settings) -> Vec<Finding> {
    let origins = table::all().iter().map(|setting| (setting.variable(), settings.origin(setting)));
    let changed = origins.filter(|(_, origin)| *origin != Origin::Default);
    changed.map(|(variable, origin)| finding(variable, FindingStatus::Ok, format!("from {origin}"))).collect()
}

fn errors(settings: Settings) -> Vec<Finding> {
    settings.into_errors().iter().map(|error| finding("settings", FindingStatus::Failed, error.to_string())).collect()
}

async fn dependencies(config: &Config) -> Vec<Finding> {
    let scope = config.source.scope();
    let scope = scope.map(|scope| format!("tenant {}, project {}", scope.tenant, scope.project));
    let mut found: Vec<Finding> = scope.map(|scope| finding("scope", FindingStatus::Ok, scope)).into_iter().collect();
    found.push(address(config).await);
    found.extend(access::findings(config, SystemClock.now()));
    match &config.source {
        SourceConfig::Redis { redis: place, gateway, .. } => found.push(redis(config, place, gateway.scope()).await),
        SourceConfig::Proxy(proxy) => found.extend(upstreams(proxy).await),
        SourceConfig::Embedded { .. } => {}
    }
    if let Some(config) = &config.postgres {
        found.push(postgres(config).await);
    }
    found.extend(sinks(config).await);
    found
}

async fn address(config: &Config) -> Finding {
    match tokio::net::TcpListener::bind(config.address).await {
        Ok(_) => finding("listen", FindingStatus::Ok, config.address.to_string()),
        Err(error) => finding(
            "listen",
            FindingStatus::Failed,
            format!("{}: {error}; is the server running already?", config.address),
        ),
    }
}

async fn redis(config: &Config, redis: &RedisConfig, scope: &Scope) -> Finding {
    let mut source = RedisSource::new(redis.clone(), scope, config.engine.history_max_samples);
    // The probe has its own timeout; this one only guards against a defect in it.
    let limit = config.request_timeout * 3 + Duration::from_secs(1);
    match tokio::time::timeout(limit, source.probe(SystemClock.now())).await {
        Ok(Ok(report)) => finding("redis", FindingStatus::Ok, format!("{} · {report}", redis.redacted())),
        Ok(Err(error)) => finding("redis", FindingStatus::Failed, error.to_string()),
        Err(_) => finding("redis", FindingStatus::Failed, format!("{}: no answer in {limit:?}", redis.redacted())),
    }
}

/// Both upstreams, with the requests of a tick.
async fn upstreams(config: &ProxyConfig) -> Vec<Finding> {
    let mut upstreams = match Upstreams::new(config, |_| {}) {
        Ok(upstreams) => upstreams,
        Err(problem) => return vec![finding("upstreams", FindingStatus::Failed, problem)],
    };
    let answers = upstreams.ask(SystemClock.now()).await;
    Component::ALL.into_iter().map(|component| upstream_finding(component, answers.of(component))).collect()
}

fn upstream_finding(component: Component, answer: &UpstreamReply) -> Finding {
    let what = component.as_str();
    match answer {
        UpstreamReply::NotConfigured => {
            let variable = ProxyConfig::variable(component);
            finding(what, FindingStatus::Warning, format!("{variable} is not set: its metrics will be absent"))
        }
        UpstreamReply::Failed(error) => finding(what, FindingStatus::Failed, error.to_string()),
        UpstreamReply::Body(body) => match upstream::read(body, what) {
            Ok(payload) if payload.malformed.is_empty() => {
                finding(what, FindingStatus::Ok, format!("{} bytes of payload", body.len()))
            }
            Ok(payload) => {
                finding(what, FindingStatus::Warning, format!("{} fields cannot be read", payload.malformed.len()))
            }
            Err(problem) => finding(what, FindingStatus::Failed, format!("its response {problem}")),
        },
    }
}

async fn postgres(config: &PostgresConfig) -> Finding {
    let mut postgres = Postgres::new(config.clone());
    match postgres.max_connections().await {
        Ok(number) => {
            let version = postgres.version().unwrap_or("of unknown version");
            let detail = format!("{} · PostgreSQL {version}, max_connections {number}", config.place());
            finding("postgres", FindingStatus::Ok, detail)
        }
        Err(error) => finding("postgres", FindingStatus::Failed, error.to_string()),
    }
}

/// Every enabled sink, one after the other.
async fn sinks(config: &Config) -> Vec<Finding> {
    let exports = match app::exports(config, &Arc::new(Telemetry::default())) {
        Ok(exports) => exports,
        Err(error) => return vec![finding("sinks", FindingStatus::Failed, format!("{error:#}"))],
    };
    let mut found = Vec::new();
    for sink in exports.sinks() {
        found.push(match tokio::time::timeout(config.request_timeout * 2, sink.check()).await {
            Ok(Ok(what)) => finding(sink.name(), FindingStatus::Ok, what),
            Ok(Err(error)) => finding(sink.name(), FindingStatus::Failed, error.to_string()),
            Err(_) => finding(sink.name(), FindingStatus::Failed, "no answer in time"),
        });
    }
    found
}

fn render(findings: &[Finding]) -> String {
    let width = findings.iter().map(|finding| finding.what.chars().count()).max().unwrap_or(0);
    findings.iter().fold(String::new(), |mut text, Finding { what, outcome, detail }| {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{what:<width$}  {:<7}  {detail}", outcome.as_str());
        text
    })
}
