//! `snapshot`: one tick, printed as the server would serve it.

use std::sync::Arc;

use anyhow::anyhow;
use serde_json::{Map, Value, json};

use super::{CommandError, Exit, block_on, print};
use crate::analysis::SystemState;
use crate::analysis::state::Reading;
use crate::app::{self, Writes};
use crate::base::clock::{Clock, FixedClock, SystemClock};
use crate::base::number;
use crate::catalog::{self, own};
use crate::cli::{SnapshotArgs, SnapshotFormat};
use crate::config::Config;
use crate::engine::tick::{RecordMode, Tick, release_lease};
use crate::outlets::exposition::{self, TextFormat};
use crate::outlets::routes::{UpstreamEnvelope, problem_list};
use crate::problems::{Problem, ProblemRegistry};
use crate::telemetry::{Observed, Telemetry};

pub(super) fn run(config: &Config, arguments: &SnapshotArgs) -> Result<Exit, CommandError> {
    let (tick, of_source) = block_on(take(config, arguments.at, arguments.record))?;
    let problems = ProblemRegistry::new(config.source.scope().map(ToString::to_string).unwrap_or_default());
    problems.report("tick", tick.problems(), tick.at);
    problems.report("source", of_source, tick.at);
    print(&render(&tick, &problems, config, arguments.format))?;
    match tick.record_error {
        Some(error) => Err(CommandError::Failed(anyhow!("cannot write the points of the tick: {error}"))),
        None => Ok(Exit::Success),
    }
}

async fn take(config: &Config, at: Option<f64>, record: bool) -> Result<(Tick, Vec<Problem>), CommandError> {
    let database = app::asked_database(config).await;
    let clock: Box<dyn Clock> = at.map_or_else(|| Box::new(SystemClock) as _, |at| Box::new(FixedClock(at)) as _);
    let telemetry = Arc::new(Telemetry::default());
    let (mode, writes) = if record { (RecordMode::Points, Writes::Once) } else { (RecordMode::No, Writes::Nothing) };
    let (mut ticker, _) = app::ticker(config, clock.as_ref(), &telemetry, database, writes)?;
    let tick = ticker.tick(clock.now(), mode).await.map_err(CommandError::NothingCollected)?;
    if !telemetry.leadership().is_leader() {
        tracing::warn!("not recorded: another replica holds the lease, and records");
    }
    release_lease(ticker.as_mut()).await;
    Ok((tick, ticker.problems()))
}

fn render(tick: &Tick, problems: &ProblemRegistry, config: &Config, format: SnapshotFormat) -> String {
    match shown(tick, problems, config, format) {
        Shown::Text(text) => text,
        Shown::Json(json) => {
            // Pretty for people and diffs; to_string_pretty of a Value cannot fail.
            let mut text = serde_json::to_string_pretty(&json).unwrap_or_default();
            text.push('\n');
            text
        }
    }
}

/// A tick in one of the formats.
pub(super) enum Shown {
    Json(Value),
    Text(String),
}

/// The tick as an outlet shows it.
pub(super) fn shown(tick: &Tick, problems: &ProblemRegistry, config: &Config, format: SnapshotFormat) -> Shown {
    let state = &tick.state;
    Shown::Json(match (format, &tick.answers) {
        (SnapshotFormat::System, _) => json!(tick.payload()),
        (SnapshotFormat::Problems, _) => json!(problem_list(problems, Some(state.quality))),
        (SnapshotFormat::Combined, Some(answers)) => json!(UpstreamEnvelope::of(answers)),
        (SnapshotFormat::Combined, None) => {
            json!({"timestamp": tick.at, "mode": config.source.mode().as_str(), "system": tick.payload()})
        }
        (SnapshotFormat::Scalars, _) => scalars(state),
        (SnapshotFormat::Prometheus, _) => {
            let mut samples = catalog::samples(state);
            let observed =
                Observed { scope_found: state.scope_found(), snapshot_taken_at: Some(tick.at), ..Observed::default() };
            samples.extend(own::of_snapshot(observed).into_iter().filter(|own| own.metric.key != "kdcube_metrics_up"));
            return Shown::Text(exposition::render(&samples, &config.mapping, TextFormat::Text));
        }
    })
}

fn scalars(state: &SystemState) -> Value {
    let values = catalog::scalars(state).filter_map(|(metric, reading)| match reading {
        Reading::Value(value) => Some((metric.key.to_owned(), number::json(value))),
        Reading::Absent(_) => None,
    });
    Value::Object(values.collect::<Map<_, _>>())
}
