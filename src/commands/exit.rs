//! Exit codes: automation relies on these numbers.

use std::process::ExitCode;

/// How the program ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    Success,
    /// A failure that has no code of its own.
    Failure,
    /// Nothing could be collected.
    NothingCollected,
    /// A sink did not accept what it was sent.
    SinkFailed,
    /// Another replica holds the lease, and does what was asked for.
    LeaseHeld,
    /// The command line is wrong (`EX_USAGE`).
    Usage,
    /// The configuration is wrong (`EX_CONFIG`).
    Configuration,
}

impl Exit {
    /// The number.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Failure => 1,
            Self::NothingCollected => 2,
            Self::SinkFailed => 3,
            Self::LeaseHeld => 4,
            Self::Usage => 64,
            Self::Configuration => 78,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}
