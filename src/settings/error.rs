//! What is wrong with the settings: one line each, never a secret.

use super::{Origin, Setting};

/// An error in the settings. Its text names the setting, the value, what is accepted, and where the value came from.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingError {
    /// A value that is not accepted.
    #[error("{}{}: {problem}; accepted: {}; from {origin}", setting.variable(), quoted(shown), setting.accepts())]
    Invalid {
        setting: &'static Setting,
        origin: Origin,
        /// The value, where it helps and is not secret.
        shown: Option<String>,
        problem: String,
    },
    /// A setting that has no value and needs one.
    #[error("{} is not set, and {needed_by}; accepted: {}", setting.variable(), setting.accepts())]
    Missing { setting: &'static Setting, needed_by: String },
    /// An error whose text already names the setting and what is accepted.
    #[error("{line}; from {origin}")]
    Reported { origin: Origin, line: String },
    /// An error that no single setting has.
    #[error("{0}")]
    Other(String),
}

fn quoted(shown: &Option<String>) -> String {
    shown.as_deref().map(|value| format!(" {:?}", shorten(value))).unwrap_or_default()
}

/// Enough of a value to recognise it.
fn shorten(text: &str) -> String {
    const LONGEST: usize = 60;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::setting;

    const PORT: &Setting = setting("METRICS_PORT");

    #[test]
    fn an_error_is_one_line_with_setting_value_accepted_values_and_origin() {
        let error = |shown: Option<&str>| SettingError::Invalid {
            setting: PORT,
            origin: Origin::Environment,
            shown: shown.map(str::to_owned),
            problem: "is not a port".to_owned(),
        };
        let rest = ": is not a port; accepted: a port, 0 to 65535 (0 = any free one); from the environment";
        assert_eq!(error(Some("http\n")).to_string(), format!("METRICS_PORT \"http\\n\"{rest}"));
        assert_eq!(error(None).to_string(), format!("METRICS_PORT{rest}"));
        assert_eq!(
            error(Some(&"é".repeat(61))).to_string(),
            format!("METRICS_PORT \"{}…\"{rest}", "é".repeat(60)),
            "a long value is shortened"
        );
        assert_eq!(error(Some(&"é".repeat(60))).to_string(), format!("METRICS_PORT \"{}\"{rest}", "é".repeat(60)));
    }

    #[test]
    fn a_missing_setting_names_what_needs_it() {
        let error = SettingError::Missing { setting: PORT, needed_by: "a server needs one".to_owned() };
        assert_eq!(
            error.to_string(),
            "METRICS_PORT is not set, and a server needs one; accepted: a port, 0 to 65535 (0 = any free one)"
        );
    }
}
