//! `kind: ScaledObject` with triggers that read this server: `metrics-api`, `prometheus` with a bare metric name, `external` and
//! `external-push`, whose stream of activity is taken for another poll.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::document::{PolicyDocument, PolicyError};
use super::hpa::{BehaviorSpec, quantity};
use super::{AutoscalerPolicy, Signal};
use crate::platform::facts::Component;
use crate::whatif::autoscalers::hpa::{HpaPolicy, Target};
use crate::whatif::autoscalers::keda::{Activation, KedaPolicy};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Spec {
    #[serde(rename = "scaleTargetRef")]
    _scale_target_ref: Option<Value>,
    /// Nothing fails in the simulation.
    #[serde(rename = "fallback")]
    _fallback: Option<Value>,
    polling_interval: Option<u16>,
    cooldown_period: Option<u32>,
    min_replica_count: Option<u32>,
    max_replica_count: Option<u32>,
    #[serde(default)]
    advanced: Advanced,
    triggers: Vec<Trigger>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Advanced {
    #[serde(rename = "restoreToOriginalReplicaCount")]
    _restore: Option<bool>,
    #[serde(default)]
    horizontal_pod_autoscaler_config: HpaConfig,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct HpaConfig {
    #[serde(rename = "name")]
    _name: Option<String>,
    #[serde(default)]
    behavior: BehaviorSpec,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Trigger {
    #[serde(rename = "type")]
    kind: String,
    #[serde(rename = "name")]
    _name: Option<String>,
    metric_type: Option<MetricType>,
    #[serde(rename = "useCachedMetrics")]
    _use_cached_metrics: Option<bool>,
    #[serde(rename = "authenticationRef")]
    _authentication_ref: Option<Value>,
    metadata: Map<String, Value>,
}

#[derive(Clone, Copy, Deserialize)]
enum MetricType {
    AverageValue,
    Value,
}

/// Where a kind of trigger has its metric, target and activation.
const KINDS: [(&str, [&str; 3]); 4] = [
    ("external", ["metric", "target", "activationTarget"]),
    ("external-push", ["metric", "target", "activationTarget"]),
    ("metrics-api", ["valueLocation", "targetValue", "activationTargetValue"]),
    ("prometheus", ["query", "threshold", "activationThreshold"]),
];

pub(super) fn read(document: &PolicyDocument<'_>) -> Result<(AutoscalerPolicy, Vec<Signal>), PolicyError> {
    let spec: Spec = document.part("spec")?;
    let (min, max) = (spec.min_replica_count.unwrap_or(0), spec.max_replica_count.unwrap_or(100));
    let (min, max) = document.bounds("spec.minReplicaCount and maxReplicaCount", min, max)?;
    let triggers = spec.triggers.iter().enumerate().map(|(index, trigger)| one(document, index, trigger));
    let triggers = triggers.collect::<Result<Vec<(Target, f64, Signal)>, PolicyError>>()?;
    let targets = triggers.iter().map(|(target, _, _)| *target).collect();
    let mut signals: Vec<Signal> = triggers.iter().map(|(_, _, signal)| *signal).collect();
    // The external scaler's activity of processors is of tasks that wait or run, whatever the metric.
    let queue = document.signal("spec.triggers", "proc.queue.total")?;
    let mut activations = Vec::new();
    for (index, (trigger, (_, above, signal))) in spec.triggers.iter().zip(&triggers).enumerate() {
        let is_by_queue = trigger.kind.starts_with("external") && signal.component() == Component::Proc;
        let value = if is_by_queue { signals.len() } else { index };
        if is_by_queue {
            signals.push(queue);
        }
        activations.push(Activation { value, above: *above });
    }
    let field = "spec.advanced.horizontalPodAutoscalerConfig.behavior";
    let behavior = spec.advanced.horizontal_pod_autoscaler_config.behavior.read(document, field)?;
    let policy = KedaPolicy {
        min,
        hpa: HpaPolicy { min: min.max(1), max, targets, behavior },
        activations,
        polling: document.positive("spec.pollingInterval", f64::from(spec.polling_interval.unwrap_or(30)))?,
        cooldown: f64::from(spec.cooldown_period.unwrap_or(300)),
    };
    Ok((AutoscalerPolicy::Keda(policy), signals))
}

fn one(document: &PolicyDocument<'_>, index: usize, trigger: &Trigger) -> Result<(Target, f64, Signal), PolicyError> {
    let at = format!("spec.triggers[{index}]");
    let Some((_, [metric, target, activation])) = KINDS.iter().find(|(kind, _)| *kind == trigger.kind) else {
        let problem = format!("{} is not simulated", trigger.kind);
        return Err(document.error(
            &format!("{at}.type"),
            &problem,
            "metrics-api, prometheus, external or external-push",
        ));
    };
    let field = |name: &str| format!("{at}.metadata.{name}");
    let name = trigger.metadata.get(*metric).and_then(Value::as_str).unwrap_or_default();
    let signal = document.signal(&field(metric), name)?;
    let value = quantity(document, &field(target), trigger.metadata.get(*target))?;
    let value = document.positive(&field(target), value)?;
    let activation = match trigger.metadata.get(*activation) {
        None => 0.0,
        some => quantity(document, &field(activation), some)?,
    };
    let target = match trigger.metric_type.unwrap_or(MetricType::AverageValue) {
        MetricType::AverageValue => Target::AverageValue(value),
        MetricType::Value => Target::Value(value),
    };
    Ok((target, activation, signal))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::whatif::policy::Policy;

    const MANIFEST: &str = "
kind: ScaledObject
spec:
  scaleTargetRef: {name: proc}
  cooldownPeriod: 120
  maxReplicaCount: 20
  triggers:
    - type: metrics-api
      metricType: Value
      metadata: {url: http://x, valueLocation: proc.queue.pressure_ratio, targetValue: \"0.4\"}
    - {type: prometheus, metadata: {query: kdcube_proc_replicas_desired, threshold: \"1\", activationThreshold: \"0.5\"}}
";

    #[test]
    fn a_scaled_object_is_read_with_kedas_defaults() {
        let policy = Policy::parse(MANIFEST, "p.yaml", "p").unwrap();
        assert_eq!(policy.bounds(), (0, 20));
        let AutoscalerPolicy::Keda(keda) = policy.autoscaler else { panic!() };
        assert_eq!((keda.min, keda.polling, keda.cooldown), (0, 30.0, 120.0));
        assert_eq!(keda.activations, [Activation { value: 0, above: 0.0 }, Activation { value: 1, above: 0.5 }]);
        assert_eq!((keda.hpa.min, keda.hpa.targets), (1, vec![Target::Value(0.4), Target::AverageValue(1.0)]));
    }

    #[test]
    fn an_external_trigger_is_active_by_the_queue_of_its_component() {
        let trigger =
            |metric| format!("{{type: external, metadata: {{metric: {metric}, target: 1, activationTarget: 2}}}}");
        let triggers = [trigger("proc.replicas.desired"), trigger("proc.queue.waiting")].join(", ");
        let policy =
            Policy::parse(&format!("{{kind: ScaledObject, spec: {{triggers: [{triggers}]}}}}"), "p", "p").unwrap();
        let keys: Vec<&str> = policy.signals.iter().map(|signal| signal.key()).collect();
        assert_eq!(keys, ["proc.replicas.desired", "proc.queue.waiting", "proc.queue.total", "proc.queue.total"]);
        let AutoscalerPolicy::Keda(keda) = policy.autoscaler else { panic!() };
        assert_eq!(keda.activations, [Activation { value: 2, above: 2.0 }, Activation { value: 3, above: 2.0 }]);
        assert_eq!(keda.hpa.targets.len(), 2);
    }

    #[test]
    fn what_is_wrong_is_named_with_its_field() {
        for (from, to, expected) in [
            (
                "metrics-api",
                "cron",
                "spec.triggers[0].type: cron is not simulated; accepted: metrics-api, prometheus, external or ",
            ),
            ("queue.pressure", "x", "spec.triggers[0].metadata.valueLocation: no signal is called \"proc.x_ratio\"; "),
            ("targetValue", "target", "spec.triggers[0].metadata.targetValue: is missing; accepted: a quantity"),
            ("cooldownPeriod: 120", "idleReplicaCount: 0", "spec.idleReplicaCount: unknown field `idleReplicaCount`"),
            (
                "maxReplicaCount: 20",
                "maxReplicaCount: 0",
                "spec.minReplicaCount and maxReplicaCount: 0 and 0; accepted",
            ),
            ("cooldownPeriod: 120", "pollingInterval: 0", "spec.pollingInterval: 0 is not above 0"),
        ] {
            assert!(MANIFEST.contains(from), "{from}");
            let error = Policy::parse(&MANIFEST.replacen(from, to, 1), "p.yaml", "p").unwrap_err().to_string();
            assert!(error.starts_with(&format!("p.yaml: {expected}")), "{error}");
        }
    }
}
