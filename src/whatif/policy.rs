//! A policy file: the autoscaler's own document, as it is deployed.
//!
//! `kind: HorizontalPodAutoscaler` and `kind: ScaledObject` are Kubernetes manifests; a mapping with `ScalingPolicies` holds the
//! documents of Application Auto Scaling.

mod document;
mod ecs;
mod hpa;
mod keda;

use serde_json::Value;

use self::document::PolicyDocument;
use super::autoscalers::ecs::EcsPolicy;
use super::autoscalers::hpa::HpaPolicy;
use super::autoscalers::keda::KedaPolicy;
use super::signals::Signal;
use crate::platform::facts::Component;

pub use self::document::PolicyError;

/// A policy to simulate.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    pub name: String,
    /// What it scales: what its signals measure.
    pub component: Component,
    /// What it reads, in the order of its own metrics.
    pub signals: Vec<Signal>,
    pub autoscaler: AutoscalerPolicy,
}

#[derive(Debug, Clone, PartialEq)]
pub enum AutoscalerPolicy {
    Hpa(HpaPolicy),
    Keda(KedaPolicy),
    Ecs(EcsPolicy),
}

impl Policy {
    /// Reads a policy file. `file` names it in errors, `name` in reports.
    ///
    /// # Errors
    /// The first thing that is wrong: the field, what it holds, what is accepted.
    pub fn parse(text: &str, file: &str, name: &str) -> Result<Self, PolicyError> {
        let document = PolicyDocument::parse(text, file)?;
        let (autoscaler, signals) = match document.value.get("kind").and_then(Value::as_str) {
            Some("HorizontalPodAutoscaler") => hpa::read(&document)?,
            Some("ScaledObject") => keda::read(&document)?,
            None if document.value.get("ScalingPolicies").is_some() => ecs::read(&document)?,
            _ => return Err(document.error("kind", "is not that of a policy", ACCEPTED)),
        };
        let component = component(&signals).map_err(|problem| document.error("", &problem, ONE_COMPONENT))?;
        Ok(Self { name: name.to_owned(), component, signals, autoscaler })
    }

    /// The least and the greatest count.
    #[must_use]
    pub const fn bounds(&self) -> (u32, u32) {
        match &self.autoscaler {
            AutoscalerPolicy::Hpa(hpa) => (hpa.min, hpa.max),
            AutoscalerPolicy::Keda(keda) => (keda.min, keda.hpa.max),
            AutoscalerPolicy::Ecs(ecs) => (ecs.min, ecs.max),
        }
    }
}

const ACCEPTED: &str =
    "kind: HorizontalPodAutoscaler, kind: ScaledObject, or a mapping with ScalableTarget and ScalingPolicies";
const ONE_COMPONENT: &str = "signals of ingress or of proc";

fn component(signals: &[Signal]) -> Result<Component, String> {
    let Some(first) = signals.first() else { return Err("reads no metric".to_owned()) };
    match signals.iter().find(|signal| signal.component() != first.component()) {
        Some(other) => Err(format!("reads {} and {}, which measure different components", first.key(), other.key())),
        None => Ok(first.component()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        Policy::parse(text, "p.yaml", "p").unwrap_err().to_string()
    }

    #[test]
    fn a_file_that_is_no_policy_is_one_line() {
        for (text, expected) in [
            ("", "p.yaml: expected a mapping, got null; accepted: kind: HorizontalPodAutoscaler, "),
            ("[1]", "p.yaml: expected a mapping, got a list; accepted: "),
            ("a: [", "p.yaml: is not YAML (line 1, column "),
            ("kind: Deployment", "p.yaml: kind: is not that of a policy; accepted: kind: HorizontalPodAutoscaler, "),
            ("ScalingPolicies: []\nScalableTarget: {MinCapacity: 1, MaxCapacity: 2}", "p.yaml: reads no metric; "),
        ] {
            let error = error(text);
            assert!(error.starts_with(expected) && !error.contains(char::is_control), "{error}");
        }
    }

    #[test]
    fn names_in_a_file_end_no_line() {
        let step = "{\"a\\tb\\n\\0\": 1, ScalingAdjustment: 1}";
        let steps = format!("{{AdjustmentType: ChangeInCapacity, Cooldown: 1, StepAdjustments: [{step}]}}");
        let policies = format!("[{{PolicyType: StepScaling, StepScalingPolicyConfiguration: {steps}}}]");
        let policy = format!("{{ScalableTarget: {{MinCapacity: 1, MaxCapacity: 2}}, ScalingPolicies: {policies}}}");
        let error = error(&policy);
        assert!(error.contains("a\u{fffd}b") && !error.contains(char::is_control), "{error}");
    }
}
