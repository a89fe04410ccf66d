//! Which known deviation explains a difference: by its path, its direction and the evidence in both payloads.

use serde_json::Value;

use super::difference::Difference;
use super::evidence::Evidence;
use super::known::Known;

/// The name of the instance that a server shows while no process runs; see `leaves`.
const OWN_INSTANCE: &str = "(this server)";
/// Where numbers of processes and instances are.
const PROCESS_AREAS: [&str; 7] = [
    "components",
    "instances",
    "global_stats",
    "capacity_transparency",
    "redis_info",
    "db_connections",
    "backpressure_policy",
];
/// Where capacity and what follows from it are.
const CAPACITY_AREAS: [&str; 9] = [
    "capacity_info",
    "capacity_transparency",
    "enhanced_queue_stats",
    "backpressure_policy",
    "queue_stats",
    "queue_analytics",
    "queue_utilization",
    "redis_info",
    "db_connections",
];
/// Parts of a component that processes that stopped do not change.
const NOT_PROCESSES: [&str; 6] = ["queue", "latency", "sse", "pools_aggregate", "load", "capacity"];
/// Sections that hold the gateway configuration.
const CONFIGURATION: [&str; 3] = ["gateway_configuration", "gateway_config_raw", "gateway_config_components"];

type Rule = fn(&Difference, &Evidence) -> bool;

/// In the order in which they are tried: the narrow ones first.
const RULES: [(Known, Rule); 10] = [
    (Known::HiddenSettings, hidden_setting),
    (Known::Windows, window),
    (Known::NoCapacity, no_capacity),
    (Known::ZeroIsAValue, zero),
    (Known::UnreadableHeartbeat, empty_instance),
    (Known::HealthWords, misread),
    (Known::Draining, drained),
    (Known::QuietSse, quiet_sse),
    (Known::GatewayComponent, ingress_section),
    (Known::OneLimit, one_limit),
];

/// The deviation that explains a difference of two payloads.
pub(super) fn recognize(difference: &Difference, evidence: &Evidence) -> Option<Known> {
    RULES.iter().find(|(_, explains)| explains(difference, evidence)).map(|(known, _)| *known)
}

fn hidden_setting(difference: &Difference, _: &Evidence) -> bool {
    let path = &difference.path;
    let hidden = path.has("redis_url") || path.has("data_bus");
    hidden && CONFIGURATION.contains(&path.first()) && difference.own.is_none()
}

fn window(difference: &Difference, _: &Evidence) -> bool {
    let path = &difference.path;
    let area = ["components", "connection_pools"].contains(&path.first());
    area && ["windows", "utilization_windows", "in_use_windows"].iter().any(|key| path.has(key))
}

fn no_capacity(difference: &Difference, evidence: &Evidence) -> bool {
    let path = &difference.path;
    let utilization = path.first() == "queue_utilization"
        || path.starts_with(&["backpressure_policy", "capacity_scaling", "utilization_percent"]);
    evidence.no_capacity && utilization && numbers(difference) == Some((0.0, 100.0))
}

fn zero(difference: &Difference, _: &Evidence) -> bool {
    difference.path.has("latency")
        && difference.own.as_ref().and_then(Value::as_f64) == Some(0.0)
        && difference.theirs.as_ref().is_none_or(Value::is_null)
}

fn empty_instance(difference: &Difference, evidence: &Evidence) -> bool {
    let path = &difference.path;
    let empty = &evidence.empty_instances;
    if path.first() == "instances" {
        let substitute = path.key(1) == OWN_INSTANCE && difference.theirs.is_none() && !empty.is_empty();
        return empty.contains(path.key(1)) || substitute;
    }
    let counted = path.last().contains("instances") || path.last() == "process_keys_found";
    counted && more_here(&swapped(difference), empty.len())
}

fn misread(difference: &Difference, evidence: &Evidence) -> bool {
    let path = &difference.path;
    let most = usize::try_from(evidence.misread).unwrap_or(usize::MAX);
    if most == 0 || !PROCESS_AREAS.contains(&path.first()) {
        return false;
    }
    match path.last() {
        "health_statuses" => texts(difference) == Some(("healthy", "unhealthy")),
        "health" => texts(difference).is_some_and(|(theirs, own)| rank(theirs) < rank(own)),
        "capacity_warnings" => true,
        "unhealthy" => more_here(difference, most),
        "process_deficit" => more_here(difference, most),
        key if key.ends_with("health_ratio") => numbers(difference).is_some_and(|(theirs, own)| theirs > own),
        key if key.contains("healthy") => more_here(&swapped(difference), most),
        _ => false,
    }
}

