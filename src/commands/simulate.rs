//! `simulate`: a simulated deployment, written live to Redis.

use std::time::Duration;

use super::{CommandError, Exit, block_on, print};
use crate::base::clock::{Clock, SystemClock};
use crate::cli::SimulateArgs;
use crate::commands::demo::stop_after;
use crate::platform::facts::Scope;
use crate::settings::Settings;
use crate::simulator::deployment::Shape;
use crate::simulator::live::Simulation;
use crate::sources::redis::config::RedisConfig;
use crate::telemetry::logging::{self, LogConfig};

/// Writing a long history takes Redis longer than a tick does.
const TIMEOUT: Duration = Duration::from_secs(60);

pub(super) fn run(arguments: &SimulateArgs, mut settings: Settings) -> Result<Exit, CommandError> {
    let Some(redis) = RedisConfig::read(&mut settings, "simulator", Some(TIMEOUT)) else {
        return Err(CommandError::Configuration(settings.into_errors()));
    };
    logging::init(&LogConfig { filter: "info".to_owned(), ..LogConfig::default() }, false)
        .map_err(anyhow::Error::msg)?;
    block_on(simulate(redis, arguments))?;
    Ok(Exit::Success)
}

async fn simulate(redis: RedisConfig, arguments: &SimulateArgs) -> anyhow::Result<()> {
    let shape = Shape { ingress: arguments.ingress, proc: arguments.proc, rate: arguments.rate, seed: arguments.seed };
    let scope = Scope { tenant: arguments.tenant.clone(), project: arguments.project.clone() };
    let (clock, place) = (SystemClock, redis.redacted());
    let mut simulation = Simulation::new(redis, &scope, shape, clock.now());
    simulation.write_unrelated(arguments.unrelated_keys).await?;
    simulation.write_past(arguments.history, clock.now()).await?;
    // The first step shows whether Redis accepts writes.
    simulation.step(clock.now()).await?;
    print(&format!("{} ingress and {} proc instances live in {place}\n", arguments.ingress, arguments.proc))?;
    tokio::select! {
        () = simulation.run(&clock) => {},
        () = stop_after(arguments.duration) => {},
    }
    Ok(())
}
