//! `check`: the configuration with all errors, the state of every dependency, and what is wrong with the data.

mod access;
mod data;
mod lease;
mod listen;

use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use super::{CommandError, Exit, block_on, print};
use crate::app;
use crate::base::clock::{Clock, SystemClock};
use crate::config::{Config, SourceConfig};
use crate::payload::upstream;
use crate::platform::facts::{Component, Scope};
use crate::problems::ProblemCode;
use crate::problems::code::code;
use crate::settings::{Origin, Settings, table};
use crate::sources::Source;
use crate::sources::postgres::Postgres;
use crate::sources::postgres::config::PostgresConfig;
use crate::sources::proxy::config::ProxyConfig;
use crate::sources::proxy::{UpstreamReply, Upstreams};
use crate::sources::redis::RedisSource;
use crate::sources::redis::config::RedisConfig;
use crate::telemetry::Telemetry;

const SOURCE_UNREACHABLE: ProblemCode = code("source_unreachable");
const UPSTREAM_FAILED: ProblemCode = code("upstream_failed");
const POSTGRES_FAILED: ProblemCode = code("postgres_failed");
const SINK_FAILING: ProblemCode = code("sink_failing");

/// One line of the table.
struct Finding {
    what: String,
    outcome: FindingStatus,
    detail: String,
    /// What to do about it, on a line of its own.
    remedy: Option<&'static str>,
}

impl Finding {
    /// What failed, with the remedy of the problem that the server would report.
    fn failure(what: &str, code: ProblemCode, detail: impl Into<String>) -> Self {
        Self { remedy: Some(code.remedy()), ..finding(what, FindingStatus::Failed, detail) }
    }
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
    let mut configuration = changed(&settings);
    configuration.extend(warnings.iter().map(|warning| finding("settings", FindingStatus::Warning, warning)));
    let configured = config.is_some();
    let [dependencies, data] = match config {
        None => {
            configuration.extend(errors(settings));
            [Vec::new(), Vec::new()]
        }
        Some(config) => {
            configuration.extend(of_configuration(&config));
            block_on(async { Ok::<_, CommandError>(outside(&config).await) })?
        }
    };
    let parts = [("Configuration", configuration), ("Dependencies", dependencies), ("Data", data)];
    print(&render(&parts))?;
    let failed =
        parts.iter().flat_map(|(_, findings)| findings).any(|finding| finding.outcome == FindingStatus::Failed);
    Ok(match (configured, failed) {
        (false, _) => Exit::Configuration,
        (true, true) => Exit::Failure,
        (true, false) => Exit::Success,
    })
}

/// The dependencies, and the data that they hold.
async fn outside(config: &Config) -> [Vec<Finding>; 2] {
    let (dependencies, answered) = dependencies(config).await;
    [dependencies, if answered { data::findings(config).await } else { Vec::new() }]
}

/// What follows from the configuration alone.
fn of_configuration(config: &Config) -> Vec<Finding> {
    let scope = config.source.scope();
    let scope = scope.map(|Scope { tenant, project }| format!("tenant {tenant}, project {project}"));
    let scope = scope.map(|scope| finding("scope", FindingStatus::Ok, scope));
    scope.into_iter().chain(access::findings(config, SystemClock.now())).collect()
}

