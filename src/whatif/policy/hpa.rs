//! `kind: HorizontalPodAutoscaler` (autoscaling/v2) with external metrics.

use serde::Deserialize;
use serde_json::Value;

use super::document::{PolicyDocument, PolicyError};
use super::{AutoscalerPolicy, Signal};
use crate::whatif::autoscalers::behavior::{Behavior, RateChange, RatePolicy, ScalingRules, SelectPolicy};
use crate::whatif::autoscalers::hpa::{HpaPolicy, Target};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Spec {
    #[serde(rename = "scaleTargetRef")]
    _scale_target_ref: Option<Value>,
    min_replicas: Option<u32>,
    max_replicas: u32,
    #[serde(default)]
    metrics: Vec<Metric>,
    #[serde(default)]
    behavior: BehaviorSpec,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Metric {
    #[serde(rename = "type")]
    kind: String,
    external: Option<External>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct External {
    metric: Identifier,
    target: TargetSpec,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Identifier {
    name: String,
    /// There is one tenant and one project.
    #[serde(rename = "selector")]
    _selector: Option<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct TargetSpec {
    #[serde(rename = "type")]
    kind: String,
    value: Option<Value>,
    average_value: Option<Value>,
}

/// `behavior`, here and in a `ScaledObject`.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct BehaviorSpec {
    scale_up: Option<Rules>,
    scale_down: Option<Rules>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Rules {
    stabilization_window_seconds: Option<u16>,
    select_policy: Option<SelectPolicy>,
    policies: Option<Vec<Rate>>,
    tolerance: Option<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Rate {
    #[serde(rename = "type")]
    kind: RateKind,
    value: u32,
    period_seconds: u16,
}

#[derive(Deserialize)]
enum RateKind {
    Pods,
    Percent,
}

pub(super) fn read(document: &PolicyDocument<'_>) -> Result<(AutoscalerPolicy, Vec<Signal>), PolicyError> {
    let spec: Spec = document.part("spec")?;
    let (min, max) = document.bounds(
        "spec.minReplicas and maxReplicas",
        spec.min_replicas.unwrap_or(1).max(1),
        spec.max_replicas,
    )?;
    let metrics = spec.metrics.iter().enumerate().map(|(index, metric)| one(document, index, metric));
    let (targets, signals) = metrics.collect::<Result<Vec<_>, PolicyError>>()?.into_iter().unzip();
    let behavior = spec.behavior.read(document, "spec.behavior")?;
    Ok((AutoscalerPolicy::Hpa(HpaPolicy { min, max, targets, behavior }), signals))
}

fn one(document: &PolicyDocument<'_>, index: usize, metric: &Metric) -> Result<(Target, Signal), PolicyError> {
    let field = |name: &str| format!("spec.metrics[{index}].{name}");
    let Some(external) = metric.external.as_ref().filter(|_| metric.kind == "External") else {
        return Err(document.error(&field("type"), &format!("{} is not simulated", metric.kind), "External"));
    };
    let signal = document.signal(&field("external.metric.name"), &external.metric.name)?;
    let target = &external.target;
    let (name, value): (&str, &Option<Value>) = match target.kind.as_str() {
        "Value" => ("external.target.value", &target.value),
        "AverageValue" => ("external.target.averageValue", &target.average_value),
        other => {
            return Err(document.error(&field("external.target.type"), other, "Value or AverageValue"));
        }
    };
    let value = quantity(document, &field(name), value.as_ref())?;
    let value = document.positive(&field(name), value)?;
    Ok((if target.kind == "Value" { Target::Value(value) } else { Target::AverageValue(value) }, signal))
}

/// The suffixes of Kubernetes' quantities that a signal can have.
const UNITS: [(&str, f64); 3] = [("m", 1e-3), ("k", 1e3), ("M", 1e6)];

/// A Kubernetes quantity: a number, or a text such as `400m`, `5k` or `0.4`.
pub(super) fn quantity(document: &PolicyDocument<'_>, field: &str, value: Option<&Value>) -> Result<f64, PolicyError> {
    let number = match value {
        Some(Value::Number(number)) => number.as_f64(),
        Some(Value::String(text)) => {
            let text = text.trim();
            let scaled = |(unit, factor)| Some((text.strip_suffix(unit)?, factor));
            let (digits, factor) = UNITS.into_iter().find_map(scaled).unwrap_or((text, 1.0));
            digits.parse::<f64>().ok().map(|number| number * factor)
        }
        _ => None,
    };
    let found = || value.map_or_else(|| "is missing".to_owned(), |value| format!("{value} is no quantity"));
    number
        .filter(|number| number.is_finite())
        .ok_or_else(|| document.error(field, &found(), "a quantity such as 5, 0.4 or 400m"))
}

impl BehaviorSpec {
    pub(super) fn read(self, document: &PolicyDocument<'_>, field: &str) -> Result<Behavior, PolicyError> {
        let default = Behavior::default();
        Ok(Behavior {
            up: rules(document, &format!("{field}.scaleUp"), self.scale_up, default.up)?,
            down: rules(document, &format!("{field}.scaleDown"), self.scale_down, default.down)?,
        })
    }
}

fn rules(
    document: &PolicyDocument<'_>,
    field: &str,
    rules: Option<Rules>,
    default: ScalingRules,
) -> Result<ScalingRules, PolicyError> {
    let Some(rules) = rules else { return Ok(default) };
    let tolerance = match &rules.tolerance {
        None => default.tolerance,
        some => quantity(document, &format!("{field}.tolerance"), some.as_ref())?,
    };
    let rates = rules.policies.map(|rates| rates.into_iter().map(rate).collect());
    Ok(ScalingRules {
        stabilization: rules.stabilization_window_seconds.map_or(default.stabilization, f64::from),
        select: rules.select_policy.unwrap_or(default.select),
        policies: rates.unwrap_or(default.policies),
        tolerance,
    })
}

fn rate(rate: Rate) -> RatePolicy {
    let change = match rate.kind {
        RateKind::Pods => RateChange::Pods(rate.value),
        RateKind::Percent => RateChange::Percent(rate.value),
    };
    RatePolicy { change, period: f64::from(rate.period_seconds) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::facts::Component;
    use crate::whatif::policy::Policy;

    const MANIFEST: &str = "
kind: HorizontalPodAutoscaler
spec:
  scaleTargetRef: {name: proc}
  minReplicas: 2
  maxReplicas: 50
  metrics:
    - type: External
      external: {metric: {name: kdcube_proc_queue_pressure_ratio}, target: {type: Value, value: 400m}}
    - {type: External, external: {metric: {name: kdcube_proc_replicas_desired}, target: {type: AverageValue, averageValue: 1}}}
  behavior:
    scaleDown:
      stabilizationWindowSeconds: 60
      selectPolicy: Min
      policies: [{type: Percent, value: 20, periodSeconds: 60}]
";

    #[test]
    fn a_manifest_is_read_with_the_defaults_of_the_api() {
        let policy = Policy::parse(MANIFEST, "p.yaml", "p").unwrap();
        assert_eq!(
            policy.signals.iter().map(|s| s.key()).collect::<Vec<_>>(),
            ["proc.queue.pressure_ratio", "proc.replicas.desired"]
        );
        assert_eq!((policy.component, policy.bounds()), (Component::Proc, (2, 50)));
        let AutoscalerPolicy::Hpa(hpa) = policy.autoscaler else { panic!() };
        assert_eq!(hpa.targets, [Target::Value(0.4), Target::AverageValue(1.0)]);
        assert_eq!(hpa.behavior.up, Behavior::default().up);
        let policies = vec![RatePolicy { change: RateChange::Percent(20), period: 60.0 }];
        let down = ScalingRules { stabilization: 60.0, select: SelectPolicy::Min, policies, tolerance: 0.1 };
        assert_eq!(hpa.behavior.down, down);
    }

    /// What is replaced by what in the manifest, and the beginning of the error.
    const WRONG: [(&str, &str, &str); 12] = [
        ("maxReplicas: 50", "maxReplicas: 1", "spec.minReplicas and maxReplicas: 2 and 1; accepted: a maximum of 1"),
        ("maxReplicas: 50", "maxReplicas: many", "spec.maxReplicas: invalid type: string \"many\", expected u32"),
        ("  maxReplicas: 50\n", "", "spec: missing field `maxReplicas`"),
        ("minReplicas", "minReplica", "spec.minReplica: unknown field `minReplica`, expected one of `scaleTargetRef`"),
        (
            "queue_pressure_ratio",
            "cpu",
            "spec.metrics[0].external.metric.name: no signal is called \"kdcube_proc_cpu\"; accepted",
        ),
        (
            "value: 400m",
            "value: much",
            "spec.metrics[0].external.target.value: \"much\" is no quantity; accepted: a quantity",
        ),
        (
            "value: 400m",
            "value: 0",
            "spec.metrics[0].external.target.value: 0 is not above 0; accepted: a number above 0",
        ),
        (", value: 400m", "", "spec.metrics[0].external.target.value: is missing; accepted: a quantity"),
        (
            "type: Value",
            "type: Utilization",
            "spec.metrics[0].external.target.type: Utilization; accepted: Value or AverageValue",
        ),
        ("type: External\n", "type: Resource\n", "spec.metrics[0].type: Resource is not simulated; accepted: External"),
        ("selectPolicy: Min", "selectPolicy: Most", "spec.behavior.scaleDown.selectPolicy: unknown variant `Most`"),
        (
            "kdcube_proc_replicas_desired",
            "kdcube_ingress_replicas_desired",
            "reads proc.queue.pressure_ratio and ingress.replicas.desired, which",
        ),
    ];

    #[test]
    fn what_is_wrong_is_named_with_its_field() {
        for (from, to, expected) in WRONG {
            assert!(MANIFEST.contains(from), "{from}");
            let error = Policy::parse(&MANIFEST.replacen(from, to, 1), "p.yaml", "p").unwrap_err().to_string();
            assert!(error.starts_with(&format!("p.yaml: {expected}")) && !error.contains('\n'), "{error}");
        }
    }

    #[test]
    fn quantities_are_those_of_kubernetes() {
        let document = PolicyDocument::parse("a: 1", "p").unwrap();
        for (text, expected) in
            [("\"400m\"", 0.4), ("5000", 5000.0), ("\"5k\"", 5000.0), ("\" 1.5 \"", 1.5), ("\"2M\"", 2e6)]
        {
            let value: Value = serde_json::from_str(text).unwrap();
            assert_eq!(quantity(&document, "f", Some(&value)), Ok(expected), "{text}");
        }
        for text in ["", "m", "700mé", "é", "5 k", "1e999", "400mm"] {
            assert!(quantity(&document, "f", Some(&Value::from(text))).is_err(), "{text:?}");
        }
    }
}
