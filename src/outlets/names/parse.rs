//! Reads `METRICS_MAPPING_JSON` and reports all of its errors together.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::error::{MappingError, NameError};
use super::prometheus::PrometheusNames;
use super::{Mapping, Names, Naming, cloudwatch};
use crate::catalog::{Metric, find};

/// CloudWatch's limit for the name of a metric.
const MAX_NAME_LENGTH: usize = 255;

/// Names that a Pushgateway adds to every group.
const PUSHGATEWAY_NAMES: [&str; 2] = ["push_time_seconds", "push_failure_time_seconds"];

pub(super) fn mapping(text: &str, naming: Naming) -> Result<Mapping, Vec<MappingError>> {
    let entries: Map<String, Value> =
        serde_json::from_str(text).map_err(|error| vec![MappingError::NotAnObject(error.to_string())])?;
    let mut mapping = Mapping::derived(naming);
    let mut errors = Vec::new();
    let mut given: BTreeMap<&str, &str> = BTreeMap::new();
    for (key, value) in &entries {
        let mut reader = EntryReader { key, naming, errors: &mut errors };
        let Some((metric, names)) = reader.entry(value) else { continue };
        if let Some(other) = given.insert(metric.key, key) {
            errors.push(MappingError::SameMetric { first: other.to_owned(), second: key.clone() });
        }
        mapping.names.insert(metric.key, names);
    }
    find_clashes(&mapping, &mut errors);
    if errors.is_empty() { Ok(mapping) } else { Err(errors) }
}

/// Reads the entry of one key and records its errors.
struct EntryReader<'a> {
    key: &'a str,
    naming: Naming,
    errors: &'a mut Vec<MappingError>,
}

impl EntryReader<'_> {
    /// `None` after recording at least one error.
    fn entry(&mut self, value: &Value) -> Option<(&'static Metric, Names)> {
        let Some(metric) = find(self.key) else {
            self.errors.push(MappingError::unknown_key(self.key));
            return None;
        };
        let before = self.errors.len();
        let mut names = Names::derived(metric, self.naming);
        match value {
            Value::String(name) => self.rename(name, &mut names),
            Value::Object(fields) => self.fields(fields, &mut names),
            _ => self.errors.push(MappingError::WrongType { key: self.key() }),
        }
        (self.errors.len() == before).then_some((metric, names))
    }

    fn fields(&mut self, fields: &Map<String, Value>, names: &mut Names) {
        let mut given = None;
        for (field, value) in fields {
            match (field.as_str(), value) {
                ("name" | "metric" | "cloudwatch_name", Value::String(name)) => {
                    if given.replace(name).is_some_and(|other| other != name) {
                        self.errors.push(MappingError::SeveralNames { key: self.key() });
                    }
                }
                ("unit", Value::String(unit)) => match cloudwatch::CLOUDWATCH_UNITS.iter().find(|known| *known == unit)
                {
                    Some(unit) => names.unit = unit,
                    None => self.errors.push(MappingError::UnknownUnit { key: self.key(), unit: unit.clone() }),
                },
                ("name" | "metric" | "cloudwatch_name" | "unit", _) => {
                    self.errors.push(MappingError::NotText { key: self.key(), field: field.clone() });
                }
                _ => self.errors.push(MappingError::UnknownField { key: self.key(), field: field.clone() }),
            }
        }
        if let Some(name) = given {
            self.rename(name, names);
        }
    }

    fn rename(&mut self, name: &str, names: &mut Names) {
        let prometheus = PrometheusNames::mapped(name, self.naming);
        match check_name(name, &prometheus) {
            Err(reason) => {
                self.errors.push(MappingError::Name { key: self.key(), name: name.to_owned(), reason });
            }
            Ok(()) => {
                names.prometheus = prometheus;
                names.cloudwatch = cloudwatch::name_of(name);
            }
        }
    }

    fn key(&self) -> String {
        self.key.to_owned()
    }
}

/// Whether both outlets accept the name.
fn check_name(name: &str, prometheus: &PrometheusNames) -> Result<(), NameError> {
    match () {
        () if name.trim().is_empty() => Err(NameError::Blank),
        () if name.len() > MAX_NAME_LENGTH => Err(NameError::TooLong(MAX_NAME_LENGTH)),
        () if name.starts_with(':') || !name.chars().all(|c| c.is_ascii_graphic() || c == ' ') => {
            Err(NameError::Characters)
        }
        () if prometheus.iter().any(is_reserved) => Err(NameError::Reserved),
        () => Ok(()),
    }
}

fn is_reserved(prometheus_name: &str) -> bool {
    ["kdcube_metrics_", "process_"].iter().any(|prefix| prometheus_name.starts_with(prefix))
        || PUSHGATEWAY_NAMES.contains(&prometheus_name)
}

