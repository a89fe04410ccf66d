//! `backpressure_policy`: what the queue makes the gateway do now.

use crate::base::number::round;
use crate::payload::shapes::{
    BackpressurePolicy, CapacityContext, CapacityScaling, CapacityTransparency, CurrentEffects, GlobalStats,
};

/// `backpressure_policy`.
pub(super) fn policy(
    context: &CapacityContext,
    transparency: &CapacityTransparency,
    global: &GlobalStats,
) -> BackpressurePolicy {
    let blocked = |accepting: Option<bool>| accepting.map(|accepting| !accepting);
    BackpressurePolicy {
        thresholds: context.thresholds,
        current_effects: CurrentEffects {
            anonymous_blocked: blocked(context.accepting_anonymous),
            registered_blocked: blocked(context.accepting_registered),
            paid_blocked: blocked(context.accepting_paid),
            all_blocked: blocked(context.accepting_privileged),
            pressure_level: context.pressure_ratio.map(|pressure| level(pressure).to_owned()),
        },
        capacity_scaling: CapacityScaling {
            base_per_instance: transparency.capacity_metrics.actual_runtime.actual_total_capacity_per_instance,
            instances_detected: transparency.instance_scaling.detected_instances,
            total_weighted_capacity: transparency.instance_scaling.total_system_capacity,
            utilization_percent: context.pressure_ratio.map(|pressure| round(pressure * 100.0, 1)),
            chat_rest_capacity: global.chat_rest.capacity,
            chat_rest_utilization: global.chat_rest.utilization_percent,
        },
    }
}

fn level(pressure: f64) -> &'static str {
    match pressure {
        pressure if pressure > 0.9 => "critical",
        pressure if pressure > 0.8 => "high",
        pressure if pressure > 0.6 => "medium",
        _ => "low",
    }
}

#[cfg(test)]
mod tests {
    use super::level;

    #[test]
    fn levels_begin_above_their_bounds() {
        let table =
            [(0.6, "low"), (0.61, "medium"), (0.8, "medium"), (0.81, "high"), (0.9, "high"), (0.91, "critical")];
        for (pressure, expected) in table {
            assert_eq!(level(pressure), expected, "{pressure}");
        }
    }
}
