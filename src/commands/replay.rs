//! `replay`: what would have been shown at each tick of a recording.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::sync::mpsc::Sender;

use anyhow::{Context, anyhow};
use jiff::tz::TimeZone;
use serde_json::json;

use super::snapshot::{self, Shown};
use super::{CommandError, Exit, block_on, print_on};
use crate::cli::{ReplayArgs, SnapshotFormat};
use crate::config::Config;
use crate::engine::gateway_store::GatewayStore;
use crate::engine::sample_ticker::SampleTicker;
use crate::engine::tick::{RecordMode, Tick, Ticker};
use crate::platform::facts::Facts;
use crate::problems::ProblemRegistry;
use crate::record::replay::ReplaySource;
use crate::record::{Header, RecordedTick, Recording};

pub(super) fn run(config: &Config, arguments: &ReplayArgs) -> Result<Exit, CommandError> {
    let name = arguments.file.display();
    let input = open(&arguments.file).with_context(|| name.to_string())?;
    let recording = Recording::open(input).map_err(|error| anyhow!("{name}: {error}"))?;
    let mut replay = Replay::new(config, recording.header())?;
    block_on(async {
        for tick in recording {
            let tick = tick.map_err(|error| anyhow!("{name}: {error}"))?;
            if !print_on(&replay.tick(tick, config, arguments.format).await?)? {
                break;
            }
        }
        Ok::<_, CommandError>(Exit::Success)
    })
}

fn open(path: &Path) -> std::io::Result<Box<dyn BufRead + Send>> {
    if path == Path::new("-") {
        return Ok(Box::new(BufReader::new(std::io::stdin())));
    }
    Ok(Box::new(BufReader::new(File::open(path)?)))
}

/// A server over the recorded facts.
struct Replay {
    ticker: SampleTicker,
    facts: Sender<Facts>,
    problems: ProblemRegistry,
}

impl Replay {
    fn new(config: &Config, header: &Header) -> anyhow::Result<Self> {
        let gateway = header.gateway_config(&config.instance_id).context("the recorded gateway configuration")?;
        let problems = ProblemRegistry::new(gateway.scope().to_string());
        let zone = TimeZone::get(&header.zone).unwrap_or(TimeZone::UTC);
        let (source, facts) = ReplaySource::new();
        let (source, gateway) = (Box::new(source), GatewayStore::new(gateway, false));
        let ticker = SampleTicker::new(source, gateway, config.instance_id.clone(), config.engine.history_max_samples);
        Ok(Self { ticker: ticker.in_zone(zone).scaled_by(config.scale), facts, problems })
    }

    /// One tick, as text.
    async fn tick(
        &mut self,
        recorded: RecordedTick,
        config: &Config,
        format: SnapshotFormat,
    ) -> anyhow::Result<String> {
        let RecordedTick { at, facts } = recorded;
        self.facts.send(facts).context("the replay ended")?;
        let tick = self.ticker.tick(at, RecordMode::Points).await?;
        self.problems.report("tick", tick.problems(), at);
        Ok(self.shown(&tick, config, format))
    }

    fn shown(&self, tick: &Tick, config: &Config, format: SnapshotFormat) -> String {
        match snapshot::shown(tick, &self.problems, config, format) {
            Shown::Json(json) => format!("{}\n", json!({"at": tick.at, "shown": json})),
            Shown::Text(text) => format!("# tick at {}\n{text}", tick.at),
        }
    }
}
