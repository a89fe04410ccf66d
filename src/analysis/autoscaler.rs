//! Hints for an autoscaler: scale up, scale down or hold, with the reasons. The rules are the platform's.

use super::state::{ComponentState, Decision, Hint, HintReason, Queue, Reading, SseTotals};
use crate::base::number::percent;

pub(crate) const PRESSURE_UP: f64 = 0.85;
const PRESSURE_DOWN: f64 = 0.3;
const UTILIZATION_UP: f64 = 85.0;
const UTILIZATION_DOWN: f64 = 30.0;
pub(crate) const SSE_UP: f64 = 80.0;
const SSE_DOWN: f64 = 30.0;

/// The processor's hint, from queue and load. A queue that is absent gives no reason to scale.
pub(super) fn proc(component: &ComponentState, queue: &Queue) -> Hint {
    let (utilization, instances) = load(component);
    let (mut up, mut down) = (Vec::new(), Vec::new());
    if let (Some(total), Some(pressure)) = (queue.total.get(), queue.pressure.get()) {
        if pressure >= PRESSURE_UP {
            up.push(HintReason::QueuePressure(pressure));
        }
        if total > 0 && utilization >= UTILIZATION_UP {
            up.push(HintReason::BusyWithQueue(utilization));
        }
        let idle = total <= 0 && pressure < PRESSURE_DOWN && utilization < UTILIZATION_DOWN;
        if idle && instances > 1 {
            down.push(HintReason::IdleQueue);
        }
    }
    hint(up, down)
}

/// The ingress's hint, from SSE connections and load.
pub(super) fn ingress(component: &ComponentState, sse: &Reading<SseTotals>) -> Hint {
    let (utilization, instances) = load(component);
    let saturation = sse.as_ref().and_then(SseTotals::against_limit).map(|(open, max)| open / max * 100.0);
    let (mut up, mut down) = (Vec::new(), Vec::new());
    if let Some(saturation) = saturation.get() {
        if saturation >= SSE_UP {
            up.push(HintReason::SseSaturation(saturation));
        }
        if saturation < SSE_DOWN && instances > 1 && utilization < UTILIZATION_DOWN {
            down.push(HintReason::IdleSse);
        }
    }
    hint(up, down)
}

/// Utilization in percent and instances. Rounded, because the platform compares the rounded percentage with its bounds.
fn load(component: &ComponentState) -> (f64, i64) {
    let known = |reading: &Reading<i64>| reading.get().unwrap_or_default();
    (percent(known(&component.load), known(&component.capacity)), known(&component.instance_count))
}

fn hint(up: Vec<HintReason>, down: Vec<HintReason>) -> Hint {
    let decision = match (up.is_empty(), down.is_empty()) {
        (false, true) => Decision::ScaleUp,
        (_, false) => Decision::ScaleDown,
        (true, true) => Decision::Hold,
    };
    Hint { decision, reasons: up.into_iter().chain(down).collect() }
}

#[cfg(test)]
mod tests {
    use super::super::state::Cause;
    use super::*;

    fn component(utilization: f64, instances: i64) -> ComponentState {
        #[expect(clippy::cast_possible_truncation, reason = "one decimal")]
        let load = Reading::Value((utilization * 10.0).round() as i64);
        ComponentState {
            load,
            capacity: Reading::Value(1000),
            instance_count: Reading::Value(instances),
            ..Default::default()
        }
    }

    fn reading<T>(value: Option<T>) -> Reading<T> {
        Reading::or_absent(value, || Cause::Unreadable)
    }

    #[test]
    fn the_processor_scales_on_its_bounds() {
        let table = [
            (Some(5), Some(0.85), 0.0, 1, Decision::ScaleUp),
            (Some(5), Some(0.84), 84.9, 1, Decision::Hold),
            (Some(1), Some(0.1), 85.0, 1, Decision::ScaleUp),
            (Some(0), Some(0.0), 85.0, 2, Decision::Hold),
            (Some(0), Some(0.0), 29.9, 2, Decision::ScaleDown),
            (Some(0), Some(0.0), 29.9, 1, Decision::Hold),
            // The bounds of scaling in are outside of what scales in.
            (Some(0), Some(0.0), 30.0, 2, Decision::Hold),
            (Some(0), Some(0.3), 0.0, 2, Decision::Hold),
            (Some(0), Some(0.29), 0.0, 2, Decision::ScaleDown),
            (Some(1), Some(0.0), 0.0, 2, Decision::Hold),
            (None, None, 0.0, 2, Decision::Hold),
            (None, None, 100.0, 2, Decision::Hold),
        ];
        for (total, pressure, utilization, instances, expected) in table {
            let queue = Queue { total: reading(total), pressure: reading(pressure), ..Queue::default() };
            let hint = proc(&component(utilization, instances), &queue);
            assert_eq!(hint.decision, expected, "{total:?} {pressure:?}");
            assert_eq!(hint.reasons.is_empty(), expected == Decision::Hold);
        }
    }

    #[test]
    fn ingress_scales_on_sse_and_does_nothing_without_a_limit() {
        let table = [
            (80, 100, 0.0, 1, Decision::ScaleUp),
            (79, 100, 0.0, 2, Decision::Hold),
            (29, 100, 29.0, 2, Decision::ScaleDown),
            (30, 100, 0.0, 2, Decision::Hold),
            (29, 100, 30.0, 2, Decision::Hold),
            (29, 100, 0.0, 1, Decision::Hold),
            (500, 0, 0.0, 2, Decision::Hold),
        ];
        for (total, max, utilization, instances, expected) in table {
            let component = component(utilization, instances);
            let sse =
                SseTotals { connections: Reading::Value(total), max: Reading::Value(max), ..SseTotals::default() };
            assert_eq!(ingress(&component, &Reading::Value(sse)).decision, expected, "{total}/{max}");
            assert_eq!(ingress(&component, &Reading::default()).decision, Decision::Hold);
        }
    }
}
