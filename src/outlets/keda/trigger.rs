//! A trigger's metadata: which metric it wants, against which target, and from when on its workload is active.

use std::collections::HashMap;

use tonic::{Code, Status};

use crate::base::text::quoted;
use crate::catalog::{self, Metric};

/// What follows a key whose value KEDA resolved from the workload's environment.
const FROM_ENVIRONMENT: &str = "FromEnv";

/// A valid trigger.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Trigger {
    pub(super) metric: &'static Metric,
    /// The HPA keeps the metric's value for each replica near it; above 0.
    pub(super) target: f64,
    /// The workload is active above it.
    pub(super) activation: f64,
    /// Whose numbers it must be, where the trigger says so.
    pub(super) tenant: Option<String>,
    pub(super) project: Option<String>,
}

/// What is wrong with the metadata.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub(super) enum TriggerError {
    #[error("the metadata has no `metric`: give the key of a metric, such as proc.queue.total")]
    NoMetric,
    #[error("unknown metric `{}`{}", quoted(.name), nearest(.name))]
    UnknownMetric { name: String },
    #[error("the metric `{key}` is several series, and a trigger needs one number: take a metric with a dotted key")]
    Family { key: &'static str },
    #[error("the metadata has no `target`: the value for each replica that the HPA aims at")]
    NoTarget,
    #[error("`{key}` \"{}\": {accepted}", quoted(.text))]
    Number { key: &'static str, text: String, accepted: &'static str },
}

fn nearest(name: &str) -> String {
    catalog::nearest_scalar(name).map(|key| format!("; did you mean `{key}`?")).unwrap_or_default()
}

impl From<TriggerError> for Status {
    fn from(error: TriggerError) -> Self {
        let code = match error {
            TriggerError::UnknownMetric { .. } => Code::NotFound,
            _ => Code::InvalidArgument,
        };
        Self::new(code, error.to_string())
    }
}

impl Trigger {
    /// Reads the metadata. Keys that are KEDA's own, or anybody else's, are left alone.
    pub(super) fn parse(metadata: &HashMap<String, String>) -> Result<Self, TriggerError> {
        let name = value(metadata, "metric").ok_or(TriggerError::NoMetric)?;
        let metric = catalog::find(name).ok_or_else(|| TriggerError::UnknownMetric { name: name.to_owned() })?;
        if !metric.is_scalar() {
            return Err(TriggerError::Family { key: metric.key });
        }
        let target = number(metadata, "target", "a number above 0 is accepted", |target| target > 0.0)?;
        let activation =
            number(metadata, "activationTarget", "a number, 0 or above, is accepted", |activation| activation >= 0.0)?;
        let owned = |key| value(metadata, key).map(str::to_owned);
        Ok(Self {
            metric,
            target: target.ok_or(TriggerError::NoTarget)?,
            activation: activation.unwrap_or(0.0),
            tenant: owned("tenant"),
            project: owned("project"),
        })
    }

    /// The metric's name in the HPA. KEDA replaces some characters; here are none of them.
    pub(super) fn name(&self) -> String {
        self.metric.key.replace('.', "-")
    }
}

/// A value without whitespace around it; an empty one is none.
fn value<'a>(metadata: &'a HashMap<String, String>, key: &str) -> Option<&'a str> {
    let given = metadata.get(key).or_else(|| metadata.get(&format!("{key}{FROM_ENVIRONMENT}")));
    given.map(|text| text.trim()).filter(|text| !text.is_empty())
}

