//! Application Auto Scaling of an ECS service: the documents of `register-scalable-target`, `put-scaling-policy` and
//! `put-metric-alarm` under `ScalableTarget`, `ScalingPolicies` and, of a step policy, `Alarm`.

use serde::Deserialize;

use super::document::{PolicyDocument, PolicyError};
use super::{AutoscalerPolicy, Signal};
use crate::whatif::autoscalers::alarm::{AlarmPolicy, Comparison, Statistic};
use crate::whatif::autoscalers::ecs::{EcsPolicy, ScalingPolicy};
use crate::whatif::autoscalers::step_scaling::{AdjustmentKind, Step, StepPolicy};
use crate::whatif::autoscalers::target_tracking::TargetTrackingPolicy;

/// Application Auto Scaling's default for ECS services.
const COOLDOWN: u32 = 300;

// Names, ARNs and dimensions of these documents say where something is, and change nothing here.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ScalableTarget {
    min_capacity: u32,
    max_capacity: u32,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PolicySpec {
    target_tracking_scaling_policy_configuration: Option<Tracking>,
    step_scaling_policy_configuration: Option<Stepping>,
    alarm: Option<AlarmSpec>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Tracking {
    target_value: f64,
    customized_metric_specification: MetricSpec,
    scale_out_cooldown: Option<u32>,
    scale_in_cooldown: Option<u32>,
    #[serde(default)]
    disable_scale_in: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct MetricSpec {
    metric_name: String,
    statistic: Statistic,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Stepping {
    adjustment_type: AdjustmentKind,
    step_adjustments: Vec<Step>,
    min_adjustment_magnitude: Option<u32>,
    cooldown: Option<u32>,
    /// The alarm's own statistic is what the steps see.
    #[serde(rename = "MetricAggregationType")]
    _metric_aggregation_type: Option<Statistic>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct AlarmSpec {
    metric_name: String,
    statistic: Statistic,
    period: u32,
    evaluation_periods: usize,
    datapoints_to_alarm: Option<usize>,
    threshold: f64,
    comparison_operator: Comparison,
}

pub(super) fn read(document: &PolicyDocument<'_>) -> Result<(AutoscalerPolicy, Vec<Signal>), PolicyError> {
    let target: ScalableTarget = document.part("ScalableTarget")?;
    let fields = "ScalableTarget.MinCapacity and MaxCapacity";
    let (min, max) = document.bounds(fields, target.min_capacity, target.max_capacity)?;
    let specs: Vec<PolicySpec> = document.part("ScalingPolicies")?;
    let policies = specs.into_iter().enumerate().map(|(index, spec)| one(document, index, spec));
    let (policies, signals) = policies.collect::<Result<Vec<_>, PolicyError>>()?.into_iter().unzip();
    Ok((AutoscalerPolicy::Ecs(EcsPolicy { min, max, policies }), signals))
}

fn one(document: &PolicyDocument<'_>, index: usize, spec: PolicySpec) -> Result<(ScalingPolicy, Signal), PolicyError> {
    let at = format!("ScalingPolicies[{index}]");
    match (spec.target_tracking_scaling_policy_configuration, spec.step_scaling_policy_configuration, spec.alarm) {
        (Some(tracking), None, None) => target_tracking(document, &at, &tracking),
        (None, Some(stepping), Some(alarm)) => step(document, &at, &stepping, &alarm),
        (None, Some(_), None) => {
            Err(document.error(&format!("{at}.Alarm"), "is missing", "the alarm that starts the steps"))
        }
        _ => {
            let accepted = "TargetTrackingScalingPolicyConfiguration, or StepScalingPolicyConfiguration with Alarm";
            Err(document.error(&at, "holds not exactly one policy", accepted))
        }
    }
}

fn target_tracking(
    document: &PolicyDocument<'_>,
    at: &str,
    tracking: &Tracking,
) -> Result<(ScalingPolicy, Signal), PolicyError> {
    let field = |name: &str| format!("{at}.TargetTrackingScalingPolicyConfiguration.{name}");
    let metric = &tracking.customized_metric_specification;
    let signal = document.signal(&field("CustomizedMetricSpecification.MetricName"), &metric.metric_name)?;
    let policy = TargetTrackingPolicy {
        target: document.positive(&field("TargetValue"), tracking.target_value)?,
        statistic: metric.statistic,
        out_cooldown: f64::from(tracking.scale_out_cooldown.unwrap_or(COOLDOWN)),
        in_cooldown: f64::from(tracking.scale_in_cooldown.unwrap_or(COOLDOWN)),
        disable_scale_in: tracking.disable_scale_in,
    };
    Ok((ScalingPolicy::TargetTracking(policy), signal))
}

fn step(
    document: &PolicyDocument<'_>,
    at: &str,
    stepping: &Stepping,
    alarm: &AlarmSpec,
) -> Result<(ScalingPolicy, Signal), PolicyError> {
    let signal = document.signal(&format!("{at}.Alarm.MetricName"), &alarm.metric_name)?;
    let policy = StepPolicy {
        alarm: alarm_policy(document, at, alarm)?,
        kind: stepping.adjustment_type,
        steps: stepping.step_adjustments.clone(),
        min_magnitude: stepping.min_adjustment_magnitude.unwrap_or(0),
        cooldown: f64::from(stepping.cooldown.unwrap_or(COOLDOWN)),
    };
    Ok((ScalingPolicy::Step(policy), signal))
}

fn alarm_policy(document: &PolicyDocument<'_>, at: &str, alarm: &AlarmSpec) -> Result<AlarmPolicy, PolicyError> {
    let field = |name: &str| format!("{at}.Alarm.{name}");
    let period = alarm.period;
    if !([10, 20, 30].contains(&period) || (period > 0 && period.is_multiple_of(60))) {
        return Err(document.error(&field("Period"), &period.to_string(), "10, 20, 30 or a multiple of 60"));
    }
    let (evaluated, breaching) =
        (alarm.evaluation_periods, alarm.datapoints_to_alarm.unwrap_or(alarm.evaluation_periods));
    if !(1..=1440).contains(&evaluated) || !(1..=evaluated).contains(&breaching) {
        let problem = format!("{evaluated} and {breaching}");
        let fields = field("EvaluationPeriods and DatapointsToAlarm");
        return Err(document.error(&fields, &problem, "1 to 1440 periods, and not more of them to alarm"));
    }
    Ok(AlarmPolicy {
        period: f64::from(period),
        evaluated,
        breaching,
        statistic: alarm.statistic,
        comparison: alarm.comparison_operator,
        threshold: alarm.threshold,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::whatif::policy::Policy;

    const DOCUMENT: &str = "
ScalableTarget: {ServiceNamespace: ecs, MinCapacity: 2, MaxCapacity: 50}
ScalingPolicies:
  - PolicyType: TargetTrackingScaling
    TargetTrackingScalingPolicyConfiguration:
      TargetValue: 0.4
      CustomizedMetricSpecification: {Namespace: N, MetricName: proc/queue/utilization_ratio, Statistic: Average}
      ScaleOutCooldown: 60
  - PolicyType: StepScaling
    StepScalingPolicyConfiguration:
      AdjustmentType: ChangeInCapacity
      StepAdjustments:
        - {MetricIntervalLowerBound: 0, MetricIntervalUpperBound: 2, ScalingAdjustment: 1}
        - {MetricIntervalLowerBound: 2, ScalingAdjustment: 3}
    Alarm:
      MetricName: proc/replicas/missing
      Statistic: Maximum
      Period: 10
      EvaluationPeriods: 3
      DatapointsToAlarm: 2
      Threshold: 1
      ComparisonOperator: GreaterThanOrEqualToThreshold
";

    #[test]
    fn the_documents_are_read_with_the_defaults_of_the_api() {
        let policy = Policy::parse(DOCUMENT, "p.yaml", "p").unwrap();
        assert_eq!(policy.bounds(), (2, 50));
        let AutoscalerPolicy::Ecs(EcsPolicy { policies, .. }) = policy.autoscaler else { panic!() };
        let [ScalingPolicy::TargetTracking(tracking), ScalingPolicy::Step(step)] = &policies[..] else { panic!() };
        assert_eq!((tracking.target, tracking.out_cooldown, tracking.in_cooldown), (0.4, 60.0, 300.0));
        assert_eq!((step.alarm.period, step.alarm.breaching, step.alarm.evaluated, step.cooldown), (10.0, 2, 3, 300.0));
        assert_eq!(step.steps[1], Step { lower: Some(2.0), upper: None, adjustment: 3 });
    }

    #[test]
    fn what_is_wrong_is_named_with_its_field() {
        for (from, to, expected) in [
            ("MaxCapacity: 50", "MaxCapacity: 1", "ScalableTarget.MinCapacity and MaxCapacity: 2 and 1; accepted: "),
            (
                "Period: 10",
                "Period: 15",
                "ScalingPolicies[1].Alarm.Period: 15; accepted: 10, 20, 30 or a multiple of 60",
            ),
            (
                "DatapointsToAlarm: 2",
                "DatapointsToAlarm: 4",
                "ScalingPolicies[1].Alarm.EvaluationPeriods and DatapointsToAlarm: 3 and 4; ",
            ),
            (
                "    Alarm:",
                "    Alert:",
                "ScalingPolicies[1].Alarm: is missing; accepted: the alarm that starts the steps",
            ),
            (
                "TargetValue: 0.4",
                "TargetValue: 0",
                "ScalingPolicies[0].TargetTrackingScalingPolicyConfiguration.TargetValue: 0 is not above 0",
            ),
            (
                "ChangeInCapacity",
                "Change",
                "ScalingPolicies[1].StepScalingPolicyConfiguration.AdjustmentType: unknown variant `Change`",
            ),
            ("proc/replicas/missing", "CPU", "ScalingPolicies[1].Alarm.MetricName: no signal is called \"CPU\"; "),
            (
                "    TargetTrackingScalingPolicyConfiguration:",
                "    Other:",
                "ScalingPolicies[0]: holds not exactly one policy; ",
            ),
        ] {
            assert!(DOCUMENT.contains(from), "{from}");
            let error = Policy::parse(&DOCUMENT.replacen(from, to, 1), "p.yaml", "p").unwrap_err().to_string();
            assert!(error.starts_with(&format!("p.yaml: {expected}")), "{error}");
        }
    }
}
