//! A policy at work: which snapshot its autoscaler sees, when it decides, and what it decides.

use super::autoscalers::Replicas;
use super::autoscalers::ecs::{EVALUATION_SECONDS, Ecs};
use super::autoscalers::hpa::{Hpa, SYNC_SECONDS};
use super::autoscalers::keda::Keda;
use super::policy::{AutoscalerPolicy, Policy};
use super::signals::{Signal, Snapshot};
use crate::base::clock::UnixSeconds;

/// Seconds between two scrapes by Prometheus, from which the HPA's adapter reads.
const SCRAPE_SECONDS: f64 = 15.0;
/// How long before a sync of the HPA the scrape was that it sees.
const SCRAPE_AGE: f64 = 10.0;
/// Seconds between two pushes to CloudWatch (`METRICS_EXPORT_INTERVAL_SEC`).
const PUSH_SECONDS: f64 = 10.0;

/// An autoscaler and the way that values take to it.
#[derive(Debug)]
pub(super) struct Scaler {
    signals: Vec<Signal>,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    /// Through Prometheus.
    Hpa { hpa: Hpa, scraped: Vec<Option<f64>>, next_scrape: UnixSeconds, next_sync: UnixSeconds },
    /// Straight from the server.
    Keda(Keda),
    /// Through CloudWatch.
    Ecs { ecs: Ecs, next_push: UnixSeconds, next_evaluation: UnixSeconds },
}

impl Scaler {
    pub(super) fn new(policy: &Policy) -> Self {
        let kind = match policy.autoscaler.clone() {
            AutoscalerPolicy::Hpa(hpa) => Kind::Hpa {
                hpa: Hpa::new(hpa),
                scraped: vec![None; policy.signals.len()],
                next_scrape: SCRAPE_SECONDS - SCRAPE_AGE,
                next_sync: SYNC_SECONDS,
            },
            AutoscalerPolicy::Keda(keda) => Kind::Keda(Keda::new(keda, SYNC_SECONDS)),
            AutoscalerPolicy::Ecs(ecs) => {
                Kind::Ecs { ecs: Ecs::new(ecs, 0.0), next_push: 0.0, next_evaluation: EVALUATION_SECONDS }
            }
        };
        Self { signals: policy.signals.clone(), kind }
    }

    /// The count that is to run after a tick.
    pub(super) fn step(&mut self, now: UnixSeconds, snapshot: &Snapshot, running: Replicas) -> u32 {
        let read = || self.signals.iter().map(|signal| signal.read(snapshot)).collect::<Vec<_>>();
        match &mut self.kind {
            Kind::Hpa { hpa, scraped, next_scrape, next_sync } => {
                if is_due(next_scrape, now, SCRAPE_SECONDS) {
                    *scraped = read();
                }
                if is_due(next_sync, now, SYNC_SECONDS) { hpa.sync(now, running, scraped) } else { running.wanted }
            }
            Kind::Keda(keda) => {
                if keda.next() <= now {
                    keda.step(now, running, &read())
                } else {
                    running.wanted
                }
            }
            Kind::Ecs { ecs, next_push, next_evaluation } => {
                if is_due(next_push, now, PUSH_SECONDS) {
                    ecs.push(now, &read());
                }
                if is_due(next_evaluation, now, EVALUATION_SECONDS) {
                    ecs.evaluate(now, running)
                } else {
                    running.wanted
                }
            }
        }
    }
}

/// Whether something is due, which then is due again after its interval.
fn is_due(next: &mut UnixSeconds, now: UnixSeconds, interval: f64) -> bool {
    let is_due = *next <= now;
    if is_due {
        *next += interval;
    }
    is_due
}

#[cfg(test)]
mod tests {
    use super::*;

    const HPA: &str = "{kind: HorizontalPodAutoscaler, spec: {maxReplicas: 99, metrics: [{type: External, external: {metric: {name: proc.queue.waiting}, target: {type: AverageValue, averageValue: 1}}}]}}";
    const KEDA: &str = "{kind: ScaledObject, spec: {minReplicaCount: 1, triggers: [{type: metrics-api, metadata: {valueLocation: proc.queue.waiting, targetValue: 1}}]}}";
    const ECS: &str = "{ScalableTarget: {MinCapacity: 1, MaxCapacity: 99}, ScalingPolicies: [{StepScalingPolicyConfiguration: {AdjustmentType: ExactCapacity, StepAdjustments: [{MetricIntervalLowerBound: 0, ScalingAdjustment: 7}]}, Alarm: {MetricName: proc.queue.waiting, Statistic: Maximum, Period: 10, EvaluationPeriods: 1, Threshold: 5, ComparisonOperator: GreaterThanThreshold}}]}";

    /// When seven tasks that wait since a time change the count from four.
    fn delay(policy: &str, since: f64) -> f64 {
        let policy = Policy::parse(policy, "p", "p").unwrap();
        let mut scaler = Scaler::new(&policy);
        let changed = (1..100).map(|tick| 5.0 * f64::from(tick)).find(|now| {
            let snapshot = Snapshot { waiting: if *now >= since { 7 } else { 4 }, ..Snapshot::default() };
            scaler.step(*now, &snapshot, Replicas { wanted: 4, ready: 4 }) != 4
        });
        changed.unwrap() - since
    }

    #[test]
    fn a_value_takes_the_way_of_its_outlet() {
        // A scrape at 65, the sync at 75.
        assert_eq!([delay(HPA, 65.0), delay(HPA, 55.0)], [10.0, 20.0]);
        assert_eq!([delay(KEDA, 60.0), delay(KEDA, 65.0)], [0.0, 10.0]);
        // Pushed at 60, in the period that ends at 70 and is there at 75: the alarms are looked at at 80.
        assert_eq!([delay(ECS, 60.0), delay(ECS, 65.0)], [20.0, 25.0]);
    }
}
