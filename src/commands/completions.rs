//! `completions` and `man`: what shells and manuals know of the command line.

use anyhow::Context;
use clap_complete::Shell;

use super::{CommandError, Exit, print};
use crate::cli::{CompletionShell, CompletionsArgs, ManArgs, documented};

const NAME: &str = "kdcube-metrics";

pub(super) fn run(arguments: &CompletionsArgs) -> Result<Exit, CommandError> {
    let shell = match arguments.shell {
        CompletionShell::Bash => Shell::Bash,
        CompletionShell::Zsh => Shell::Zsh,
        CompletionShell::Fish => Shell::Fish,
    };
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut documented(), NAME, &mut script);
    print(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Success)
}

/// A page of the program and one of each command.
pub(super) fn man(arguments: &ManArgs) -> Result<Exit, CommandError> {
    let folder = &arguments.folder;
    let written = std::fs::create_dir_all(folder).and_then(|()| clap_mangen::generate_to(documented(), folder));
    written.with_context(|| format!("{}: the pages cannot be written", folder.display()))?;
    Ok(Exit::Success)
}
