//! Hints for an autoscaler: scale up, scale down or hold, with the reasons. The texts are the platform's.

use crate::base::number::{ratio, round};
use crate::payload::shapes::{AutoscalerHint, ComponentStats, IngressSignals, ProcSignals, QueueStats, SseConnections};

const PRESSURE_UP: f64 = 0.85;
const PRESSURE_DOWN: f64 = 0.3;
const UTILIZATION_UP: f64 = 85.0;
const UTILIZATION_DOWN: f64 = 30.0;
const SSE_UP: f64 = 80.0;
const SSE_DOWN: f64 = 30.0;

/// The processor's hint, from queue and load. A queue that could not be read gives no reason to scale.
pub(super) fn proc(component: &ComponentStats, queue: &QueueStats) -> AutoscalerHint<ProcSignals> {
    let (utilization, instances) = (component.utilization_percent, component.instance_count.unwrap_or_default());
    let pressure = queue.capacity_context.pressure_ratio;
    let (mut up, mut down) = (Vec::new(), Vec::new());
    if let (Some(total), Some(pressure)) = (queue.total, pressure) {
        if pressure >= PRESSURE_UP {
            up.push(format!("queue pressure {pressure:.2} >= {PRESSURE_UP}"));
        }
        if total > 0 && utilization >= UTILIZATION_UP {
            up.push(format!("utilization {utilization:.1}% with non-empty queue"));
        }
        let idle = total <= 0 && pressure < PRESSURE_DOWN && utilization < UTILIZATION_DOWN;
        if idle && instances > 1 {
            down.push("low queue + low utilization".to_owned());
        }
    }
    hint(
        up,
        down,
        ProcSignals {
            queue_pressure_ratio: pressure.map(|pressure| round(pressure, 3)),
            queue_depth: queue.total,
            utilization_percent: round(utilization, 1),
            instance_count: instances,
        },
    )
}

/// The ingress's hint, from SSE connections and load.
pub(super) fn ingress(component: &ComponentStats, sse: Option<&SseConnections>) -> AutoscalerHint<IngressSignals> {
    let (utilization, instances) = (component.utilization_percent, component.instance_count.unwrap_or_default());
    let connections = sse
        .and_then(|sse| sse.total_connections.zip(sse.max_connections))
        .filter(|(_, max)| *max > 0)
        .map(|(total, max)| ratio(total, max) * 100.0);
    let (mut up, mut down) = (Vec::new(), Vec::new());
    if let Some(connections) = connections {
        if connections >= SSE_UP {
            up.push(format!("sse utilization {connections:.1}% >= {SSE_UP}%"));
        }
        if connections < SSE_DOWN && instances > 1 && utilization < UTILIZATION_DOWN {
            down.push("low sse utilization + low load".to_owned());
        }
    }
    hint(
        up,
        down,
        IngressSignals {
            sse_utilization_percent: connections.map(|connections| round(connections, 1)),
            utilization_percent: round(utilization, 1),
            instance_count: instances,
        },
    )
}

fn hint<S: Default>(up: Vec<String>, down: Vec<String>, signals: S) -> AutoscalerHint<S> {
    let (scale_up, scale_down) = (!up.is_empty(), !down.is_empty());
    let decision = match (scale_up, scale_down) {
        (true, false) => "scale_up",
        (_, true) => "scale_down",
        (false, false) => "hold",
    };
    let reasons = up.into_iter().chain(down).collect();
    AutoscalerHint { decision: decision.to_owned(), scale_up, scale_down, reasons, signals }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proc_decision(total: Option<i64>, pressure: Option<f64>, utilization: f64, instances: i64) -> String {
        let component =
            ComponentStats { utilization_percent: utilization, instance_count: Some(instances), ..Default::default() };
        let mut queue = QueueStats { total, ..Default::default() };
        queue.capacity_context.pressure_ratio = pressure;
        proc(&component, &queue).decision
    }

    #[test]
    fn the_processor_scales_on_its_bounds() {
        let table = [
            (Some(5), Some(0.85), 0.0, 1, "scale_up"),
            (Some(5), Some(0.84), 84.9, 1, "hold"),
            (Some(1), Some(0.1), 85.0, 1, "scale_up"),
            (Some(0), Some(0.0), 85.0, 2, "hold"),
            (Some(0), Some(0.0), 29.9, 2, "scale_down"),
            (Some(0), Some(0.0), 29.9, 1, "hold"),
            (Some(1), Some(0.0), 0.0, 2, "hold"),
            (None, None, 0.0, 2, "hold"),
            (None, None, 100.0, 2, "hold"),
        ];
        for (total, pressure, utilization, instances, expected) in table {
            assert_eq!(proc_decision(total, pressure, utilization, instances), expected, "{total:?} {pressure:?}");
        }
    }

    #[test]
    fn ingress_scales_on_sse_and_does_nothing_without_a_limit() {
        let table = [
            (80, 100, 0.0, 1, "scale_up"),
            (79, 100, 0.0, 2, "hold"),
            (29, 100, 29.0, 2, "scale_down"),
            (29, 100, 30.0, 2, "hold"),
            (29, 100, 0.0, 1, "hold"),
            (500, 0, 0.0, 2, "hold"),
        ];
        for (total, max, utilization, instances, expected) in table {
            let component = ComponentStats {
                utilization_percent: utilization,
                instance_count: Some(instances),
                ..Default::default()
            };
            let sse =
                SseConnections { total_connections: Some(total), max_connections: Some(max), ..Default::default() };
            assert_eq!(ingress(&component, Some(&sse)).decision, expected, "{total}/{max}");
            assert_eq!(ingress(&component, None).decision, "hold");
        }
    }
}
