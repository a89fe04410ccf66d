//! The log lines of problems. Those of severity `info` are logged where they happen and appear here at `debug`.

use super::{ActiveProblem, Severity};

/// What changed in the registry.
#[derive(Debug)]
pub(super) enum Change {
    /// `times` counts the beginnings since the last line.
    Began {
        problem: ActiveProblem,
        times: u64,
    },
    Ended {
        problem: ActiveProblem,
        lasted: f64,
    },
}

pub(super) fn change(change: &Change) {
    match change {
        Change::Began { problem, times } => began(problem, *times),
        Change::Ended { problem, lasted } => ended(problem, *lasted),
    }
}

fn began(problem: &ActiveProblem, times: u64) {
    let ActiveProblem { code, subject, detail, remedy, .. } = problem;
    let code = code.as_str();
    match problem.severity {
        Severity::Info => tracing::debug!(code, subject, detail, times, "problem"),
        Severity::Warning => tracing::warn!(code, subject, detail, remedy, times, "problem"),
        Severity::Critical => tracing::error!(code, subject, detail, remedy, times, "problem"),
    }
}

fn ended(problem: &ActiveProblem, lasted: f64) {
    let (code, subject, count) = (problem.code.as_str(), &problem.subject, problem.count);
    let lasted_seconds = lasted.round();
    match problem.severity {
        Severity::Info => tracing::debug!(code, subject, lasted_seconds, count, "problem ended"),
        Severity::Warning | Severity::Critical => {
            tracing::info!(code, subject, lasted_seconds, count, "problem ended");
        }
    }
}
