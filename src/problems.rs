//! What is wrong now: a fixed set of codes, what each means and how to fix it, and the registry of active problems.
//!
//! There is one registry, that of `telemetry`, which every part reports to; it is behind the API, the
//! metrics and the log lines. `docs/problems.md` is generated from [`code::ProblemCode`].

pub mod code;
mod damping;
mod log;
pub mod registry;

pub use code::{ProblemCode, Severity};
pub use registry::{ActiveProblem, ProblemRegistry};

/// One problem as a part of the server found it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub code: ProblemCode,
    /// The Redis key, process, sink, file or setting that it is about; empty for the deployment as a whole.
    pub subject: String,
    /// What was found, in one line without secrets.
    pub detail: String,
}

impl Problem {
    /// A problem with one subject.
    #[must_use]
    pub fn new(code: ProblemCode, subject: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { code, subject: subject.into(), detail: detail.into() }
    }
}
