//! `simulate`: a simulated deployment, written live to Redis.

use std::time::Duration;

use super::{CommandError, Exit, block_on, print, progress};
use crate::base::clock::{Clock, SystemClock};
use crate::cli::SimulateArgs;
use crate::commands::demo::stop_after;
use crate::engine::gateway_config;
use crate::platform::facts::Scope;
use crate::settings::Settings;
use crate::simulator::deployment::Shape;
use crate::simulator::live::Simulation;
use crate::sources::redis::config::RedisConfig;
use crate::telemetry::logging::{self, LogConfig};

/// Writing a long history takes Redis longer than a tick does.
const TIMEOUT: Duration = Duration::from_secs(60);

pub(super) fn run(arguments: &SimulateArgs, mut settings: Settings) -> Result<Exit, CommandError> {
    let scope = scope(arguments, &mut settings);
    let redis = RedisConfig::read(&mut settings, "simulator", Some(TIMEOUT));
    let (Some(redis), Some(scope)) = (redis, scope) else {
        return Err(CommandError::Configuration(settings.into_errors()));
    };
    logging::init(&LogConfig { filter: "info".to_owned(), ..LogConfig::default() }, false)
        .map_err(anyhow::Error::msg)?;
    block_on(simulate(redis, scope, arguments))?;
    Ok(Exit::Success)
}

/// The scope of the flags, or else of the gateway configuration: what a server with the same environment reads.
fn scope(arguments: &SimulateArgs, settings: &mut Settings) -> Option<Scope> {
    if let (Some(tenant), Some(project)) = (arguments.tenant.clone(), arguments.project.clone()) {
        return Some(Scope { tenant, project });
    }
    let gateway = gateway_config::read_or_demo(settings, "simulator")?;
    let Scope { tenant, project } = gateway.scope().clone();
    Some(Scope {
        tenant: arguments.tenant.clone().unwrap_or(tenant),
        project: arguments.project.clone().unwrap_or(project),
    })
}

async fn simulate(redis: RedisConfig, scope: Scope, arguments: &SimulateArgs) -> anyhow::Result<()> {
    let shape = Shape { ingress: arguments.ingress, proc: arguments.proc, rate: arguments.rate, seed: arguments.seed };
    let (clock, place) = (SystemClock, redis.redacted());
    let mut simulation = Simulation::new(redis, &scope, shape, clock.now());
    simulation.write_unrelated(arguments.unrelated_keys).await?;
    let bar = progress::bar(arguments.history, "samples of the last hour");
    simulation.write_past(arguments.history, clock.now(), |written| bar.set_position(written as u64)).await?;
    bar.finish_and_clear();
    // The first step shows whether Redis accepts writes.
    simulation.step(clock.now()).await?;
    let Scope { tenant, project } = &scope;
    let instances = format!("{} ingress and {} proc instances", arguments.ingress, arguments.proc);
    print(&format!("{instances} of {tenant}/{project} live in {place}\n"))?;
    tokio::select! {
        () = simulation.run(&clock) => {},
        () = stop_after(arguments.duration) => {},
    }
    Ok(())
}
