//! The flags of settings: one for each row of the table, offered by the commands that use it.

use clap::error::ErrorKind;
use clap::{Arg, ArgMatches, Command};

use super::uses::{self, COMMANDS, Uses};
use crate::settings::{Setting, Variables, table};

/// The command line with the flags of settings, before and after the command.
pub(super) fn add_to(command: Command) -> Command {
    let command = command.args(flags(Uses::EVERYTHING));
    COMMANDS.iter().fold(command, |command, (name, uses)| command.mut_subcommand(name, |sub| sub.args(flags(*uses))))
}

/// The command line with the flags that each command uses, and no others.
pub(super) fn add_used_to(command: Command) -> Command {
    let used = |uses: Uses| flags(uses).filter(|flag| !flag.is_hide_set());
    let command = command.args(used(Uses::EVERYTHING));
    COMMANDS.iter().fold(command, |command, (name, uses)| command.mut_subcommand(name, |sub| sub.args(used(*uses))))
}

/// A flag that the command does not use is there and hidden: [`given`] explains it.
fn flags(uses: Uses) -> impl Iterator<Item = Arg> {
    table::all().iter().map(move |setting| flag(setting).hide(!uses.contains(setting)))
}

fn flag(setting: &Setting) -> Arg {
    Arg::new(setting.variable())
        .long(setting.flag())
        .value_name("VALUE")
        .help(help(setting))
        .help_heading(setting.group().heading())
        .hide_short_help(true)
}

fn help(setting: &Setting) -> String {
    let default = match setting.default() {
        "" => String::new(),
        default => format!(" [default: {default}]"),
    };
    format!("{} [accepted: {}]{default} [env: {}]", setting.help(), setting.accepts(), setting.variable())
}

/// The settings that were given as flags. One after the command wins over one before it.
///
/// # Errors
/// A flag that the command does not use.
pub(super) fn given(command: &mut Command, matches: &ArgMatches) -> Result<Variables, clap::Error> {
    let (name, after) = matches.subcommand().unzip();
    let uses = uses::of(name);
    let mut flags = Variables::new();
    for setting in table::all() {
        let value = |matches: &ArgMatches| matches.get_one::<String>(setting.variable()).cloned();
        let Some(value) = after.and_then(value).or_else(|| value(matches)) else { continue };
        if !uses.contains(setting) {
            return Err(unused(command, setting, name.unwrap_or_default()));
        }
        flags.insert(setting.variable().to_owned(), value);
    }
    Ok(flags)
}

fn unused(command: &mut Command, setting: &Setting, name: &str) -> clap::Error {
    let text = format!(
        "`{name}` does not use --{}; `kdcube-metrics {name} --help` lists the settings that it uses",
        setting.flag()
    );
    command.error(ErrorKind::UnknownArgument, text)
}
