//! Names of metrics in each outlet: derived from the catalog, or given by `METRICS_MAPPING_JSON`.
//!
//! A mapped name has `/` for every `.` in CloudWatch; in Prometheus every illegal character is replaced by `_`, and
//! [`Naming`] decides on the prefix `kdcube_`. A mapped unit is only the label in CloudWatch: values are not converted.

mod cloudwatch;
mod config;
mod error;
mod parse;
mod prometheus;
mod signals;

use std::collections::BTreeMap;

pub use self::cloudwatch::{CLOUDWATCH_UNITS, cloudwatch_name, cloudwatch_unit};
pub use self::error::{MappingError, NameError};
use self::prometheus::PrometheusNames;
pub use self::prometheus::{Naming, platform_name, prometheus_name};
pub(in crate::outlets) use self::signals::signals_path;
use crate::catalog::{Metric, all};

/// The names of one metric.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Names {
    prometheus: PrometheusNames,
    cloudwatch: String,
    unit: &'static str,
}

impl Names {
    fn derived(metric: &Metric, naming: Naming) -> Self {
        Self {
            prometheus: PrometheusNames::derived(metric, naming),
            cloudwatch: cloudwatch_name(metric),
            unit: cloudwatch_unit(metric),
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
    /// The default names derived from the catalog.
    fn default() -> Self {
        Self::derived(Naming::Default)
    }
}

impl Mapping {
    /// The names derived from the catalog.
    fn derived(naming: Naming) -> Self {
        Self { names: all().map(|metric| (metric.key, Names::derived(metric, naming))).collect() }
    }

    /// Reads `METRICS_MAPPING_JSON`.
    ///
    /// # Errors
    /// All of its errors. Whether two names clash depends on `naming`.
    pub fn parse(text: &str, naming: Naming) -> Result<Self, Vec<MappingError>> {
        parse::mapping(text, naming)
    }

    /// The names in Prometheus text and pushes: one, or two that differ with [`Naming::Both`].
    pub fn prometheus_names(&self, metric: &'static Metric) -> impl Iterator<Item = &str> {
        let names = self.names.get(metric.key);
        let own = names.is_none().then_some(metric.key);
        names.into_iter().flat_map(|names| names.prometheus.iter()).chain(own)
    }

    /// The name and the unit in CloudWatch.
    #[must_use]
    pub fn cloudwatch(&self, metric: &Metric) -> (&str, &'static str) {
        self.names
            .get(metric.key)
            .map_or((metric.key, cloudwatch_unit(metric)), |names| (&names.cloudwatch, names.unit))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::catalog::{find, own};

    fn parse(text: &str, naming: Naming) -> Mapping {
        Mapping::parse(text, naming).expect("no errors")
    }

    /// The names of a metric, joined by a space.
    fn prometheus(mapping: &Mapping, key: &str) -> String {
        mapping.prometheus_names(find(key).expect("known")).collect::<Vec<_>>().join(" ")
    }

    fn cloudwatch<'a>(mapping: &'a Mapping, key: &str) -> (&'a str, &'static str) {
        mapping.cloudwatch(find(key).expect("known"))
    }

    /// The messages of all errors, one a line; empty if there are none.
    fn errors_with(naming: Naming, text: &str) -> String {
        let errors = Mapping::parse(text, naming).err().unwrap_or_default();
        errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    }

    fn errors(text: &str) -> String {
        errors_with(Naming::Default, text)
    }

    #[test]
    fn a_mapped_name_is_used_in_both_outlets() {
        for (naming, expected) in [
            (Naming::Default, "Processor_Queue_Depth"),
            (Naming::Platform, "kdcube_Processor_Queue_Depth"),
            (Naming::Both, "Processor_Queue_Depth kdcube_Processor_Queue_Depth"),
        ] {
            let mapping = parse(r#"{"proc.queue.total": "Processor/Queue Depth"}"#, naming);
            assert_eq!(prometheus(&mapping, "proc.queue.total"), expected);
            assert_eq!(cloudwatch(&mapping, "proc.queue.total"), ("Processor/Queue Depth", "Count"));
        }
    }

    #[test]
    fn a_mapped_name_has_slashes_for_dots_in_cloudwatch() {
        let mapping =
            parse(r#"{"proc.queue.total": "my.queue-total", "instances": {"name": "a.b/c.d"}}"#, Naming::Default);
        assert_eq!(cloudwatch(&mapping, "proc.queue.total").0, "my/queue-total");
        assert_eq!(cloudwatch(&mapping, "instances").0, "a/b/c/d");
        assert_eq!(prometheus(&mapping, "proc.queue.total"), "my_queue_total");
    }

    #[test]
    fn fields_and_aliases_are_accepted() {
        let text = r#"{"proc.exec.p95": {"metric": "exec", "unit": "Seconds"}, "proc.queue.total": {"cloudwatch_name": "9q"},
            "proc.queue.wait.p95_ms": {"unit": "None"}}"#;
        let mapping = parse(text, Naming::Default);
        assert_eq!(cloudwatch(&mapping, "proc.exec.p95_ms"), ("exec", "Seconds"));
        assert_eq!(prometheus(&mapping, "proc.queue.total"), "_9q");
        assert_eq!(cloudwatch(&mapping, "proc.queue.wait.p95"), ("proc/queue/wait/p95_ms", "None"));
    }

    #[test]
    fn the_keys_that_the_platforms_guide_suggests_can_be_mapped() {
        let text = r#"{"ingress.sse.total_connections": "a", "ingress.throttling.rate_limit_429": "b", "proc.queue.depth": "c",
            "proc.queue.wait_ms_p95": "d", "proc.capacity.utilization": "e", "proc.active_tasks": "f"}"#;
        let mapping = parse(text, Naming::Default);
        for (key, name) in [
            ("ingress.sse.total_connections", "a"),
            ("throttling.rate_limit_429", "b"),
            ("proc.queue.total", "c"),
            ("proc.queue.wait.p95_ms", "d"),
            ("proc.queue.utilization_ratio", "e"),
            ("proc.active_tasks", "f"),
        ] {
            assert_eq!((prometheus(&mapping, key).as_str(), cloudwatch(&mapping, key).0), (name, name), "{key}");
        }
    }

    #[test]
    fn unmapped_names_are_derived_from_the_key() {
        let mapping = Mapping::default();
        assert_eq!(prometheus(&mapping, "proc.queue.pressure_ratio.1m"), "kdcube_proc_queue_pressure_ratio_1m");
        assert_eq!(cloudwatch(&mapping, "proc.queue.pressure_ratio.1m"), ("proc/queue/pressure_ratio/1m", "None"));
        // A unit alone renames nothing.
        let mapping = parse(r#"{"proc.exec.p95": {"unit": "Seconds"}}"#, Naming::Platform);
        assert_eq!(prometheus(&mapping, "proc.exec.p95"), "kdcube_proc_exec_p95_ms");
    }

    #[test]
    fn an_own_metric_has_a_fixed_name() {
        for naming in Naming::ALL {
            let mapping = parse(r#"{"proc.queue.total": "renamed"}"#, naming);
            for metric in own::all() {
                assert!(mapping.prometheus_names(metric).eq([metric.key]));
                assert!(errors(&format!(r#"{{"{}": "x"}}"#, metric.key)).contains("unknown metric key"));
            }
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
    fn names_clash_as_they_are_exported() {
        let prefixed = r#"{"proc.queue.total": "x", "proc.exec.p95": "kdcube_x"}"#;
        let digit = r#"{"proc.queue.total": "1", "proc.exec.p95": "m_1"}"#;
        let milliseconds = r#"{"proc.queue.total": "proc_exec_p95_ms"}"#;
        let own = r#"{"proc.exec.p95": "metrics_up"}"#;
        for (text, clashing) in [
            // `kdcube_x` is the one's platform name and the other's default name.
            (prefixed, [false, false, true]),
            (digit, [false, true, true]),
            (milliseconds, [false, true, true]),
            (own, [false, true, true]),
            (r#"{"proc.exec.p95": "process_x"}"#, [true, false, true]),
            (r#"{"proc.exec.p95": "kdcube_proc_exec_p95_ms"}"#, [false, false, false]),
        ] {
            let found = Naming::ALL.map(|naming| !errors_with(naming, text).is_empty());
            assert_eq!(found, clashing, "{text}");
        }
    }

    #[test]
    fn two_metrics_that_clash_are_reported_once() {
        for naming in Naming::ALL {
            assert_eq!(errors_with(naming, r#"{"proc.queue.total": "x", "proc.exec.p95": "x"}"#).lines().count(), 1);
        }
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
            let _ = Mapping::parse(&text, Naming::Both);
        }

        #[test]
        fn no_entry_panics_and_names_are_unique(name in ".{0,40}", unit in ".{0,20}", field in ".{0,8}") {
            let text = serde_json::json!({"proc.queue.total": {"name": &name, field: unit}, "proc.exec.p95": name}).to_string();
            let _ = Mapping::parse(&text, Naming::Both);
            let text = serde_json::json!({"proc.queue.total": name}).to_string();
            if let Ok(mapping) = Mapping::parse(&text, Naming::Both) {
                let names: Vec<&str> = all().flat_map(|metric| mapping.prometheus_names(metric)).collect();
                let unique: std::collections::BTreeSet<&str> = names.iter().copied().collect();
                prop_assert_eq!(names.len(), unique.len());
            }
        }
    }
}
