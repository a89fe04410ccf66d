//! Why a command ended early: what is printed on standard error, and the exit code.

use std::io;

use super::Exit;
use super::compare::FetchError;
use crate::settings::SettingError;
use crate::sources::SourceError;

/// The error of a command.
#[derive(Debug, thiserror::Error)]
pub(super) enum CommandError {
    /// The settings are wrong: at least one error.
    #[error("{}", summary(.0.len()))]
    Configuration(Vec<SettingError>),
    /// The source could not be read.
    #[error(transparent)]
    NothingCollected(SourceError),
    /// `compare` did not get what it compares.
    #[error(transparent)]
    NothingCompared(#[from] FetchError),
    #[error("cannot start the runtime: {0}")]
    Runtime(io::Error),
    #[error("cannot write to standard output: {0}")]
    Output(io::Error),
    #[error("{0:#}")]
    Failed(#[from] anyhow::Error),
}

fn summary(errors: usize) -> String {
    let plural = if errors == 1 { "" } else { "s" };
    format!("{errors} configuration error{plural}; `kdcube-metrics --help` lists every setting")
}

impl CommandError {
    /// The exit code.
    pub(super) const fn exit(&self) -> Exit {
        match self {
            Self::Configuration(_) => Exit::Configuration,
            Self::NothingCollected(_) | Self::NothingCompared(_) => Exit::NothingCollected,
            Self::Runtime(_) | Self::Output(_) | Self::Failed(_) => Exit::Failure,
        }
    }

    /// One line for each error in the settings, then the error itself.
    pub(super) fn report(&self) -> String {
        let settings: &[SettingError] = if let Self::Configuration(errors) = self { errors } else { &[] };
        let lines = settings.iter().map(|error| format!("kdcube-metrics: {error}\n"));
        lines.chain([format!("kdcube-metrics: {self}\n")]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_in_the_settings_are_one_line_each_and_counted() {
        let errors = |n| CommandError::Configuration(vec![SettingError::Other("A: is odd".to_owned()); n]);
        assert_eq!(
            errors(2).report(),
            "kdcube-metrics: A: is odd\nkdcube-metrics: A: is odd\n\
             kdcube-metrics: 2 configuration errors; `kdcube-metrics --help` lists every setting\n"
        );
        assert!(errors(1).report().contains(": 1 configuration error; "));
        assert_eq!(errors(1).exit().code(), 78);
    }

    #[test]
    fn other_errors_show_their_causes_and_have_their_own_codes() {
        let failed = CommandError::from(anyhow::anyhow!("no route").context("cannot connect"));
        assert_eq!((failed.report().as_str(), failed.exit().code()), ("kdcube-metrics: cannot connect: no route\n", 1));
        let nothing = CommandError::NothingCollected(SourceError::Upstreams("Redis is down".to_owned()));
        assert_eq!((nothing.report().as_str(), nothing.exit().code()), ("kdcube-metrics: Redis is down\n", 2));
        assert_eq!(CommandError::Output(io::ErrorKind::StorageFull.into()).exit().code(), 1);
    }
}
