//! Reads the mapping from the settings.

use super::{Mapping, Naming};
use crate::settings::{Setting, Settings, setting};

const MAPPING: &Setting = setting("METRICS_MAPPING_JSON");
const NAMING: &Setting = setting("METRICS_PROM_NAMES");

impl Mapping {
    /// Reads `METRICS_MAPPING_JSON` and `METRICS_PROM_NAMES`. Without a mapping every metric has the derived names; each
    /// error is recorded.
    pub fn read(settings: &mut Settings) -> Option<Self> {
        // A value that is not accepted is recorded and returned as the default: the mapping's errors are found too.
        let naming: Naming = settings.get(NAMING)?;
        let Some(text) = settings.text(MAPPING) else { return Some(Self::derived(naming)) };
        let parsed = Self::parse(&text, naming);
        parsed.map_err(|errors| errors.iter().for_each(|error| settings.reject_part(MAPPING, &error.to_string()))).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::find;

    fn errors(variables: &[(&str, &str)]) -> (Option<Mapping>, Vec<String>) {
        let mut settings = Settings::from_environment(variables.iter().copied());
        let mapping = Mapping::read(&mut settings);
        (mapping, settings.into_errors().iter().map(ToString::to_string).collect())
    }

    #[test]
    fn every_problem_of_a_mapping_is_reported_with_its_setting() {
        assert_eq!(Mapping::read(&mut Settings::default()), Some(Mapping::default()));
        let (mapping, lines) = errors(&[("METRICS_MAPPING_JSON", r#"{"no.such": "a", "nor.this": "b"}"#)]);
        assert_eq!((mapping, lines.len()), (None, 2));
        assert!(lines.iter().all(|line| line.starts_with("METRICS_MAPPING_JSON: ")), "{lines:?}");
    }

    #[test]
    fn the_platforms_names_need_no_mapping() {
        let (mapping, lines) = errors(&[("METRICS_PROM_NAMES", "both")]);
        let mapping = mapping.unwrap();
        let names: Vec<_> = mapping.prometheus_names(find("proc.exec.p95_ms").unwrap()).collect();
        assert_eq!(names, ["kdcube_proc_exec_p95", "kdcube_proc_exec_p95_ms"]);
        assert!(lines.is_empty(), "{lines:?}");
    }

    #[test]
    fn names_that_are_not_accepted_hide_no_error_of_the_mapping() {
        let (_, lines) = errors(&[("METRICS_PROM_NAMES", "python"), ("METRICS_MAPPING_JSON", r#"{"no.such": "a"}"#)]);
        let begin = ["METRICS_PROM_NAMES \"python\": is not a kind of names", "METRICS_MAPPING_JSON: "];
        assert_eq!(lines.len(), 2);
        assert!(lines.iter().zip(begin).all(|(line, begin)| line.starts_with(begin)), "{lines:?}");
    }
}
