//! The program: arguments and environment in, exit code out. Everything else is in the library.

use std::process::ExitCode;

use kdcube_metrics::cli::Cli;
use kdcube_metrics::commands;

fn main() -> ExitCode {
    commands::without_blank_variables(std::env::args_os(), std::env::vars_os());
    match Cli::parse_arguments(std::env::args_os()) {
        Ok(cli) => commands::run(cli, std::env::vars_os()).into(),
        Err(error) => {
            // Help and version come as errors too, and are for standard output.
            let is_help = !error.use_stderr();
            let _ = error.print();
            if is_help { ExitCode::SUCCESS } else { commands::Exit::Usage.into() }
        }
    }
}