/// Records the first clash of every metric with one before it.
fn find_clashes(mapping: &Mapping, errors: &mut Vec<MappingError>) {
    let mut taken: BTreeMap<(&str, &str), &str> = BTreeMap::new();
    for (key, names) in &mapping.names {
        let prometheus = names.prometheus.iter().map(|name| ("Prometheus", name));
        let mut clash = None;
        for (outlet, name) in prometheus.chain([("CloudWatch", names.cloudwatch.as_str())]) {
            if let Some(other) = taken.insert((outlet, name), key) {
                clash.get_or_insert((outlet, name, other));
            }
        }
        errors.extend(clash.map(|(outlet, name, other)| same_name(outlet, name, other, key)));
    }
}

fn same_name(outlet: &'static str, name: &str, first: &str, second: &str) -> MappingError {
    MappingError::SameName { outlet, name: name.to_owned(), first: first.to_owned(), second: second.to_owned() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The errors of an entry for the queue's total, in words.
    fn errors(entry: &Value) -> Vec<String> {
        errors_of(&json!({"proc.queue.total": entry}))
    }

    fn errors_of(document: &Value) -> Vec<String> {
        let found = mapping(&document.to_string(), Naming::Default).err().unwrap_or_default();
        found.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_name_is_what_both_outlets_accept() {
        let longest = "x".repeat(255);
        for (name, problem) in [
            ("a b/c:d", ""),
            (longest.as_str(), ""),
            (&format!("{longest}x"), "has more than 255 characters"),
            ("", "is blank"),
            ("  ", "is blank"),
            (":a", "must be printable ASCII and not begin with `:`"),
            ("a\tb", "must be printable ASCII and not begin with `:`"),
            ("é", "must be printable ASCII and not begin with `:`"),
            ("process_x", "is reserved for this server's own metrics or a Pushgateway's"),
            ("kdcube_metrics_", "is reserved for this server's own metrics or a Pushgateway's"),
            ("kdcube.metrics.x", "is reserved for this server's own metrics or a Pushgateway's"),
            ("push_failure_time_seconds", "is reserved for this server's own metrics or a Pushgateway's"),
            ("push_time_second", ""),
            ("process", ""),
        ] {
            for entry in [json!(name), json!({"name": name})] {
                let found = errors(&entry).join("\n");
                let expected = match problem {
                    "" => String::new(),
                    problem => format!(
                        "`proc.queue.total`: the name `{}` {problem}",
                        name.replace('\t', "?").chars().take(60).collect::<String>()
                    ),
                };
                assert_eq!(found, expected);
            }
        }
    }

    #[test]
    fn an_entry_has_one_name_and_one_unit() {
        let several = "`proc.queue.total`: `name`, `metric` and `cloudwatch_name` mean the same; give one";
        for (entry, expected) in [
            (json!({"name": "a", "metric": "a", "cloudwatch_name": "a"}), ""),
            (json!({"name": "a", "unit": "Percent"}), ""),
            (json!({}), ""),
            (json!({"name": "a", "metric": "b"}), several),
            (json!({"metric": "a", "cloudwatch_name": "b"}), several),
            (json!({"unit": 5}), "`proc.queue.total`: `unit` must be text"),
            (json!({"metric": null}), "`proc.queue.total`: `metric` must be text"),
            (json!({"Name": "a"}), "`proc.queue.total`: unknown field `Name`; known: name, unit"),
            (json!(5), "`proc.queue.total`: expected a name or an object with `name` and `unit`"),
            (json!(null), "`proc.queue.total`: expected a name or an object with `name` and `unit`"),
        ] {
            assert_eq!(errors(&entry).join("\n"), expected, "{entry}");
        }
        let unit = errors(&json!({"unit": "percent"})).join("\n");
        assert!(unit.starts_with("`proc.queue.total`: `percent` is not a CloudWatch unit"), "case matters: {unit}");
    }

    #[test]
    fn every_error_of_one_entry_is_reported() {
        let found = errors(&json!({"nme": "x", "unit": "Furlongs", "name": ""}));
        assert_eq!(found.len(), 3, "{found:?}");
    }

    #[test]
    fn an_alias_and_its_key_are_one_metric_and_the_first_is_named_first() {
        let found = errors_of(&json!({"proc.exec.p95_ms": "a", "proc.exec.p95": "b"}));
        assert_eq!(found, ["`proc.exec.p95_ms` and `proc.exec.p95` are the same metric"]);
    }

    #[test]
    fn an_entry_that_is_wrong_changes_nothing_and_clashes_with_nothing() {
        // Its name would clash if it counted.
        let found = errors_of(&json!({"proc.queue.total": {"name": "x", "unit": "Furlongs"}, "proc.exec.p95_ms": "x"}));
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains("Furlongs"), "{found:?}");
    }

    #[test]
    fn names_that_only_cloudwatch_tells_apart_clash_in_prometheus() {
        // Spaces and slashes are underscores in Prometheus; in CloudWatch they are themselves.
        let found = errors_of(&json!({"proc.queue.total": "a b", "proc.exec.p95_ms": "a/b"}));
        assert_eq!(found, ["`proc.exec.p95_ms` and `proc.queue.total` have the same Prometheus name, `a_b`"]);
        let found = errors_of(&json!({"proc.queue.total": "A", "proc.exec.p95_ms": "a"}));
        assert_eq!(found, [""; 0], "names differ by case");
    }
}
