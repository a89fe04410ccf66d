//! One file a subcommand; here: from settings to configuration to command to exit code.

mod catalog;
mod check;
mod compare;
mod completions;
mod dashboard;
mod demo;
mod environment;
mod error;
mod exit;
mod explain;
mod healthcheck;
mod once;
mod own_server;
mod problems;
mod progress;
mod record;
mod replay;
mod serve;
mod settings;
mod signals;
mod simulate;
mod snapshot;
mod top;
mod whatif;

use std::ffi::OsString;
use std::io::{IsTerminal, Write};

pub use self::environment::without_blank_variables;
use self::error::CommandError;
pub use self::exit::Exit;
use crate::cli::{Action, Cli, OnceArgs};
use crate::config::{Config, Mode};
use crate::outlets::names::Mapping;
use crate::settings::{EnvFile, Layers, SettingError, Settings, Sources, Variables, read_env_file, table};
use crate::telemetry::logging;

/// Runs what the command line asks for, with the variables of the environment.
pub fn run(cli: Cli, environment: impl Iterator<Item = (OsString, OsString)>) -> Exit {
    let exit = run_command(cli, environment).unwrap_or_else(|error| {
        logging::print_error(error.report().as_bytes());
        error.exit()
    });
    logging::flush();
    exit
}

fn run_command(cli: Cli, environment: impl Iterator<Item = (OsString, OsString)>) -> Result<Exit, CommandError> {
    match cli.command {
        Some(Action::Completions(arguments)) => return completions::run(&arguments),
        Some(Action::Man(arguments)) => return completions::man(&arguments),
        Some(Action::Settings) => return settings::run(),
        Some(Action::Problems) => return problems::run(),
        Some(Action::Whatif(arguments)) => return whatif::run(&arguments),
        _ => {}
    }
    let sources = sources(&cli, environment).map_err(|error| CommandError::Configuration(vec![error]))?;
    let mut settings = Settings::new(Layers::read(&sources));
    let action = cli.command.unwrap_or(Action::Serve);
    let config = match action {
        Action::Simulate(arguments) => return simulate::run(&arguments, settings),
        Action::Healthcheck => return healthcheck::run(settings),
        Action::Compare(arguments) => return compare::run(&arguments, settings),
        Action::Explain(arguments) => return explain::run(&arguments, settings),
        Action::Top(arguments) => return top::run(&arguments, settings, has_colour(&sources)),
        Action::Catalog(arguments) => return catalog::run(&arguments, settings),
        Action::Dashboard => return dashboard::run(settings),
        Action::Demo(_) => demo::read_config(&mut settings),
        // The deployment's own settings are in the recording.
        Action::Replay(_) => Config::read_as(Mode::Embedded, &mut settings),
        _ => Config::read(&mut settings),
    };
    let warnings = Config::warnings(&settings);
    match (action, config) {
        (Action::Check, config) => check::run(config, settings, &warnings),
        (_, None) => {
            let warning = |text: &String| format!("kdcube-metrics: warning: {text}\n");
            logging::print_error(warnings.iter().map(warning).collect::<String>().as_bytes());
            Err(CommandError::Configuration(settings.into_errors()))
        }
        (action, Some(config)) => run_configured(action, config, (settings.into_layers(), sources), &warnings),
    }
}

/// `origin` is what the configuration was read from.
fn run_configured(
    action: Action,
    config: Config,
    origin: (Layers, Sources),
    warnings: &[String],
) -> Result<Exit, CommandError> {
    init_logging(&config, has_colour(&origin.1))?;
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    match action {
        Action::Demo(arguments) => demo::run(config, &arguments),
        Action::Snapshot(arguments) => snapshot::run(&config, &arguments),
        Action::Once(arguments) => once::run(&config, &arguments),
        Action::Record(arguments) => record::run(&config, &arguments),
        Action::Replay(arguments) => replay::run(&config, &arguments),
        _ if config.run_once => once::run(&config, &OnceArgs::default()),
        _ => serve::run(config, origin),
    }
}

/// Whether a terminal may be coloured, by the convention of <https://no-color.org>.
fn has_colour(sources: &Sources) -> bool {
    sources.environment.get("NO_COLOR").is_none_or(String::is_empty)
}

/// Logs in colour on a terminal only, and only where colours are wanted.
fn init_logging(config: &Config, has_colour: bool) -> Result<(), CommandError> {
    let colour = has_colour && std::io::stderr().is_terminal();
    logging::init(&config.log, colour)
        .map_err(|problem| CommandError::Configuration(vec![SettingError::Other(format!("RUST_LOG: {problem}"))]))
}

/// What settings are read from, beside descriptor files.
fn sources(cli: &Cli, environment: impl Iterator<Item = (OsString, OsString)>) -> Result<Sources, SettingError> {
    let environment = environment.filter_map(variable).collect::<Result<Variables, SettingError>>()?;
    let env_file = match cli.env_file.as_deref() {
        Some(path) => read_env_file(path, &environment)?,
        None => EnvFile::default(),
    };
    Ok(Sources { flags: cli.flags.clone(), environment, env_file })
}

/// A variable whose name is UTF-8: others are no settings. If a setting's value is not UTF-8, that is an error: without
/// its token, for example, the server would be open.
fn variable((name, value): (OsString, OsString)) -> Option<Result<(String, String), SettingError>> {
    let name = name.into_string().ok()?;
    match value.into_string() {
        Ok(value) => Some(Ok((name, value))),
        Err(_) if table::is_known(&name) => {
            Some(Err(SettingError::Other(format!("{name}: is not UTF-8; accepted: UTF-8; from the environment"))))
        }
        Err(_) => None,
    }
}

/// The names of metrics that the settings give.
fn names(mut settings: Settings) -> Result<Mapping, CommandError> {
    let mapping = Mapping::read(&mut settings).filter(|_| settings.errors().is_empty());
    mapping.ok_or_else(|| CommandError::Configuration(settings.into_errors()))
}

/// Prints the result of a command. A reader that closed the pipe (`| head`) is no failure.
fn print(text: &str) -> Result<(), CommandError> {
    print_on(text).map(drop)
}

/// The same of a command that goes on printing; whether somebody still reads.
fn print_on(text: &str) -> Result<bool, CommandError> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(false),
        written => written.map(|()| true).map_err(CommandError::Output),
    }
}

/// Runs the asynchronous part of a command.
fn block_on<T, E>(future: impl Future<Output = Result<T, E>>) -> Result<T, CommandError>
where
    CommandError: From<E>,
{
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(CommandError::Runtime)?;
    let result = runtime.block_on(future);
    // A DNS lookup in progress cannot be cancelled and would delay the exit.
    runtime.shutdown_background();
    Ok(result?)
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt;

    use super::*;

    #[test]
    fn a_setting_that_is_not_utf_8_is_an_error_and_other_variables_are_ignored() {
        let broken = || OsString::from_vec(b"hunter2\xff".to_vec());
        for name in ["METRICS_AUTH_TOKEN", "METRICS_AUTH_TOKEN_FILE"] {
            let error = variable((name.into(), broken())).unwrap().unwrap_err().to_string();
            assert!(error.starts_with(&format!("{name}: is not UTF-8")) && !error.contains("hunter2"), "{error}");
        }
        assert!(variable(("PATH".into(), broken())).is_none() && variable((broken(), "x".into())).is_none());
        assert_eq!(variable(("A".into(), "b".into())), Some(Ok(("A".to_owned(), "b".to_owned()))));
    }
}
