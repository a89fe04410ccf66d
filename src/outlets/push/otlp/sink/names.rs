//! Names and units in OpenTelemetry: dotted names without a unit, and UCUM units.

use crate::catalog::{Metric, Unit};

/// What the names of the deployment's metrics begin with.
const PREFIX: &str = "kdcube.";

/// The name. What shows the unit is left out where the unit says the same; a percentage keeps it, because its ratio has the
/// same name otherwise. Prometheus' rules make `kdcube_proc_queue_pressure_ratio` of it again.
pub(super) fn name(metric: &Metric) -> String {
    if metric.is_scalar() {
        let parts: Vec<&str> = metric.key.split('.').map(|part| without_unit(part, metric.unit)).collect();
        return format!("{PREFIX}{}", parts.join("."));
    }
    let key = without_unit(metric.key.strip_suffix("_total").unwrap_or(metric.key), metric.unit).replace('_', ".");
    if metric.is_own() { key } else { format!("{PREFIX}{key}") }
}

fn without_unit(part: &str, unit: Unit) -> &str {
    let suffix = match unit {
        Unit::Ratio => "_ratio",
        Unit::Seconds => "_seconds",
        Unit::Milliseconds => "_ms",
        Unit::Bytes => "_bytes",
        Unit::Count | Unit::Percent => return part,
    };
    part.strip_suffix(suffix).unwrap_or(part)
}

/// The unit in UCUM. What is counted is an annotation: Prometheus drops it.
pub(super) fn unit(metric: &Metric) -> &'static str {
    match metric.unit {
        Unit::Percent => "%",
        Unit::Ratio => "1",
        Unit::Milliseconds | Unit::Seconds => "s",
        Unit::Bytes => "By",
        Unit::Count => counted(metric.key),
    }
}

/// A value in that unit.
pub(super) fn value(metric: &Metric, value: f64) -> f64 {
    if metric.unit == Unit::Milliseconds { value / 1000.0 } else { value }
}

fn counted(key: &str) -> &'static str {
    const NOUNS: [(&str, &str); 9] = [
        ("session", "{session}"),
        ("connection", "{connection}"),
        ("process", "{process}"),
        ("instance", "{instance}"),
        ("task", "{task}"),
        ("queue", "{task}"),
        ("request", "{request}"),
        ("throttling", "{request}"),
        ("point", "{point}"),
    ];
    NOUNS.iter().find(|(part, _)| key.contains(part)).map_or("{count}", |(_, noun)| noun)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::catalog::{all, find, own};

    #[test]
    fn names_are_dotted_without_units_and_values_in_base_units() {
        for (key, expected, unit_of) in [
            ("proc.queue.pressure_ratio", "kdcube.proc.queue.pressure", "1"),
            ("proc.queue.pressure_ratio.1m", "kdcube.proc.queue.pressure.1m", "1"),
            ("ingress.sse.total_connections", "kdcube.ingress.sse.total_connections", "{connection}"),
            ("proc.queue.wait.p95_ms", "kdcube.proc.queue.wait.p95", "s"),
            ("proc.queue.avg_wait_seconds.paid", "kdcube.proc.queue.avg_wait.paid", "s"),
            ("proc_queue_wait_seconds", "kdcube.proc.queue.wait", "s"),
            ("throttling.rate_limit_429", "kdcube.throttling.rate_limit_429", "{request}"),
        ] {
            let metric = find(key).unwrap();
            assert_eq!((name(metric).as_str(), unit(metric)), (expected, unit_of), "{key}");
        }
        assert_eq!(value(find("proc.exec.p95_ms").unwrap(), 250.0), 0.25);
        let own_name = |key| own::all().find(|metric| metric.key == key).map(name).unwrap();
        assert_eq!(own_name("kdcube_metrics_ticks_total"), "kdcube.metrics.ticks");
        assert_eq!(own_name("process_resident_memory_bytes"), "process.resident.memory");
    }

    #[test]
    fn every_name_is_legal_and_unique() {
        let mut seen = BTreeMap::new();
        for metric in all().chain(own::all()) {
            let name = name(metric);
            let legal = |c: char| c.is_ascii_alphanumeric() || "._".contains(c);
            assert!(name.len() < 256 && name.starts_with(|c: char| c.is_ascii_alphabetic()) && name.chars().all(legal));
            assert_eq!(seen.insert(name.clone(), metric.key), None, "{name}");
        }
    }
}