fn drained(difference: &Difference, evidence: &Evidence) -> bool {
    let path = &difference.path;
    if evidence.drained.is_empty() || !(PROCESS_AREAS.contains(&path.first()) || path.first() == "autoscaler") {
        return false;
    }
    let one_sided = difference.theirs.is_none() || difference.own.is_none();
    if one_sided && (path.has("instances") || path.has("by_pid")) {
        let substitute = path.key(1) == OWN_INSTANCE && difference.own.is_none();
        let is_gone = evidence.drained_instances.iter().any(|id| path.has(id));
        return substitute || is_gone || path.last() == "stale" || evidence.drained.iter().any(|pid| path.has(pid));
    }
    match path.last() {
        "capacity_warnings" | "draining" | "max_age_seconds" | "ports" => true,
        "health" => texts(difference).is_some_and(|(theirs, own)| rank(theirs) < rank(own)),
        key if key.ends_with("health_ratio") => numbers(difference).is_some_and(|(theirs, own)| theirs > own),
        "instance_count" => more_here(difference, evidence.drained.len()),
        _ if NOT_PROCESSES.iter().any(|key| path.has(key)) => false,
        // What is configured by instance grows by more than the processes that stopped.
        key if ["expected", "configured", "estimated", "missing", "percent_of_max"]
            .iter()
            .any(|part| key.contains(part)) =>
        {
            more_here(difference, usize::MAX)
        }
        _ => more_here(difference, evidence.drained.len()),
    }
}

fn quiet_sse(difference: &Difference, evidence: &Evidence) -> bool {
    let path = &difference.path;
    let hint = path.starts_with(&["autoscaler", "ingress"]);
    let sse = path.starts_with(&["components", "ingress", "sse"]) || path.first() == "sse_connections";
    let missing = difference.theirs.as_ref().is_none_or(Value::is_null) || difference.own.is_none();
    let more = numbers(difference).is_some_and(|(theirs, own)| own > theirs);
    // More connections and a higher limit: their quotient may go either way.
    evidence.more_sse && (hint || (sse && (missing || more || path.last() == "utilization_percent")))
}

fn ingress_section(difference: &Difference, evidence: &Evidence) -> bool {
    let path = &difference.path;
    let configured = path.first() == "gateway_configuration" || path.starts_with(&["autoscaler", "proc"]);
    evidence.ingress_section && (configured || follows_capacity(difference))
}

fn one_limit(difference: &Difference, evidence: &Evidence) -> bool {
    evidence.old_heartbeat && follows_capacity(difference)
}

/// Whether a value is computed from the capacity; the depths of queues are not.
fn follows_capacity(difference: &Difference) -> bool {
    let path = &difference.path;
    let depth = path.first() == "queue_stats" && !path.has("capacity_context");
    let queue = path.starts_with(&["components", "proc", "queue"]) && path.last() != "total";
    let size =
        ["total_queue", "size", "avg_wait", "throughput"].contains(&path.last()) || path.last().ends_with("_queue");
    queue || (CAPACITY_AREAS.contains(&path.first()) && !depth && !size)
}

/// Whether our number is larger by at least one and at most `most`. A path that only we have counts from 0.
fn more_here(difference: &Difference, most: usize) -> bool {
    let number = |value: &Option<Value>| value.as_ref().map_or(Some(0.0), Value::as_f64);
    let Some((theirs, own)) = number(&difference.theirs).zip(number(&difference.own)) else { return false };
    let most = u32::try_from(most).unwrap_or(u32::MAX);
    own - theirs > 0.0 && own - theirs <= f64::from(most)
}

fn swapped(difference: &Difference) -> Difference {
    Difference { path: difference.path.clone(), theirs: difference.own.clone(), own: difference.theirs.clone() }
}

fn numbers(difference: &Difference) -> Option<(f64, f64)> {
    difference.theirs.as_ref()?.as_f64().zip(difference.own.as_ref()?.as_f64())
}

fn texts(difference: &Difference) -> Option<(&str, &str)> {
    difference.theirs.as_ref()?.as_str().zip(difference.own.as_ref()?.as_str())
}

