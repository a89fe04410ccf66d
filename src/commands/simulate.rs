//! `simulate`: a simulated deployment, written live to a real Redis.

use std::time::Duration;

use super::{Exit, block_on, fail, print, refuse};
use crate::base::clock::{Clock, SystemClock};
use crate::cli::SimulateArgs;
use crate::commands::demo::stop_after;
use crate::config;
use crate::platform::facts::Scope;
use crate::settings::{SettingError, Settings};
use crate::simulator::deployment::Shape;
use crate::simulator::live::Simulation;
use crate::sources::SourceError;
use crate::sources::redis::config::RedisConfig;
use crate::telemetry::logging::{self, LogFormat};

/// Writing a large past takes Redis longer than a tick does.
const TIMEOUT: Duration = Duration::from_secs(60);

pub(super) fn run(arguments: &SimulateArgs, mut settings: Settings) -> Exit {
    let redis = config::read_redis(&mut settings, "simulator", Some(TIMEOUT));
    let Some(redis) = redis else { return refuse(&settings.into_errors()) };
    if !(arguments.rate.is_finite() && arguments.rate >= 0.0) {
        return refuse(&[SettingError(format!("--rate \"{}\": accepted: a number, at least 0", arguments.rate))]);
    }
    if let Err(problem) = logging::init("info", LogFormat::Text, false) {
        return fail(&problem);
    }
    match block_on(simulate(redis, arguments)) {
        Ok(Ok(())) => Exit::Fine,
        Ok(Err(error)) => fail(&error),
        Err(error) => fail(&error),
    }
}

async fn simulate(redis: RedisConfig, arguments: &SimulateArgs) -> Result<(), SourceError> {
    let shape = Shape { ingress: arguments.ingress, proc: arguments.proc, rate: arguments.rate, seed: arguments.seed };
    let scope = Scope { tenant: arguments.tenant.clone(), project: arguments.project.clone() };
    let (clock, place) = (SystemClock, redis.redacted());
    let mut simulation = Simulation::new(redis, &scope, shape, clock.now());
    simulation.write_unrelated(arguments.unrelated_keys).await?;
    simulation.write_past(arguments.history, clock.now()).await?;
    // The first step tells whether Redis can be written to at all.
    simulation.step(clock.now()).await?;
    print(&format!("{} ingress and {} proc instances live in {place}\n", arguments.ingress, arguments.proc));
    tokio::select! {
        () = simulation.run(&clock) => {},
        () = stop_after(arguments.duration) => {},
    }
    Ok(())
}