fn number(
    metadata: &HashMap<String, String>,
    key: &'static str,
    accepted: &'static str,
    is_valid: impl Fn(f64) -> bool,
) -> Result<Option<f64>, TriggerError> {
    /// KEDA and the HPA count in thousandths, in 64 bits.
    const LARGEST: f64 = 1e15;
    let Some(text) = value(metadata, key) else { return Ok(None) };
    let number = text.parse().ok().filter(|number| (-LARGEST..=LARGEST).contains(number) && is_valid(*number));
    number.map(Some).ok_or_else(|| TriggerError::Number { key, text: text.to_owned(), accepted })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(metadata: &[(&str, &str)]) -> Result<Trigger, TriggerError> {
        Trigger::parse(&metadata.iter().map(|(key, text)| ((*key).to_owned(), (*text).to_owned())).collect())
    }

    #[test]
    fn a_metric_and_a_target_are_all_that_is_needed() {
        let trigger = parse(&[("metric", "proc.queue.depth"), ("target", "2.5"), ("scalerAddress", "x:9666")]).unwrap();
        assert_eq!((trigger.metric.key, trigger.target, trigger.activation), ("proc.queue.total", 2.5, 0.0));
        assert_eq!((trigger.name().as_str(), trigger.tenant), ("proc-queue-total", None));
    }

    #[test]
    fn values_of_the_workloads_environment_are_read_too() {
        let given =
            [("metricFromEnv", " proc.queue.total "), ("target", "3"), ("tenantFromEnv", "acme"), ("project", " ")];
        let trigger = parse(&given).unwrap();
        assert_eq!((trigger.metric.key, trigger.tenant.as_deref()), ("proc.queue.total", Some("acme")));
        assert_eq!(trigger.project, None, "an empty value is none");
    }

    #[test]
    fn what_is_wrong_is_named_with_what_is_accepted() {
        const METRIC: (&str, &str) = ("metric", "proc.queue.total");
        for (metadata, code, part) in [
            (&[][..], Code::InvalidArgument, "has no `metric`"),
            (&[METRIC], Code::InvalidArgument, "has no `target`"),
            (&[("metric", "proc.queue.totl"), ("target", "1")], Code::NotFound, "did you mean `proc.queue.total`?"),
            (&[("metric", "proc_queue_depth"), ("target", "1")], Code::InvalidArgument, "several series"),
            (&[METRIC, ("target", "0")], Code::InvalidArgument, "`target` \"0\": a number above 0 is accepted"),
            (&[METRIC, ("target", "-1")], Code::InvalidArgument, "above 0"),
            (&[METRIC, ("target", "NaN")], Code::InvalidArgument, "above 0"),
            (&[METRIC, ("target", "inf")], Code::InvalidArgument, "above 0"),
            (&[METRIC, ("target", "1e300")], Code::InvalidArgument, "above 0"),
            (&[METRIC, ("target", "five")], Code::InvalidArgument, "\"five\""),
            (
                &[METRIC, ("target", "1"), ("activationTarget", "-1")],
                Code::InvalidArgument,
                "`activationTarget` \"-1\"",
            ),
        ] {
            let status = Status::from(parse(metadata).unwrap_err());
            assert!(status.code() == code && status.message().contains(part), "{metadata:?}: {status}");
        }
    }

    #[test]
    fn every_metric_has_a_name_that_keda_leaves_as_it_is() {
        for metric in catalog::all().filter(|metric| metric.is_scalar()) {
            let name = parse(&[("metric", metric.key), ("target", "1")]).unwrap().name();
            assert!(name.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c)), "{name}");
        }
    }

    proptest! {
        #[test]
        fn no_metadata_panics_and_every_accepted_number_is_finite(
            metric in prop_oneof![Just("proc.queue.total".to_owned()), ".{0,80}"],
            target in prop_oneof![any::<f64>().prop_map(|number| number.to_string()), ".{0,20}"],
            activation in prop_oneof![any::<f64>().prop_map(|number| number.to_string()), ".{0,20}"],
        ) {
            match parse(&[("metric", &metric), ("target", &target), ("activationTarget", &activation)]) {
                Ok(trigger) => prop_assert!(trigger.target > 0.0 && trigger.target.is_finite() && trigger.activation >= 0.0),
                Err(error) => prop_assert!(!error.to_string().contains('\n') && error.to_string().len() < 500),
            }
        }
    }
}
