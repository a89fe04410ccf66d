//! Names under which outlets export metrics: the table's own, or those of `METRICS_MAPPING_JSON`.
//!
//! A mapped name serves both worlds: CloudWatch takes it as it is, Prometheus with every illegal
//! character as `_` (no `kdcube_` is put before it). A mapped unit is CloudWatch's label only:
//! values are not converted.

mod parse;

use std::collections::BTreeMap;

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

/// Every metric's names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapping {
    /// Without the server's own metrics: their name is their key, and nothing renames them.
    names: BTreeMap<&'static str, Names>,
    /// Keys that the text renames, in table order.
    mapped: Vec<&'static str>,
}

impl Default for Mapping {
    /// The table's own names.
    fn default() -> Self {
        Self { names: all().map(|metric| (metric.key, Names::of(metric))).collect(), mapped: Vec::new() }
    }
}

impl Mapping {
    /// Reads `METRICS_MAPPING_JSON`.
    ///
    /// # Errors
    /// Everything that is wrong with it, one line each.
    pub fn parse(text: &str) -> Result<Self, Vec<String>> {
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

    /// Whether the operator named this metric in the mapping: what a sink with an allow-list sends.
    #[must_use]
    pub fn is_mapped(&self, metric: &Metric) -> bool {
        self.mapped.contains(&metric.key)
    }
}

/// The Prometheus name, unless renamed: `kdcube_` and the key, made legal; an own metric's is its key. A key that ends in
/// `_ms` gives way to its alias: Prometheus' own linter rejects such a suffix in a name.
#[must_use]
pub fn prometheus_name(metric: &Metric) -> String {
    if metric.is_own() {
        return metric.key.to_owned();
    }
    let abbreviated = metric.key.ends_with("_ms");
    let key = metric.aliases.first().filter(|_| abbreviated).unwrap_or(&metric.key);
    format!("kdcube_{}", legal_prometheus(key))
}

/// The CloudWatch name, unless renamed: the key with `/` for `.`.
#[must_use]
pub fn cloudwatch_name(metric: &Metric) -> String {
    metric.key.replace('.', "/")
}

/// A name with every character outside `[A-Za-z0-9_]` as `_`, and not beginning with a digit.
#[must_use]
pub fn legal_prometheus(name: &str) -> String {
    let mut legal: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    if legal.starts_with(|c: char| c.is_ascii_digit()) {
        legal.insert(0, '_');
    }
    legal
}

#[cfg(test)]
mod tests;
