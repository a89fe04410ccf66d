//! `autoscaler`: the hints with the platform's texts.

use super::or_zero;
use crate::analysis::state::{ComponentState, Decision, Hint, HintReason, SseTotals, SystemState};
use crate::analysis::{PRESSURE_UP, SSE_UP};
use crate::base::number::{percent, round, sum};
use crate::payload::shapes::{AutoscalerHint, IngressSignals, ProcSignals};

/// `autoscaler.proc`.
pub(super) fn proc(state: &SystemState) -> Option<AutoscalerHint<ProcSignals>> {
    let signals = |component: &ComponentState| ProcSignals {
        queue_pressure_ratio: state.queue.platform_pressure.get().map(|pressure| round(pressure, 3)),
        queue_depth: state.queue.total.get(),
        utilization_percent: utilization(component),
        instance_count: or_zero(&component.instance_count),
    };
    state.proc_hint.known().zip(state.proc.known()).map(|(decided, component)| hint(decided, signals(component)))
}

/// `autoscaler.ingress`.
pub(super) fn ingress(state: &SystemState) -> Option<AutoscalerHint<IngressSignals>> {
    let saturation = state.sse.as_ref().and_then(SseTotals::against_limit);
    let signals = |component: &ComponentState| IngressSignals {
        sse_utilization_percent: saturation.get().map(|(open, max)| round(open / max * 100.0, 1)),
        utilization_percent: utilization(component),
        instance_count: or_zero(&component.instance_count),
    };
    state.ingress_hint.known().zip(state.ingress.known()).map(|(decided, component)| hint(decided, signals(component)))
}

fn utilization(component: &ComponentState) -> f64 {
    let load = sum(component.instances.iter().map(|instance| instance.load));
    percent(load, or_zero(&component.capacity))
}

fn hint<S: Default>(hint: &Hint, signals: S) -> AutoscalerHint<S> {
    AutoscalerHint {
        decision: hint.decision.as_str().to_owned(),
        scale_up: hint.decision == Decision::ScaleUp,
        scale_down: hint.decision == Decision::ScaleDown,
        reasons: hint.reasons.iter().map(text).collect(),
        signals,
    }
}

fn text(reason: &HintReason) -> String {
    match reason {
        HintReason::QueuePressure(pressure) => format!("queue pressure {pressure:.2} >= {PRESSURE_UP}"),
        HintReason::BusyWithQueue(percent) => format!("utilization {percent:.1}% with non-empty queue"),
        HintReason::IdleQueue => "low queue + low utilization".to_owned(),
        HintReason::SseSaturation(percent) => format!("sse utilization {percent:.1}% >= {SSE_UP}%"),
        HintReason::IdleSse => "low sse utilization + low load".to_owned(),
        HintReason::Upstream(text) => text.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_the_platforms() {
        let table = [
            (HintReason::QueuePressure(0.857), "queue pressure 0.86 >= 0.85"),
            (HintReason::BusyWithQueue(85.0), "utilization 85.0% with non-empty queue"),
            (HintReason::SseSaturation(80.04), "sse utilization 80.0% >= 80%"),
            (HintReason::Upstream("as sent".into()), "as sent"),
        ];
        for (reason, expected) in table {
            assert_eq!(text(&reason), expected);
        }
    }
}