fn finding(what: &str, outcome: FindingStatus, detail: impl Into<String>) -> Finding {
    Finding { what: what.to_owned(), outcome, detail: detail.into(), remedy: None }
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

/// Whether a source answered, beside what was found: otherwise there is no data to look at.
async fn dependencies(config: &Config) -> (Vec<Finding>, bool) {
    let mut found = vec![listen::address(config).await];
    let of_source = match &config.source {
        SourceConfig::Redis { redis: place, gateway, .. } => redis(config, place, gateway.scope()).await,
        SourceConfig::Proxy(proxy) => upstreams(proxy).await,
        SourceConfig::Embedded { .. } => Vec::new(),
    };
    let answered = of_source.is_empty() || of_source.iter().any(|source| source.outcome == FindingStatus::Ok);
    found.extend(of_source);
    if let Some(config) = &config.postgres {
        found.push(postgres(config).await);
    }
    found.extend(sinks(config).await);
    (found, answered)
}

async fn redis(config: &Config, redis: &RedisConfig, scope: &Scope) -> Vec<Finding> {
    let mut source = RedisSource::new(redis.clone(), scope, config.engine.history_max_samples);
    // The probe has its own timeout; this one only guards against a defect in it.
    let limit = config.request_timeout * 3 + Duration::from_secs(1);
    match tokio::time::timeout(limit, source.probe(SystemClock.now())).await {
        Ok(Ok(report)) => vec![
            finding("redis", FindingStatus::Ok, format!("{} · {report}", redis.redacted())),
            lease::line(
                &report.lease,
                config.engine.lease,
                source.server_clock().map_or_else(|| SystemClock.now(), |clock| clock.now()),
            ),
        ],
        Ok(Err(error)) => vec![Finding::failure("redis", SOURCE_UNREACHABLE, error.to_string())],
        Err(_) => {
            let detail = format!("{}: no answer in {limit:?}", redis.redacted());
            vec![Finding::failure("redis", SOURCE_UNREACHABLE, detail)]
        }
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
        UpstreamReply::Failed(error) => Finding::failure(what, UPSTREAM_FAILED, error.to_string()),
        UpstreamReply::Body(body) => match upstream::read(body, what) {
            // Its fields are data.
            Ok(_) => finding(what, FindingStatus::Ok, format!("{} bytes of payload", body.len())),
            Err(problem) => Finding::failure(what, UPSTREAM_FAILED, format!("its response {problem}")),
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
        Err(error) => Finding::failure("postgres", POSTGRES_FAILED, error.to_string()),
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
            Ok(Err(error)) => Finding::failure(sink.name(), SINK_FAILING, error.to_string()),
            Err(_) => Finding::failure(sink.name(), SINK_FAILING, "no answer in time"),
        });
    }
    found
}

/// A table a part, with columns of one width; a part without lines is left out.
fn render(parts: &[(&str, Vec<Finding>)]) -> String {
    let findings = parts.iter().flat_map(|(_, findings)| findings);
    let width = findings.map(|finding| finding.what.chars().count()).max().unwrap_or(0);
    let shown = parts.iter().filter(|(_, findings)| !findings.is_empty());
    let tables = shown.map(|(heading, findings)| {
        findings.iter().fold(format!("{heading}\n"), |mut text, Finding { what, outcome, detail, remedy }| {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{what:<width$}  {:<7}  {detail}", outcome.as_str());
            if let Some(remedy) = remedy {
                let _ = writeln!(text, "{:<width$}  {:<7}  → {remedy}", "", "");
            }
            text
        })
    });
    tables.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_have_one_width_in_all_parts_and_empty_parts_are_left_out() {
        let parts = [
            (
                "Configuration",
                vec![finding("größe", FindingStatus::Ok, "one"), finding("b", FindingStatus::Failed, "two")],
            ),
            ("Dependencies", Vec::new()),
            ("Data", vec![Finding { remedy: Some("Mend it."), ..finding("longest", FindingStatus::Warning, "three") }]),
        ];
        let table = "Configuration\n\
                     größe    ok       one\n\
                     b        FAILED   two\n\
                     \n\
                     Data\n\
                     longest  warning  three\n                  → Mend it.\n";
        assert_eq!(render(&parts), table);
        assert_eq!(render(&[("Data", Vec::new())]), "");
    }

    #[test]
    fn an_upstream_that_is_not_set_is_a_warning_and_one_that_sends_something_else_has_failed() {
        let body = |text: &str| UpstreamReply::Body(text.to_owned().into());
        let failed = UpstreamReply::Failed(crate::sources::proxy::UpstreamError::NoToken("no token".to_owned()));
        for (answer, status, detail) in [
            (UpstreamReply::NotConfigured, FindingStatus::Warning, "its metrics will be absent"),
            (failed, FindingStatus::Failed, "no token"),
            (body("<html>"), FindingStatus::Failed, "its response "),
            (body("[]"), FindingStatus::Failed, "its response "),
        ] {
            let found = upstream_finding(Component::Proc, &answer);
            assert_eq!((found.what.as_str(), found.outcome), ("proc", status), "{}", found.detail);
            assert!(found.detail.contains(detail), "{}", found.detail);
        }
    }
}
