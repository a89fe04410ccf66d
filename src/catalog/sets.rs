//! Named sets of metrics, for settings that choose metrics.

use super::{Metric, all};

/// The signals that an autoscaler acts on, and the number of replicas that follows from them.
const SCALING: &[&str] = &[
    "proc.replicas.desired",
    "proc.replicas.missing",
    "proc.load_ratio",
    "proc.queue.oldest_wait_seconds",
    "proc.drain_seconds",
    "proc.arrivals_per_second",
    "ingress.replicas.desired",
    "ingress.replicas.missing",
];

/// The names that [`set`] knows, for documents and errors.
pub const SETS: [&str; 2] = ["@default", "@scaling"];

/// The metrics of a set, in catalog order: `@default`, what CloudWatch gets where nothing is chosen, and `@scaling`.
#[must_use]
pub fn set(name: &str) -> Option<Vec<&'static Metric>> {
    match name {
        "@default" => Some(all().filter(|metric| metric.cloudwatch_default).collect()),
        "@scaling" => Some(all().filter(|metric| SCALING.contains(&metric.key)).collect()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_a_set_of_scalars_and_every_key_a_metric() {
        for name in SETS {
            let metrics = set(name).unwrap();
            assert!(!metrics.is_empty() && metrics.iter().all(|metric| metric.is_scalar()), "{name}");
        }
        assert_eq!(set("@scaling").unwrap().len(), SCALING.len());
        assert_eq!(set("scaling"), None);
    }
}
