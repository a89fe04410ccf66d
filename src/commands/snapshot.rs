//! `snapshot`: one tick, printed; the same truth that the server would serve.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::{Exit, block_on, fail, print};
use crate::analysis::SystemState;
use crate::analysis::state::Reading;
use crate::app;
use crate::base::clock::{Clock, FixedClock, SystemClock};
use crate::catalog;
use crate::cli::{SnapshotArgs, SnapshotFormat};
use crate::config::Config;
use crate::engine::tick::{RecordMode, Tick};
use crate::outlets::exposition::{self, TextFormat};
use crate::outlets::routes::UpstreamEnvelope;
use crate::sources::SourceError;
use crate::telemetry::Telemetry;

pub(super) fn run(config: Config, arguments: &SnapshotArgs) -> Exit {
    let now = arguments.at.unwrap_or_else(|| SystemClock.now());
    let tick = match block_on(take(&config, now, arguments.record)) {
        Ok(Ok(Ok(tick))) => tick,
        Ok(Ok(Err(error))) => return nothing_collected(&error),
        Ok(Err(error)) => return fail(&format!("{error:#}")),
        Err(error) => return fail(&error),
    };
    for malformed in &tick.malformed {
        tracing::warn!(key = malformed.key, problem = malformed.problem, "an input could not be read and was skipped");
    }
    let exit = print(&render(&tick, now, &config, arguments.format));
    match tick.record_error {
        Some(error) => fail(&format!("the tick's points could not be written: {error}")),
        None => exit,
    }
}

async fn take(config: &Config, now: f64, record: bool) -> anyhow::Result<Result<Tick, SourceError>> {
    let database = app::asked_database(config).await;
    let (mut ticker, _) = app::ticker(config, &FixedClock(now), &Arc::new(Telemetry::default()), database)?;
    Ok(ticker.tick(now, if record { RecordMode::Points } else { RecordMode::No }).await)
}

fn nothing_collected(error: &SourceError) -> Exit {
    fail(error);
    Exit::NothingCollected
}

fn render(tick: &Tick, now: f64, config: &Config, format: SnapshotFormat) -> String {
    let state = &tick.state;
    let json = match (format, &tick.answers) {
        (SnapshotFormat::System, _) => json!(tick.payload()),
        (SnapshotFormat::Combined, Some(answers)) => json!(UpstreamEnvelope::of(answers)),
        (SnapshotFormat::Combined, None) => {
            json!({"timestamp": now, "mode": config.source.mode().as_str(), "system": tick.payload()})
        }
        (SnapshotFormat::Scalars, _) => scalars(state),
        (SnapshotFormat::Prometheus, _) => {
            return exposition::render(&catalog::samples(state), &config.mapping, TextFormat::Text);
        }
    };
    // Pretty, because a person or a diff reads it; to_string_pretty of a Value cannot fail.
    let mut text = serde_json::to_string_pretty(&json).unwrap_or_default();
    text.push('\n');
    text
}

fn scalars(state: &SystemState) -> Value {
    let values = catalog::scalars(state).filter_map(|(metric, reading)| match reading {
        Reading::Value(value) => Some((metric.key.to_owned(), catalog::json_number(value))),
        Reading::Absent(_) => None,
    });
    Value::Object(values.collect::<Map<_, _>>())
}
