//! `whatif`: loads under policies in simulated time, compared.

use std::path::Path;

use anyhow::anyhow;
use indicatif::ProgressBar;

use super::{CommandError, Exit, print, progress};
use crate::base::files;
use crate::cli::{WhatifArgs, WhatifFormat};
use crate::whatif::deployment::World;
use crate::whatif::load::{Load, shapes};
use crate::whatif::outcome::{self, Outcome};
use crate::whatif::policy::Policy;
use crate::whatif::report;

/// Longest load, and longest policy.
const LONGEST_LOAD: u64 = 256 * 1024 * 1024;
const LONGEST_POLICY: u64 = 1024 * 1024;

pub(super) fn run(arguments: &WhatifArgs) -> Result<Exit, CommandError> {
    let loads = loads(arguments)?;
    let policies = arguments.policy.iter().map(|path| policy(path)).collect::<Result<Vec<Policy>, CommandError>>()?;
    if arguments.format == WhatifFormat::Svg && loads.len() != 1 {
        return Err(
            anyhow!("--format svg: shows one load, got {}; accepted: one --shape or --load", loads.len()).into()
        );
    }
    let bar = progress::bar(loads.len() * policies.len(), "loads under policies");
    let outcomes: Vec<Outcome> = loads.iter().flat_map(|load| of_load(load, &policies, arguments, &bar)).collect();
    bar.finish_and_clear();
    print(&match arguments.format {
        WhatifFormat::Table => report::table(&outcomes),
        WhatifFormat::Json => report::json(&outcomes),
        WhatifFormat::Svg => report::svg(&outcomes),
    })?;
    Ok(Exit::Success)
}

fn of_load(load: &Load, policies: &[Policy], arguments: &WhatifArgs, bar: &ProgressBar) -> Vec<Outcome> {
    let simulated = |policy: &Policy| {
        let usual = World::of(policy.component);
        let slots = arguments.slots.unwrap_or(usual.slots);
        let world = World { slots, startup_seconds: arguments.startup.as_secs_f64(), ..usual };
        let seeds = arguments.seed..=arguments.seed.saturating_add(u64::from(arguments.seeds - 1));
        Outcome::mean(seeds.map(|seed| outcome::simulate(&world, load, policy, seed)).collect())
    };
    policies.iter().filter_map(|policy| simulated(policy).inspect(|_| bar.inc(1))).collect()
}

fn loads(arguments: &WhatifArgs) -> Result<Vec<Load>, CommandError> {
    if let Some(path) = &arguments.load {
        let load = Load::from_jsonl(&read(path, LONGEST_LOAD)?, &path.display().to_string());
        return Ok(vec![load.map_err(|error| anyhow!("{error}"))?]);
    }
    if arguments.shape.iter().any(|name| name == "all") {
        return Ok(shapes::ALL.iter().map(|shape| shape.load(arguments.scale)).collect());
    }
    arguments.shape.iter().map(|name| shape(name, arguments.scale)).collect()
}

fn shape(name: &str, scale: f64) -> Result<Load, CommandError> {
    let names: Vec<&str> = shapes::ALL.iter().map(|shape| shape.name).collect();
    let found = shapes::find(name).map(|shape| shape.load(scale));
    found.ok_or_else(|| anyhow!("--shape {name}: no such shape; accepted: all, {}", names.join(", ")).into())
}

/// A policy is called after its file.
fn policy(path: &Path) -> Result<Policy, CommandError> {
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    let policy = Policy::parse(&read(path, LONGEST_POLICY)?, &path.display().to_string(), &name);
    Ok(policy.map_err(|error| anyhow!("{error}"))?)
}

fn read(path: &Path, longest: u64) -> Result<String, CommandError> {
    let bytes = files::read_up_to(path, longest).map_err(|problem| anyhow!("{}: {problem}", path.display()))?;
    let text = std::str::from_utf8(files::without_mark(&bytes)).map(str::to_owned);
    Ok(text.map_err(|error| anyhow!("{}: is not UTF-8 (byte {})", path.display(), error.valid_up_to()))?)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::{Action, Cli};

    #[test]
    fn the_bar_moves_a_step_with_each_policy_of_each_load_whatever_the_number_of_seeds() {
        let policies = ["hpa-pressure-and-wait", "hpa-replicas-desired"].map(|name| {
            policy(Path::new(&format!("{}/deployment/policies/{name}.yaml", env!("CARGO_MANIFEST_DIR")))).ok().unwrap()
        });
        let line = ["kdcube-metrics", "whatif", "--load", "a", "--policy", "b", "--seeds", "2"];
        let Some(Action::Whatif(arguments)) = Cli::try_parse_from(line).unwrap().command else { panic!("{line:?}") };
        let load = Load::from_jsonl(r#"{"at": 0, "seconds": 20}"#, "a").unwrap();
        let bar = ProgressBar::hidden();
        for steps in [2, 4] {
            let outcomes = of_load(&load, &policies, &arguments, &bar);
            let names: Vec<&str> = outcomes.iter().map(|outcome| outcome.policy.as_str()).collect();
            assert_eq!((names, bar.position()), (vec!["hpa-pressure-and-wait", "hpa-replicas-desired"], steps));
        }
    }
}
