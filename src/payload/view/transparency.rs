//! `capacity_transparency`: how the total capacity comes about, and what is wrong with it.

use crate::analysis::state::{CapacitySource, Fleet, Process, SystemState};
use crate::base::clock::UnixSeconds;
use crate::base::number::{count, ratio, round};
use crate::payload::shapes::{
    ActualRuntime, CapacityConfiguration, CapacityMetrics, CapacityTransparency, CurrentThresholds, HealthMetrics,
    InstanceScaling, ProcessesVsConfigured, ThresholdBreakdown, ThresholdRatios,
};
use crate::platform::gateway::{Amount, GatewaySettings, Limits};

/// `capacity_transparency`; without a gateway configuration or a capacity source there is none.
pub(super) fn transparency(state: &SystemState) -> CapacityTransparency {
    let capacity = &state.capacity;
    let known = (state.gateway.known(), state.fleet.known(), capacity.source.known(), capacity.limits.get());
    let (Some(gateway), Some(fleet), Some(source), Some(limits)) = known else {
        return CapacityTransparency::default();
    };
    let (settings, total) = (gateway.settings(), capacity.total.get().unwrap_or_default());
    CapacityTransparency {
        capacity_metrics: CapacityMetrics {
            configuration: configuration(settings),
            actual_runtime: runtime(source, settings),
            health_metrics: health(source, settings),
            threshold_ratios: ratios(settings),
        },
        instance_scaling: scaling(fleet, source, total, settings),
        current_thresholds: CurrentThresholds {
            anonymous_threshold: limits.anonymous,
            registered_threshold: limits.registered,
            paid_threshold: limits.paid,
            hard_limit: limits.hard,
            total_capacity: total,
        },
        threshold_breakdown: breakdown(limits, settings),
        capacity_warnings: warnings(source, settings, state.at),
    }
}

fn configuration(settings: &GatewaySettings) -> CapacityConfiguration {
    let service = &settings.service_capacity;
    CapacityConfiguration {
        configured_concurrent_per_process: service.concurrent_requests_per_process.clone(),
        configured_processes_per_instance: service.processes_per_instance.clone(),
        configured_avg_processing_time_seconds: service.avg_processing_time_seconds.clone(),
        capacity_buffer_percent: in_percent(&settings.backpressure.capacity_buffer),
        queue_depth_multiplier: settings.backpressure.queue_depth_multiplier.clone(),
    }
}

fn runtime(source: &CapacitySource, settings: &GatewaySettings) -> ActualRuntime {
    // The platform assumes one process where none lives, so that consoles show what one would bring.
    let capacity = settings.capacity(source.live.max(1));
    ActualRuntime {
        actual_processes_per_instance: source.actual,
        actual_healthy_processes_per_instance: source.live,
        actual_concurrent_per_instance: capacity.concurrent,
        actual_effective_concurrent_per_instance: capacity.effective,
        actual_queue_capacity_per_instance: capacity.queue,
        actual_total_capacity_per_instance: capacity.total,
        actual_theoretical_hourly_per_instance: capacity.hourly,
    }
}

fn health(source: &CapacitySource, settings: &GatewaySettings) -> HealthMetrics {
    HealthMetrics {
        process_health_ratio: round(ratio(source.live, source.actual), 3),
        capacity_utilization_from_load: round(ratio(source.load, source.reported), 3),
        processes_vs_configured: ProcessesVsConfigured {
            configured: settings.service_capacity.processes_per_instance.clone(),
            actual: source.actual,
            healthy: source.live,
            process_deficit: deficit(source, settings),
        },
    }
}

fn deficit(source: &CapacitySource, settings: &GatewaySettings) -> i64 {
    settings.service_capacity.processes_per_instance.whole().saturating_sub(source.live).max(0)
}

fn ratios(settings: &GatewaySettings) -> ThresholdRatios {
    let backpressure = &settings.backpressure;
    ThresholdRatios {
        anonymous_threshold_ratio: backpressure.anonymous_pressure_threshold.clone(),
        registered_threshold_ratio: backpressure.registered_pressure_threshold.clone(),
        paid_threshold_ratio: backpressure.paid_pressure_threshold.clone(),
        hard_limit_threshold_ratio: backpressure.hard_limit_threshold.clone(),
    }
}

fn scaling(fleet: &Fleet, source: &CapacitySource, total: i64, settings: &GatewaySettings) -> InstanceScaling {
    let instances = count(fleet.instances.len());
    let configured = settings.service_capacity.processes_per_instance.whole().saturating_mul(instances);
    let (actual, live) = (count(fleet.processes().count()), count(fleet.processes().filter(is_live).count()));
    let capacity = settings.capacity(source.live);
    InstanceScaling {
        detected_instances: instances,
        total_configured_processes: configured,
        total_actual_processes: actual,
        total_healthy_processes: live,
        process_health_ratio: ratio(live, actual),
        capacity_source: format!("{}:{}", source.service.kind, source.service.name),
        capacity_source_configured_processes: configured,
        capacity_source_actual_processes: source.actual,
        capacity_source_healthy_processes: source.live,
        capacity_source_health_ratio: ratio(source.live, source.actual),
        chat_rest_configured_processes: configured,
        chat_rest_actual_processes: source.actual,
        chat_rest_healthy_processes: source.live,
        chat_rest_health_ratio: ratio(source.live, source.actual),
        total_concurrent_capacity: capacity.concurrent,
        total_effective_capacity: capacity.effective,
        total_queue_capacity: capacity.queue,
        total_system_capacity: total,
        theoretical_system_hourly: capacity.hourly,
    }
}

fn is_live(process: &&Process) -> bool {
    process.is_live()
}

fn breakdown(limits: Limits, settings: &GatewaySettings) -> ThresholdBreakdown {
    let backpressure = &settings.backpressure;
    ThresholdBreakdown {
        anonymous_blocks_at: limits.anonymous,
        registered_blocks_at: limits.registered,
        paid_blocks_at: limits.paid,
        hard_limit_at: limits.hard,
        anonymous_percentage: in_percent(&backpressure.anonymous_pressure_threshold),
        registered_percentage: in_percent(&backpressure.registered_pressure_threshold),
        paid_percentage: in_percent(&backpressure.paid_pressure_threshold),
        hard_limit_percentage: in_percent(&backpressure.hard_limit_threshold),
    }
}

fn in_percent(share: &Amount) -> f64 {
    round(share.as_f64() * 100.0, 1)
}

/// What an operator should look at; the texts are the platform's.
fn warnings(source: &CapacitySource, settings: &GatewaySettings, now: UnixSeconds) -> Vec<String> {
    let mut warnings = Vec::new();
    let deficit = deficit(source, settings);
    if deficit > 0 {
        warnings.push(format!("Process deficit: {deficit} processes missing or unhealthy"));
    }
    let health = ratio(source.live, source.actual);
    if health < 0.8 {
        warnings.push(format!("Low process health: only {:.1}% of processes are healthy", health * 100.0));
    }
    for lost in &source.lost {
        let (instance, age) = (&lost.instance_id, (now - lost.last_heartbeat).trunc().max(0.0));
        let state = if lost.draining { "draining" } else { "stale" };
        warnings.push(format!(
            "Instance {instance} has no healthy capacity-source processes ({state}; last heartbeat {age:.0}s ago)"
        ));
    }
    warnings
}
