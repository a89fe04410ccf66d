//! One row of the table. Only the table can make one.

use super::Group;

/// The declaration of one setting: variable, flag, default and documentation.
#[derive(Debug, PartialEq, Eq)]
pub struct Setting {
    group: Group,
    variable: &'static str,
    default: &'static str,
    accepts: &'static str,
    help: &'static str,
    secret: bool,
}

impl Setting {
    pub(super) const fn new(
        group: Group,
        variable: &'static str,
        default: &'static str,
        accepts: &'static str,
        help: &'static str,
        secret: bool,
    ) -> Self {
        Self { group, variable, default, accepts, help, secret }
    }

    /// The heading that lists it.
    #[must_use]
    pub const fn group(&self) -> Group {
        self.group
    }

    /// The environment variable.
    #[must_use]
    pub const fn variable(&self) -> &'static str {
        self.variable
    }

    /// The environment variable that names a file with the value.
    #[must_use]
    pub fn file_variable(&self) -> String {
        format!("{}_FILE", self.variable)
    }

    /// The flag without its dashes: the variable without `METRICS_`, in lower case, with dashes.
    #[must_use]
    pub fn flag(&self) -> String {
        self.variable.trim_start_matches("METRICS_").to_lowercase().replace('_', "-")
    }

    /// The default as an operator would write it; empty = none.
    #[must_use]
    pub const fn default(&self) -> &'static str {
        self.default
    }

    /// The accepted values, in words.
    #[must_use]
    pub const fn accepts(&self) -> &'static str {
        self.accepts
    }

    /// The purpose, in one to three sentences.
    #[must_use]
    pub const fn help(&self) -> &'static str {
        self.help
    }

    /// Whether the value is never shown: not in errors, not in `check`.
    #[must_use]
    pub const fn is_secret(&self) -> bool {
        self.secret
    }
}
