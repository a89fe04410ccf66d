//! One file a subcommand; here: settings to configuration to command to exit code.

mod catalog;
mod catalog_page;
mod check;
mod demo;
mod healthcheck;
mod once;
mod serve;
mod settings;
mod settings_page;
mod simulate;
mod snapshot;

use std::ffi::OsString;
use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use crate::cli::{Action, Cli, OnceArgs};
use crate::config::{Config, Mode};
use crate::settings::table;
use crate::settings::{Layer, SettingError, Settings, read_env_file};
use crate::telemetry::logging;

/// How the program ends; automation relies on these numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    Fine,
    /// Something failed that has no number of its own.
    Failed,
    /// Nothing could be collected.
    NothingCollected,
    /// A sink did not take what it was sent.
    SinkFailed,
    /// The command line was wrong (`EX_USAGE`).
    Usage,
    /// The configuration is bad (`EX_CONFIG`).
    BadConfiguration,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Fine => 0,
            Exit::Failed => 1,
            Exit::NothingCollected => 2,
            Exit::SinkFailed => 3,
            Exit::Usage => 64,
            Exit::BadConfiguration => 78,
        })
    }
}

/// Runs what the command line asks for, with the environment's variables.
pub fn run(cli: Cli, environment: impl Iterator<Item = (OsString, OsString)>) -> Exit {
    match cli.command {
        Some(Action::Catalog(arguments)) => return catalog::run(&arguments),
        Some(Action::Settings) => return settings::run(),
        _ => {}
    }
    let mut settings = match layers(&cli, environment) {
        Ok(settings) => settings,
        Err(problem) => return refuse(&[problem]),
    };
    let action = cli.command.unwrap_or(Action::Serve);
    let config = match action {
        Action::Simulate(arguments) => return simulate::run(&arguments, settings),
        Action::Healthcheck => return healthcheck::run(settings),
        Action::Demo(_) => Config::read_as(Some(Mode::Embedded), &mut settings),
        _ => Config::read(&mut settings),
    };
    let warnings = Config::warnings(&settings);
    match (action, config) {
        (Action::Check, config) => check::run(config, settings, &warnings),
        (_, None) => refuse(&settings.into_errors()),
        (action, Some(config)) => run_configured(action, config, &warnings),
    }
}

/// Colours only where a person looks.
fn init_logging(config: &Config) -> Result<(), String> {
    let colour = std::io::stderr().is_terminal();
    logging::init(&config.log.filter, config.log.format, colour).map_err(|problem| format!("RUST_LOG: {problem}"))
}

fn run_configured(action: Action, config: Config, warnings: &[String]) -> Exit {
    if let Err(problem) = init_logging(&config) {
        return refuse(&[SettingError(problem)]);
    }
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    match action {
        Action::Demo(arguments) => demo::run(config, &arguments),
        Action::Snapshot(arguments) => snapshot::run(config, &arguments),
        Action::Once(arguments) => once::run(&config, &arguments),
        _ if config.run_once => once::run(&config, &OnceArgs::default()),
        _ => serve::run(config),
    }
}

/// The layers that settings are read from.
fn layers(cli: &Cli, environment: impl Iterator<Item = (OsString, OsString)>) -> Result<Settings, SettingError> {
    let environment = environment.filter_map(variable).collect::<Result<Layer, SettingError>>()?;
    let env_file = cli.env_file.as_deref().map(read_env_file).transpose()?.unwrap_or_default();
    Ok(Settings::new(cli.flags.clone(), environment, env_file))
}

/// A variable whose name is UTF-8; no other is ours. If its value is not and the name is ours, that is
/// a problem: a token that is left out opens the door.
fn variable((name, value): (OsString, OsString)) -> Option<Result<(String, String), SettingError>> {
    let name = name.into_string().ok()?;
    match value.into_string() {
        Ok(value) => Some(Ok((name, value))),
        Err(_) => is_setting(&name).then(|| Err(SettingError(format!("{name}: is not UTF-8; accepted: UTF-8")))),
    }
}

fn is_setting(name: &str) -> bool {
    let is = |name: &str| table::ALL.iter().any(|setting| setting.variable == name);
    is(name) || name.strip_suffix("_FILE").is_some_and(is)
}

/// One line a problem, all of them.
fn refuse(problems: &[SettingError]) -> Exit {
    let mut out = std::io::stderr().lock();
    for problem in problems {
        // Nowhere is left to complain when standard error is gone.
        let _ = writeln!(out, "kdcube-metrics: {problem}");
    }
    let _ = writeln!(out, "kdcube-metrics: {} to mend; `kdcube-metrics --help` lists every setting", problems.len());
    Exit::BadConfiguration
}

/// Prints a command's answer; a reader that has gone away (`| head`) is no failure.
fn print(text: &str) -> Exit {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Exit::Failed,
        _ => Exit::Fine,
    }
}

/// The runtime that a command's asynchronous part runs on.
fn block_on<T>(future: impl Future<Output = T>) -> std::io::Result<T> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let outcome = runtime.block_on(future);
    // A host name that is being looked up cannot be cut, and would hold up the end.
    runtime.shutdown_background();
    Ok(outcome)
}

/// Reports a failure that has no exit code of its own.
fn fail(error: &dyn std::fmt::Display) -> Exit {
    let _ = writeln!(std::io::stderr(), "kdcube-metrics: {error}");
    Exit::Failed
}
