//! A metric's names in each outlet, and what to copy into a query or a manifest.

use serde::Serialize;
use utoipa::ToSchema;

use crate::catalog::Metric;
use crate::outlets::names::{Mapping, signals_path};

/// The names in force, the mapping applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct MetricNames {
    pub prometheus: Vec<String>,
    pub cloudwatch: String,
    pub cloudwatch_unit: &'static str,
    /// Whether CloudWatch gets it unless `METRICS_CLOUDWATCH_INCLUDE` says otherwise.
    pub cloudwatch_default: bool,
    /// The path in `/api/v1/signals`.
    pub signals: String,
}

/// What to copy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Snippets {
    pub promql: String,
    pub cloudwatch: String,
    pub keda: String,
}

impl MetricNames {
    pub(super) fn of(metric: &'static Metric, mapping: &Mapping) -> Self {
        let (cloudwatch, cloudwatch_unit) = mapping.cloudwatch(metric);
        Self {
            prometheus: mapping.prometheus_names(metric).map(str::to_owned).collect(),
            cloudwatch: cloudwatch.to_owned(),
            cloudwatch_unit,
            cloudwatch_default: metric.cloudwatch_default,
            signals: in_signals(metric),
        }
    }
}

fn in_signals(metric: &'static Metric) -> String {
    if metric.is_scalar() { signals_path(metric.key).join(".") } else { format!("families.{}", metric.key) }
}

impl Snippets {
    pub(super) fn of(metric: &'static Metric, mapping: &Mapping) -> Self {
        let (cloudwatch, _) = mapping.cloudwatch(metric);
        let name = mapping.prometheus_names(metric).next().unwrap_or(metric.key);
        // Replicas export the same value.
        let promql = match metric.labels {
            [] => format!("max({name})"),
            labels => format!("max by ({}) ({name})", labels.join(", ")),
        };
        let labels: String = metric.labels.iter().map(|label| format!(".{label}")).collect();
        let location = format!("{}{labels}", in_signals(metric));
        Self {
            promql,
            cloudwatch: format!(
                "aws cloudwatch get-metric-statistics --namespace \"$METRICS_CLOUDWATCH_NAMESPACE\" \
                 --metric-name \"{cloudwatch}\" --statistics Average --period 60 --start-time … --end-time …"
            ),
            keda: format!(
                "- type: metrics-api\n  metadata:\n    url: http://kdcube-metrics:8090/api/v1/signals\n    \
                 valueLocation: {location}\n    targetValue: \"…\""
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::find;
    use crate::outlets::names::Naming;

    #[test]
    fn names_are_those_of_the_mapping() {
        let mapping = Mapping::parse(r#"{"proc.queue.total": "acme.queue"}"#, Naming::Both).unwrap();
        let names = MetricNames::of(find("proc.queue.total").unwrap(), &mapping);
        assert_eq!(names.prometheus, ["acme_queue", "kdcube_acme_queue"]);
        assert_eq!((names.cloudwatch.as_str(), names.signals.as_str()), ("acme/queue", "proc.queue.total"));
        assert_eq!(Snippets::of(find("proc.queue.total").unwrap(), &mapping).promql, "max(acme_queue)");
    }

    #[test]
    fn a_family_is_queried_by_its_labels() {
        let snippets = Snippets::of(find("proc_queue_depth").unwrap(), &Mapping::default());
        assert_eq!(snippets.promql, "max by (role) (kdcube_proc_queue_depth)");
        assert!(snippets.keda.contains("valueLocation: families.proc_queue_depth.role"), "{}", snippets.keda);
    }
}