/// From best to worst.
fn rank(health: &str) -> u8 {
    match health {
        "healthy" => 0,
        "degraded" => 1,
        _ => 2,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::json;

    use super::super::leaves::Path;
    use super::*;

    fn set(id: &str) -> BTreeSet<String> {
        BTreeSet::from([id.to_owned()])
    }

    fn every_cause() -> Evidence {
        Evidence {
            misread: 1,
            drained: set("7"),
            drained_instances: set("p-2"),
            empty_instances: set("ghost"),
            old_heartbeat: true,
            more_sse: true,
            no_capacity: true,
            ingress_section: true,
        }
    }

    fn of(path: &str, theirs: Value, own: Value) -> Difference {
        let there = |value: Value| (value != json!("-")).then_some(value);
        Difference { path: Path::of(path), theirs: there(theirs), own: there(own) }
    }

    /// `-` = the path is not there.
    fn recognized() -> Vec<(Known, Difference)> {
        vec![
            (Known::HiddenSettings, of("gateway_config_raw.redis_url", json!("redis://h"), json!("-"))),
            (Known::HiddenSettings, of("gateway_configuration.data_bus.limit", json!(1), json!("-"))),
            (Known::Windows, of("components.proc.queue.windows.depth.1m", json!(3.0), json!(2.0))),
            (
                Known::Windows,
                of("components.proc.pools_aggregate.postgres.in_use_windows.max", json!(3.0), json!(null)),
            ),
            (Known::NoCapacity, of("queue_utilization", json!(0), json!(100.0))),
            (Known::ZeroIsAValue, of("components.proc.latency.exec_ms.1m.p95", json!(null), json!(0.0))),
            (Known::UnreadableHeartbeat, of("instances.ghost.chat_proc.processes", json!(0), json!("-"))),
            (Known::UnreadableHeartbeat, of("global_stats.total_instances", json!(3), json!(2))),
            (Known::HealthWords, of("instances.p.s.by_pid.1.health_statuses", json!("healthy"), json!("unhealthy"))),
            (Known::HealthWords, of("instances.p.s.health", json!("healthy"), json!("degraded"))),
            (Known::HealthWords, of("global_stats.healthy", json!(2), json!(1))),
            (Known::HealthWords, of("components.proc.instances.p.statuses.unhealthy", json!("-"), json!(1))),
            (Known::Draining, of("instances.p.s.by_pid.7.loads", json!("-"), json!(0))),
            (Known::Draining, of("components.proc.instances.p-2.draining", json!("-"), json!(true))),
            (Known::Draining, of("components.proc.expected_processes", json!(4), json!(8))),
            (Known::Draining, of("global_stats.actual", json!(4), json!(5))),
            (Known::QuietSse, of("components.ingress.sse.total_connections", json!(4), json!(5))),
            (Known::QuietSse, of("sse_connections", json!(null), json!("-"))),
            (Known::QuietSse, of("autoscaler.ingress.decision", json!("hold"), json!("scale_up"))),
            (Known::GatewayComponent, of("gateway_configuration.pools.pg_max_connections", json!(null), json!(9))),
            (Known::GatewayComponent, of("capacity_info.weighted_max_capacity", json!(14), json!(28))),
        ]
    }

    #[test]
    fn each_deviation_is_recognized_with_evidence() {
        for (known, difference) in recognized() {
            assert_eq!(recognize(&difference, &every_cause()), Some(known), "{difference:?}");
        }
        let old = Evidence { old_heartbeat: true, ..Evidence::default() };
        let capacity = of("components.proc.queue.pressure_ratio", json!(0.5), json!(1.0));
        assert_eq!(recognize(&capacity, &old), Some(Known::OneLimit));
    }

    #[test]
    fn without_evidence_only_what_the_path_alone_shows_is_recognized() {
        let by_path = [Known::HiddenSettings, Known::Windows, Known::ZeroIsAValue];
        for (known, difference) in recognized() {
            let expected = by_path.contains(&known).then_some(known);
            assert_eq!(recognize(&difference, &Evidence::default()), expected, "{difference:?}");
        }
    }

    #[test]
    fn other_directions_amounts_and_places_stay_unexplained() {
        let table = [
            of("queue_stats.total", json!(3), json!(4)),
            of("queue_stats.paid", json!(4), json!(3)),
            of("enhanced_queue_stats.paid_queue", json!(4), json!(3)),
            of("components.proc.queue.total", json!(4), json!(3)),
            of("components.proc.load", json!(3), json!(4)),
            of("queue_utilization_other", json!(0), json!(100.0)),
            of("global_stats.healthy", json!(3), json!(1)),
            of("global_stats.actual", json!(5), json!(4)),
            of("instances.p.s.by_pid.1.health_statuses", json!("unhealthy"), json!("healthy")),
            of("instances.p.s.by_pid.8.loads", json!("-"), json!(0)),
            of("components.ingress.sse.total_connections", json!(6), json!(5)),
            of("components.proc.latency.exec_ms.1m.p95", json!(null), json!(0.5)),
            of("gateway_config_raw.redis_url", json!("-"), json!("redis://h")),
            of("throttling_windows.1m.total_throttled", json!(0), json!(3)),
            of("throttling_stats.rate_limit_429", json!(0), json!(3)),
            of("circuit_breakers.backpressure.state", json!("open"), json!("closed")),
        ];
        for difference in table {
            assert_eq!(recognize(&difference, &every_cause()), None, "{difference:?}");
        }
    }
}
