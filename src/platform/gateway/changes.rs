//! The figures of a configuration that decide about capacity and limits, and how two configurations differ in them.

use std::collections::BTreeMap;
use std::fmt;

use super::{Amount, GatewayConfig, GatewaySettings};
use crate::base::text::one_line;
use crate::platform::facts::Component;

/// A figure with two values; `None` where a configuration does not set it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FigureChange {
    pub name: String,
    pub old: Option<String>,
    pub new: Option<String>,
}

impl fmt::Display for FigureChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |value: &Option<String>| value.clone().unwrap_or_else(|| "unset".to_owned());
        write!(f, "{} {} -> {}", self.name, shown(&self.old), shown(&self.new))
    }
}

impl GatewayConfig {
    /// Capacity per instance, thresholds, and the limits of both components, by name.
    #[must_use]
    pub fn figures(&self) -> BTreeMap<String, String> {
        let mut figures = Figures::default();
        figures.add_capacity(self.settings());
        for component in Component::ALL {
            figures.add_component(component.as_str(), self.of(component));
        }
        figures.0
    }

    /// The figures in which `newer` differs, by name.
    #[must_use]
    pub fn changes_to(&self, newer: &Self) -> Vec<FigureChange> {
        let (old, new) = (self.figures(), newer.figures());
        let added = new.keys().filter(|name| !old.contains_key(*name));
        let mut names: Vec<&String> = old.keys().chain(added).collect();
        names.sort();
        let differing = names.into_iter().filter(|name| old.get(*name) != new.get(*name));
        differing
            .map(|name| FigureChange { name: name.clone(), old: old.get(name).cloned(), new: new.get(name).cloned() })
            .collect()
    }

    /// Whether `other` says the same, wherever it comes from.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        self.settings == other.settings
            && self.ingress == other.ingress
            && self.proc == other.proc
            && self.raw == other.raw
    }
}

#[derive(Default)]
struct Figures(BTreeMap<String, String>);

impl Figures {
    fn add_capacity(&mut self, settings: &GatewaySettings) {
        let processes = settings.service_capacity.processes_per_instance.whole();
        self.add("capacity_per_instance", settings.capacity(processes).total);
        let (kind, name) = settings.capacity_source();
        self.add("capacity_source", format!("{kind}:{name}"));
        self.add("heartbeat_timeout_seconds", &settings.monitoring.heartbeat_timeout_seconds);
        let backpressure = &settings.backpressure;
        for (name, amount) in [
            ("capacity_buffer", &backpressure.capacity_buffer),
            ("queue_depth_multiplier", &backpressure.queue_depth_multiplier),
            ("anonymous_pressure_threshold", &backpressure.anonymous_pressure_threshold),
            ("registered_pressure_threshold", &backpressure.registered_pressure_threshold),
            ("paid_pressure_threshold", &backpressure.paid_pressure_threshold),
            ("hard_limit_threshold", &backpressure.hard_limit_threshold),
        ] {
            self.add(name, amount);
        }
    }

    fn add_component(&mut self, component: &str, settings: &GatewaySettings) {
        let (limits, pools) = (&settings.limits, &settings.pools);
        for (name, amount) in [
            ("max_sse_connections_per_instance", &limits.max_sse_connections_per_instance),
            ("max_integrations_ops_concurrency", &limits.max_integrations_ops_concurrency),
            ("max_queue_size", &limits.max_queue_size),
            ("pg_pool_min_size", &pools.pg_pool_min_size),
            ("pg_pool_max_size", &pools.pg_pool_max_size),
            ("redis_max_connections", &pools.redis_max_connections),
            ("pg_max_connections", &pools.pg_max_connections),
        ] {
            self.add_given(&format!("{component}.{name}"), amount.as_ref());
        }
        for (role, limit) in &settings.rate_limits.roles {
            let text = format!("{}/h burst {} in {} s", limit.hourly, limit.burst, limit.burst_window);
            self.add(&format!("{component}.rate_limits.{role}"), text);
        }
    }

    fn add_given(&mut self, name: &str, amount: Option<&Amount>) {
        if let Some(amount) = amount {
            self.add(name, amount);
        }
    }

    /// Names of roles and sources may hold anything; a figure is part of one line.
    fn add(&mut self, name: &str, value: impl fmt::Display) {
        self.0.insert(one_line(name), one_line(&value.to_string()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::gateway::tests::read_config;

    fn config(more: &str) -> GatewayConfig {
        read_config(&format!(r#"{{"tenant": "a", "project": "b", {more}}}"#))
    }

    fn changes(old: &str, new: &str) -> Vec<String> {
        config(old).changes_to(&config(new)).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn every_figure_that_decides_about_capacity_or_limits_shows_its_change() {
        let nothing = r#""profile": "development""#;
        for (new, expected) in [
            (
                r#""service_capacity": {"concurrent_requests_per_process": 50}"#,
                &["capacity_per_instance 14 -> 140"][..],
            ),
            (r#""backpressure": {"hard_limit_threshold": 1}"#, &["hard_limit_threshold 0.95 -> 1"]),
            (r#""monitoring": {"heartbeat_timeout_seconds": 60}"#, &["heartbeat_timeout_seconds 45 -> 60"]),
            (r#""backpressure": {"capacity_source_component": "rest"}"#, &["capacity_source chat:proc -> chat:rest"]),
            (
                r#""limits": {"ingress": {"max_sse_connections_per_instance": 200}, "proc": {"max_queue_size": 7}}"#,
                &["ingress.max_sse_connections_per_instance unset -> 200", "proc.max_queue_size unset -> 7"],
            ),
            (
                r#""rate_limits": {"ingress": {"anonymous": {"hourly": 1}, "registered": {"hourly": 600, "burst": 30},
                    "paid": {"hourly": 2000, "burst": 60}, "privileged": {"hourly": -1, "burst": 200}}, "proc": {}}"#,
                &["ingress.rate_limits.anonymous 120/h burst 10 in 60 s -> 1/h burst 5 in 60 s"],
            ),
            (r#""profile": "production""#, &[]),
        ] {
            assert_eq!(changes(nothing, new), expected, "{new}");
        }
    }

    #[test]
    fn the_same_configuration_has_no_changes_and_a_change_reads_backwards_too() {
        let (none, some) = (r#""profile": "testing""#, r#""pools": {"pg_max_connections": 100}"#);
        assert!(changes(some, some).is_empty() && config(some).is_same(&config(some)));
        assert!(!config(some).is_same(&config(none)));
        let expected = ["ingress.pg_max_connections 100 -> unset", "proc.pg_max_connections 100 -> unset"];
        assert_eq!(changes(some, none), expected);
    }

    #[test]
    fn figures_are_parts_of_one_line() {
        let figures = config(r#""rate_limits": {"x\ny": {"burst": 1}}"#).figures();
        assert!(figures.keys().any(|name| name.contains('x')), "{figures:?}");
        assert!(figures.iter().all(|(name, value)| !format!("{name}{value}").contains(char::is_control)));
    }
}
