//! Reads the mapping from the settings.

use super::Mapping;
use crate::settings::{Setting, Settings, setting};

const MAPPING: &Setting = setting("METRICS_MAPPING_JSON");

impl Mapping {
    /// Reads `METRICS_MAPPING_JSON`. Without it every metric has the table's names; each error is recorded.
    pub fn read(settings: &mut Settings) -> Option<Self> {
        let Some(text) = settings.text(MAPPING) else { return Some(Self::default()) };
        let parsed = Self::parse(&text);
        parsed.map_err(|errors| errors.iter().for_each(|error| settings.reject_part(MAPPING, &error.to_string()))).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_problem_of_a_mapping_is_reported_with_its_setting() {
        assert_eq!(Mapping::read(&mut Settings::default()), Some(Mapping::default()));
        let mut settings =
            Settings::from_environment([("METRICS_MAPPING_JSON", r#"{"no.such": "a", "nor.this": "b"}"#)]);
        assert_eq!(Mapping::read(&mut settings), None);
        let lines: Vec<String> = settings.into_errors().iter().map(ToString::to_string).collect();
        assert_eq!(lines.len(), 2);
        assert!(lines.iter().all(|line| line.starts_with("METRICS_MAPPING_JSON: ")), "{lines:?}");
    }
}
