//! Names of metrics in each outlet: derived from the catalog, or given by `METRICS_MAPPING_JSON`.
//!
//! A mapped name is used unchanged in CloudWatch, and in Prometheus with every illegal character replaced by `_` and
//! without the prefix `kdcube_`. A mapped unit is only the label in CloudWatch: values are not converted.

mod config;
mod error;
mod parse;

use std::collections::BTreeMap;

pub use self::error::{MappingError, NameError};
use crate::catalog::{Metric, all};

/// The names of one metric.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Names {
    prometheus: String,
    cloudwatch: String,
    unit: &'static str,
}

impl Names {
    fn of(metric: &Metric) -> Self {
        Self {
            prometheus: prometheus_name(metric),
            cloudwatch: cloudwatch_name(metric),
            unit: metric.unit.cloudwatch(),
        }
    }
}

/// The names of every metric.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapping {
    /// Without the server's own metrics: their name is their key, and nothing renames them.
    names: BTreeMap<&'static str, Names>,
}

impl Default for Mapping {
    /// The names derived from the catalog.
    fn default() -> Self {
        Self { names: all().map(|metric| (metric.key, Names::of(metric))).collect() }
    }
}

impl Mapping {
    /// Reads `METRICS_MAPPING_JSON`.
    ///
    /// # Errors
    /// All of its errors.
    pub fn parse(text: &str) -> Result<Self, Vec<MappingError>> {
        parse::mapping(text)
    }

    /// The name in Prometheus text and pushes.
    #[must_use]
    pub fn prometheus_name(&self, metric: &Metric) -> &str {
        self.names.get(metric.key).map_or(metric.key, |names| &names.prometheus)
    }

    /// The name and the unit in CloudWatch.
    #[must_use]
    pub fn cloudwatch(&self, metric: &Metric) -> (&str, &'static str) {
        self.names
            .get(metric.key)
            .map_or((metric.key, metric.unit.cloudwatch()), |names| (&names.cloudwatch, names.unit))
    }
}

/// The derived Prometheus name: `kdcube_` and the key with legal characters; of an own metric, its key. Instead of a key
/// that ends in `_ms` its alias is used: promtool's linter rejects that suffix.
#[must_use]
pub fn prometheus_name(metric: &Metric) -> String {
    if metric.is_own() {
        return metric.key.to_owned();
    }
    let abbreviated = metric.key.ends_with("_ms");
    let key = metric.aliases.first().filter(|_| abbreviated).unwrap_or(&metric.key);
    format!("kdcube_{}", legal_prometheus(key))
}

/// The derived CloudWatch name: the key with `/` for `.`.
#[must_use]
pub fn cloudwatch_name(metric: &Metric) -> String {
    metric.key.replace('.', "/")
}

/// The name with every character outside `[A-Za-z0-9_]` replaced by `_`, and `_` before a leading digit.
#[must_use]
pub fn legal_prometheus(name: &str) -> String {
    let mut legal: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    if legal.starts_with(|c: char| c.is_ascii_digit()) {
        legal.insert(0, '_');
    }
    legal
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::catalog::{find, own};

    /// The messages of all errors, one a line.
    fn errors(text: &str) -> String {
        let errors = Mapping::parse(text).expect_err("has errors");
        errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn a_mapped_name_is_used_in_both_outlets() {
        let mapping = Mapping::parse(r#"{"proc.queue.total": "Processor/Queue Depth"}"#).expect("fine");
        let metric = find("proc.queue.total").expect("known");
        assert_eq!(mapping.prometheus_name(metric), "Processor_Queue_Depth");
        assert_eq!(mapping.cloudwatch(metric), ("Processor/Queue Depth", "Count"));
    }

    #[test]
    fn fields_and_aliases_are_accepted() {
        let text = r#"{"proc.exec.p95": {"metric": "exec", "unit": "Seconds"}, "proc.queue.total": {"cloudwatch_name": "9q"},
            "proc.queue.wait.p95_ms": {"unit": "None"}}"#;
        let mapping = Mapping::parse(text).expect("fine");
        assert_eq!(mapping.cloudwatch(find("proc.exec.p95_ms").expect("known")), ("exec", "Seconds"));
        assert_eq!(mapping.prometheus_name(find("proc.queue.total").expect("known")), "_9q");
        assert_eq!(mapping.cloudwatch(find("proc.queue.wait.p95").expect("known")), ("proc/queue/wait/p95_ms", "None"));
    }

    #[test]
    fn unmapped_names_are_derived_from_the_key() {
        let mapping = Mapping::default();
        let metric = find("proc.queue.pressure_ratio.1m").expect("known");
        assert_eq!(mapping.prometheus_name(metric), "kdcube_proc_queue_pressure_ratio_1m");
        assert_eq!(mapping.cloudwatch(metric), ("proc/queue/pressure_ratio/1m", "None"));
    }

    #[test]
    fn an_own_metric_has_a_fixed_name() {
        let mapping = Mapping::parse(r#"{"proc.queue.total": "renamed"}"#).expect("fine");
        for metric in own::all() {
            assert_eq!(mapping.prometheus_name(metric), metric.key);
            assert_eq!(prometheus_name(metric), metric.key);
            assert!(errors(&format!(r#"{{"{}": "x"}}"#, metric.key)).contains("unknown metric key"));
        }
    }

    #[test]
    fn all_errors_are_reported_together() {
        let reported = errors(
            r#"{"proc.queue.totl": "x", "proc.queue.total": {"unit": "Furlongs"}, "proc.exec.p95": 5,
                "throttling.rate_limit_429": "", "throttling.backpressure_503": {"nme": "x"}}"#,
        );
        for part in ["totl", "Furlongs", "proc.exec.p95", "blank", "nme"] {
            assert!(reported.contains(part), "{part} in {reported}");
        }
        assert_eq!(reported.lines().count(), 5, "{reported}");
    }

    #[test]
    fn two_metrics_may_not_share_a_name() {
        assert!(errors(r#"{"proc.queue.total": "x", "proc.exec.p95": "x"}"#).contains("same Prometheus name"));
        assert!(errors(r#"{"proc.queue.total": "a/b", "proc.exec.p95": "a.b"}"#).contains("same Prometheus name"));
        assert!(errors(r#"{"proc.queue.total": "kdcube_proc_queue_pressure_ratio"}"#).contains("same Prometheus name"));
        assert!(errors(r#"{"proc.exec.p95": "x", "proc.exec.p95_ms": "y"}"#).contains("same metric"));
        assert!(errors(r#"{"proc.exec.p95": "kdcube_metrics_up"}"#).contains("reserved"));
        assert!(errors(r#"{"proc.exec.p95": "push_time_seconds"}"#).contains("reserved"));
    }

    #[test]
    fn what_is_not_an_object_is_rejected() {
        for text in ["", "[]", "null", "{", "7"] {
            assert!(errors(text).contains("not a JSON object"), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in ".{0,200}") {
            let _ = Mapping::parse(&text);
        }

        #[test]
        fn no_entry_panics_and_names_are_legal(name in ".{0,40}", unit in ".{0,20}", field in ".{0,8}") {
            let text = serde_json::json!({"proc.queue.total": {"name": &name, field: unit}, "proc.exec.p95": name}).to_string();
            let _ = Mapping::parse(&text);
            let text = serde_json::json!({"proc.queue.total": name}).to_string();
            if let Ok(mapping) = Mapping::parse(&text) {
                let legal = mapping.prometheus_name(find("proc.queue.total").expect("known"));
                prop_assert!(legal.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_'));
                prop_assert!(legal.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'));
            }
        }
    }
}
