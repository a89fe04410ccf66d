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
    let (settings, total) = (gateway.settings(), source.total);
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
    let instances = count(fleet.instances().count());
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::state::LostInstance;
    use crate::platform::facts::Component;
    use crate::platform::gateway::{GatewayConfig, GatewayContext};

    const NOW: UnixSeconds = 1_767_225_600.0;

    /// Two processes of five requests an instance.
    fn settings() -> GatewaySettings {
        let text = r#"{"tenant": "a", "project": "b", "service_capacity": {"processes_per_instance": 2}}"#;
        let context =
            GatewayContext { component: Component::Proc, instance_id: "i", tenant: None, project: None, forced: false };
        GatewayConfig::from_env_json(text, &context).unwrap().settings().clone()
    }

    fn source(live: i64, actual: i64) -> CapacitySource {
        CapacitySource { live, actual, ..CapacitySource::default() }
    }

    #[test]
    fn processes_that_are_missing_or_stale_are_warned_of_from_the_first_and_from_a_fifth_on() {
        let deficit = |missing: i64| format!("Process deficit: {missing} processes missing or unhealthy");
        let low = |percent: &str| format!("Low process health: only {percent}% of processes are healthy");
        for (live, actual, expected) in [
            (2, 2, vec![]),
            (3, 3, vec![]),
            (4, 5, vec![]),
            (7, 9, vec![low("77.8")]),
            (1, 1, vec![deficit(1)]),
            (1, 3, vec![deficit(1), low("33.3")]),
            (0, 0, vec![deficit(2), low("0.0")]),
        ] {
            assert_eq!(warnings(&source(live, actual), &settings(), NOW), expected, "{live} of {actual}");
        }
    }

    #[test]
    fn a_lost_instance_is_named_with_the_whole_seconds_of_its_silence() {
        let lost = |instance: &str, ago: f64, draining: bool| LostInstance {
            instance_id: instance.to_owned(),
            last_heartbeat: NOW - ago,
            draining,
        };
        let source = CapacitySource {
            lost: vec![lost("a", 59.9, false), lost("b", 31.0, true), lost("ahead", -5.0, false)],
            ..source(2, 2)
        };
        let line = |instance: &str, state: &str, seconds: i64| {
            format!(
                "Instance {instance} has no healthy capacity-source processes ({state}; last heartbeat {seconds}s ago)"
            )
        };
        let expected = [line("a", "stale", 59), line("b", "draining", 31), line("ahead", "stale", 0)];
        assert_eq!(warnings(&source, &settings(), NOW), expected);
    }

    #[test]
    fn without_a_live_process_the_runtime_shows_what_one_would_bring() {
        for (live, concurrent, total) in [(0, 5, 14), (1, 5, 14), (3, 15, 42)] {
            let runtime = runtime(&source(live, 4), &settings());
            assert_eq!(runtime.actual_processes_per_instance, 4);
            assert_eq!(runtime.actual_healthy_processes_per_instance, live);
            assert_eq!(runtime.actual_concurrent_per_instance, concurrent);
            assert_eq!(runtime.actual_total_capacity_per_instance, total);
            let parts = runtime.actual_effective_concurrent_per_instance + runtime.actual_queue_capacity_per_instance;
            assert_eq!(parts, total);
        }
    }

    #[test]
    fn ratios_have_three_decimals_and_shares_one_as_percent() {
        let source = CapacitySource { load: 2, reported: 3, ..source(1, 3) };
        let health = health(&source, &settings());
        assert_eq!((health.process_health_ratio, health.capacity_utilization_from_load), (0.333, 0.667));
        let processes = health.processes_vs_configured;
        assert_eq!(
            (processes.configured.whole(), processes.actual, processes.healthy, processes.process_deficit),
            (2, 3, 1, 1)
        );
        assert_eq!([0.6, 0.12345, 1.0].map(|share: f64| in_percent(&share.into())), [60.0, 12.3, 100.0]);
    }

    #[test]
    fn the_thresholds_stand_beside_their_own_percentages() {
        let limits = Limits { anonymous: 1, registered: 2, paid: 3, hard: 4 };
        let mut settings = settings();
        let backpressure = &mut settings.backpressure;
        backpressure.anonymous_pressure_threshold = 0.1.into();
        backpressure.registered_pressure_threshold = 0.2.into();
        backpressure.paid_pressure_threshold = 0.3.into();
        backpressure.hard_limit_threshold = 0.4.into();
        let expected = ThresholdBreakdown {
            anonymous_blocks_at: 1,
            registered_blocks_at: 2,
            paid_blocks_at: 3,
            hard_limit_at: 4,
            anonymous_percentage: 10.0,
            registered_percentage: 20.0,
            paid_percentage: 30.0,
            hard_limit_percentage: 40.0,
        };
        assert_eq!(breakdown(limits, &settings), expected);
        let ratios = ratios(&settings);
        let shown = [
            ratios.anonymous_threshold_ratio,
            ratios.registered_threshold_ratio,
            ratios.paid_threshold_ratio,
            ratios.hard_limit_threshold_ratio,
        ];
        assert_eq!(shown.map(|ratio| ratio.as_f64()), [0.1, 0.2, 0.3, 0.4]);
    }
}
