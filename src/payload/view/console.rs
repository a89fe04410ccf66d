//! `/monitoring/system` as ingress shows it to the platform's console: the system payload with some sections rearranged.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{circuits, system};
use crate::analysis::state::{Breaker, SystemState};
use crate::payload::shapes::{
    CircuitBreakersView, CircuitSummary, ConsoleBackpressure, ConsoleCapacity, ConsoleConfiguration, ConsoleGateway,
    ConsoleSections, ExpectedService, QueuePolicy, SystemPayload,
};
use crate::platform::facts::CircuitState;
use crate::platform::gateway::{GatewayConfig, GatewayOrigin, GatewaySettings};

/// The payload of `/monitoring/system`.
///
/// # Errors
/// None in practice: a payload has no key and no number that JSON cannot hold.
pub fn console(state: &SystemState) -> serde_json::Result<Value> {
    let payload = system(state);
    let sections = serde_json::to_value(sections(state, &payload))?;
    let mut shown = serde_json::to_value(payload)?;
    if let (Value::Object(shown), Value::Object(sections)) = (&mut shown, sections) {
        shown.extend(sections);
    }
    Ok(shown)
}

/// The payload of `/admin/circuit-breakers`.
#[must_use]
pub fn circuit_breakers(state: &SystemState) -> CircuitBreakersView {
    let count = |wanted| state.circuits.values().filter(|Breaker { shown, .. }| *shown == Some(wanted)).count();
    CircuitBreakersView {
        summary: CircuitSummary {
            total_circuits: state.circuits.len(),
            open_circuits: count(CircuitState::Open),
            half_open_circuits: count(CircuitState::HalfOpen),
            closed_circuits: count(CircuitState::Closed),
        },
        circuits: circuits::breakers(state),
    }
}

fn sections(state: &SystemState, payload: &SystemPayload) -> ConsoleSections {
    let settings = state.gateway.known().map(|gateway| gateway.settings());
    let capacity = settings.map(|settings| capacity(state, payload, settings));
    let both = settings.zip(capacity);
    ConsoleSections {
        circuit_breakers: circuit_breakers(state),
        gateway_config_source: state.gateway.known().map(|gateway| source(gateway)),
        gateway_configuration: both.clone().map(|(settings, capacity)| gateway(settings, capacity)),
        configuration: both.map(|(settings, capacity)| configuration(payload, settings, capacity)),
    }
}

/// Where the configuration comes from, in the platform's words.
fn source(gateway: &GatewayConfig) -> &'static str {
    match gateway.origin() {
        _ if gateway.is_forced() => "env (forced)",
        GatewayOrigin::Saved | GatewayOrigin::Published => "redis-cache",
        GatewayOrigin::Environment if !gateway.raw().is_empty() => "env (GATEWAY_CONFIG_JSON)",
        GatewayOrigin::Environment | GatewayOrigin::Yaml => "env",
    }
}

fn gateway(settings: &GatewaySettings, capacity: ConsoleCapacity) -> ConsoleGateway {
    ConsoleGateway {
        current_profile: settings.profile.clone(),
        instance_id: settings.instance_id.clone(),
        tenant_id: settings.tenant_id.clone(),
        display_name: settings.display_name.clone(),
        guarded_rest_patterns: settings.guarded_rest_patterns.clone(),
        bypass_throttling_patterns: settings.bypass_throttling_patterns.clone(),
        rate_limits: settings.rate_limits.roles.clone(),
        service_capacity: capacity,
        backpressure_settings: backpressure(settings),
        circuit_breaker_settings: settings.circuit_breakers.clone(),
        monitoring_settings: settings.monitoring.clone(),
    }
}

fn capacity(state: &SystemState, payload: &SystemPayload, settings: &GatewaySettings) -> ConsoleCapacity {
    let service = &settings.service_capacity;
    let runtime = &payload.capacity_transparency.capacity_metrics.actual_runtime;
    let (concurrent, hourly) = match state.capacity.source.known() {
        Some(_) => (runtime.actual_concurrent_per_instance.into(), runtime.actual_theoretical_hourly_per_instance),
        None => (
            service.concurrent_requests_per_instance.clone(),
            settings.computed_metrics.theoretical_throughput_per_instance,
        ),
    };
    ConsoleCapacity {
        concurrent_requests_per_instance: concurrent,
        avg_processing_time_seconds: service.avg_processing_time_seconds.clone(),
        requests_per_hour: hourly,
    }
}

