//! The program: words and environment in, exit code out. Everything else is the library's.

use std::process::ExitCode;

use kdcube_metrics::cli::Cli;
use kdcube_metrics::commands;

fn main() -> ExitCode {
    match Cli::parse_from_words(std::env::args_os()) {
        Ok(cli) => commands::run(cli, std::env::vars_os()).into(),
        Err(error) => {
            // Help and version are answers, not mistakes.
            let asked = !error.use_stderr();
            let _ = error.print();
            if asked { ExitCode::SUCCESS } else { commands::Exit::Usage.into() }
        }
    }
}