fn backpressure(settings: &GatewaySettings) -> ConsoleBackpressure {
    let backpressure = &settings.backpressure;
    ConsoleBackpressure {
        capacity_buffer: backpressure.capacity_buffer.clone(),
        queue_depth_multiplier: backpressure.queue_depth_multiplier.clone(),
        anonymous_pressure_threshold: backpressure.anonymous_pressure_threshold.clone(),
        registered_pressure_threshold: backpressure.registered_pressure_threshold.clone(),
        paid_pressure_threshold: backpressure.paid_pressure_threshold.clone(),
        hard_limit_threshold: backpressure.hard_limit_threshold.clone(),
    }
}

fn configuration(
    payload: &SystemPayload,
    settings: &GatewaySettings,
    capacity: ConsoleCapacity,
) -> ConsoleConfiguration {
    ConsoleConfiguration {
        expected_services: expected_services(payload),
        queue_policy: QueuePolicy { service_capacity: capacity, backpressure_thresholds: backpressure(settings) },
        computed_metrics: payload.capacity_transparency.capacity_metrics.actual_runtime.clone(),
    }
}

fn expected_services(payload: &SystemPayload) -> BTreeMap<String, Vec<ExpectedService>> {
    let instances = payload.instances.iter().map(|(instance, services)| {
        let services = services
            .iter()
            .map(|(key, stats)| ExpectedService { service_key: key.clone(), expected_processes: stats.processes });
        (instance.clone(), services.collect())
    });
    instances.collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;
    use crate::analysis::recorded::Case;
    use crate::analysis::state::{Capacity, Cause, Reading};
    use crate::platform::facts::{Circuit, Component};
    use crate::platform::gateway::GatewayContext;

    fn case(name: &str) -> Case {
        Case::all().into_iter().find(|case| case.name == name).unwrap()
    }

    #[test]
    fn everything_but_the_rearranged_sections_is_the_system_payload() {
        const REARRANGED: [&str; 4] =
            ["circuit_breakers", "gateway_config_source", "gateway_configuration", "configuration"];
        for case in Case::all() {
            let state = case.state();
            let (mut shown, mut payload) = (console(&state).unwrap(), serde_json::to_value(system(&state)).unwrap());
            for fields in [&mut shown, &mut payload].map(|value| value.as_object_mut().unwrap()) {
                fields.retain(|key, _| !REARRANGED.contains(&key.as_str()));
            }
            assert_eq!(shown, payload, "{}", case.name);
        }
    }

    #[test]
    fn the_gateway_is_shown_under_the_consoles_names() {
        let case = case("fleet-component-config");
        let (shown, recorded) = (console(&case.state()).unwrap(), &case.system);
        let (gateway, settings) = (&shown["gateway_configuration"], &recorded["gateway_configuration"]);
        for (here, there) in [
            ("current_profile", "profile"),
            ("instance_id", "instance_id"),
            ("tenant_id", "tenant_id"),
            ("display_name", "display_name"),
            ("guarded_rest_patterns", "guarded_rest_patterns"),
            ("circuit_breaker_settings", "circuit_breakers"),
            ("monitoring_settings", "monitoring"),
        ] {
            assert!(!gateway[here].is_null());
            assert_eq!(gateway[here], settings[there], "{here}");
        }
        assert_eq!(gateway["rate_limits"], settings["rate_limits"]["roles"]);
        let thresholds = gateway["backpressure_settings"].as_object().unwrap();
        assert_eq!(thresholds.len(), 6);
        assert!(thresholds.iter().all(|(key, value)| settings["backpressure"][key] == *value));
        let runtime = &recorded["capacity_transparency"]["capacity_metrics"]["actual_runtime"];
        let capacity = &gateway["service_capacity"];
        assert_eq!(capacity["concurrent_requests_per_instance"], runtime["actual_concurrent_per_instance"]);
        assert_eq!(capacity["requests_per_hour"], runtime["actual_theoretical_hourly_per_instance"]);
        assert_eq!(shown["configuration"]["computed_metrics"], *runtime);
        assert_eq!(shown["configuration"]["queue_policy"]["service_capacity"], *capacity);
    }

    #[test]
    fn the_source_of_the_configuration_is_named_as_the_platform_does() {
        let context = |forced| GatewayContext {
            component: Component::Proc,
            instance_id: "m",
            tenant: Some("acme"),
            project: Some("chat"),
            forced,
        };
        let environment = |forced| GatewayConfig::from_env_json(r#"{"profile": "testing"}"#, &context(forced)).unwrap();
        let saved = environment(false).with_saved_json(r#"{"profile": "production"}"#);
        let update = r#"{"tenant": "acme", "project": "chat", "config": {"profile": "production"}}"#;
        for (gateway, expected) in [
            (environment(false), "env (GATEWAY_CONFIG_JSON)"),
            (environment(true), "env (forced)"),
            (GatewayConfig::of_scope(&context(false)).unwrap(), "env"),
            (GatewayConfig::from_yaml("profile: testing", "gateway.yaml", &context(false)).unwrap(), "env"),
            (saved.unwrap(), "redis-cache"),
            (environment(true).with_update_message(update).unwrap(), "redis-cache"),
        ] {
            let state = SystemState { gateway: Reading::Value(Arc::new(gateway)), ..SystemState::default() };
            assert_eq!(console(&state).unwrap()["gateway_config_source"], expected);
        }
    }

    #[test]
    fn services_are_expected_on_each_instance() {
        let case = case("fleet-component-config");
        let shown = console(&case.state()).unwrap();
        let expected = shown["configuration"]["expected_services"].as_object().unwrap();
        let instances = case.system["instances"].as_object().unwrap();
        assert!(expected.len() == instances.len() && !expected.is_empty());
        for (instance, services) in expected {
            for service in services.as_array().unwrap() {
                let stats = &instances[instance][service["service_key"].as_str().unwrap()];
                assert_eq!(service["expected_processes"], stats["processes"]);
            }
        }
    }

    #[test]
    fn circuits_are_summed_up_and_an_unknown_one_counts_in_the_total_only() {
        let mut state = case("circuits").state();
        let view = circuit_breakers(&state);
        let summary = view.summary;
        assert_eq!(summary.total_circuits, view.circuits.len());
        let counted = summary.open_circuits + summary.half_open_circuits + summary.closed_circuits;
        assert_eq!((counted, summary.open_circuits > 0), (summary.total_circuits, true));
        assert_eq!(view.circuits, system(&state).circuit_breakers);
        state.circuits = Circuit::ALL.map(|circuit| (circuit, Breaker::default())).into();
        let unknown = CircuitSummary { total_circuits: Circuit::ALL.len(), ..CircuitSummary::default() };
        assert_eq!(circuit_breakers(&state).summary, unknown);
    }

    #[test]
    fn without_a_capacity_source_the_configured_capacity_is_shown() {
        let mut state = case("fleet-component-config").state();
        state.capacity = Capacity { source: Reading::absent(Cause::Unreadable), ..Capacity::default() };
        let shown = console(&state).unwrap();
        let configured = &system(&state).gateway_configuration;
        let capacity = &shown["gateway_configuration"]["service_capacity"];
        let concurrent = &configured.service_capacity.concurrent_requests_per_instance;
        assert_eq!(capacity["concurrent_requests_per_instance"].as_f64(), Some(concurrent.as_f64()));
        assert_eq!(capacity["requests_per_hour"], configured.computed_metrics.theoretical_throughput_per_instance);
    }

    #[test]
    fn of_nothing_the_sections_are_null() {
        let shown = console(&SystemState::default()).unwrap();
        for key in ["gateway_config_source", "gateway_configuration", "configuration"] {
            assert_eq!(shown[key], Value::Null, "{key}");
        }
        assert_eq!(shown["circuit_breakers"]["circuits"], json!({}));
    }
}
