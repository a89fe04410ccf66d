//! What in two payloads shows that a known deviation is at work. Without evidence a difference is not explained by it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// The platform's life of a heartbeat key, seconds. Older ones are where the staleness limits differ.
const HEARTBEAT_LIFE: f64 = 30.0;
/// The sections of a gateway configuration that capacity is computed from.
const SECTIONS: [&str; 4] = ["service_capacity", "backpressure", "pools", "limits"];

/// The causes of one poll.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Evidence {
    /// Processes that are unhealthy here and healthy there.
    pub(super) misread: u64,
    /// Process ids that are known here only, and stale.
    pub(super) drained: BTreeSet<String>,
    /// Instances all of whose processes are such.
    pub(super) drained_instances: BTreeSet<String>,
    /// Instances that only the Python service shows, without a process.
    pub(super) empty_instances: BTreeSet<String>,
    /// A process is older than its heartbeat key lives.
    pub(super) old_heartbeat: bool,
    /// More SSE connections are known here.
    pub(super) more_sse: bool,
    /// Tasks are queued and there is no capacity.
    pub(super) no_capacity: bool,
    /// Theirs uses ingress' section of the gateway configuration, the own one the processor's.
    pub(super) ingress_section: bool,
}

impl Evidence {
    pub(super) fn of(theirs: &Value, own: &Value) -> Self {
        let (their_processes, processes) = (processes(theirs), processes(own));
        let misread = processes.iter().filter(|(id, process)| {
            process.status == "unhealthy" && their_processes.get(*id).is_some_and(|theirs| theirs.status == "healthy")
        });
        let gone =
            |id: &ProcessId, process: &Process<'_>| process.status == "stale" && !their_processes.contains_key(id);
        let drained = processes.iter().filter(|(id, process)| gone(id, process));
        let lives =
            |instance: &str| processes.iter().any(|(id, process)| id.instance == instance && !gone(id, process));
        let now = own.get("timestamp").and_then(Value::as_f64).unwrap_or_default();
        Self {
            misread: u64::try_from(misread.count()).unwrap_or(u64::MAX),
            drained: drained.clone().map(|(id, _)| id.pid.clone()).collect(),
            drained_instances: drained.map(|(id, _)| id.instance).filter(|id| !lives(id)).map(str::to_owned).collect(),
            empty_instances: empty_instances(theirs, own),
            old_heartbeat: processes.values().any(|process| now - process.heartbeat > HEARTBEAT_LIFE),
            more_sse: sse(own) > sse(theirs),
            no_capacity: whole(own, "/capacity_info/weighted_max_capacity") == Some(0)
                && whole(own, "/queue_stats/total").is_some_and(|queued| queued > 0),
            ingress_section: uses(theirs, "ingress") && uses(own, "proc") && !uses(own, "ingress"),
        }
    }
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct ProcessId<'a> {
    instance: &'a str,
    service: &'a str,
    pid: String,
}

struct Process<'a> {
    status: &'a str,
    heartbeat: f64,
}

fn services(system: &Value) -> impl Iterator<Item = (&String, &String, &Value)> {
    let instances = system.get("instances").and_then(Value::as_object).into_iter().flatten();
    instances.flat_map(|(instance, services)| {
        services.as_object().into_iter().flatten().map(move |(name, service)| (instance, name, service))
    })
}

fn processes(system: &Value) -> BTreeMap<ProcessId<'_>, Process<'_>> {
    services(system).flat_map(|(instance, service, stats)| of_service(instance, service, stats)).collect()
}

fn of_service<'a>(instance: &'a str, service: &'a str, stats: &'a Value) -> Vec<(ProcessId<'a>, Process<'a>)> {
    let list = |key: &str| stats.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let pids = list("pids").iter().zip(list("health_statuses")).zip(list("heartbeats"));
    let process = |((pid, status), heartbeat): ((&Value, &'a Value), &Value)| {
        let process = Process { status: status.as_str()?, heartbeat: heartbeat.as_f64()? };
        Some((ProcessId { instance, service, pid: pid.to_string() }, process))
    };
    pids.filter_map(process).collect()
}

fn empty_instances(theirs: &Value, own: &Value) -> BTreeSet<String> {
    let ids = |system: &Value| -> BTreeSet<String> {
        let instances = system.get("instances").and_then(Value::as_object);
        instances.into_iter().flatten().map(|(id, _)| id.clone()).collect()
    };
    let itself = theirs.pointer("/gateway_configuration/instance_id").and_then(Value::as_str);
    let occupied: BTreeSet<&str> = processes(theirs).into_keys().map(|id| id.instance).collect();
    let (theirs, own) = (ids(theirs), ids(own));
    let only_theirs = theirs.difference(&own).filter(|id| Some(id.as_str()) != itself);
    only_theirs.filter(|id| !occupied.contains(id.as_str())).cloned().collect()
}

/// Open connections; `None`, where there is no sample, is less than any number.
fn sse(system: &Value) -> Option<i64> {
    whole(system, "/sse_connections/total_connections")
}

fn whole(system: &Value, pointer: &str) -> Option<i64> {
    system.pointer(pointer).and_then(Value::as_i64)
}

/// Whether the configuration in force is that of the component.
fn uses(system: &Value, component: &str) -> bool {
    SECTIONS.iter().all(|section| {
        let in_force = system.pointer(&format!("/gateway_configuration/{section}"));
        in_force.is_some() && in_force == system.pointer(&format!("/gateway_config_components/{component}/{section}"))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn system(instance: &str, pids: &[i64], statuses: &[&str]) -> Value {
        let heartbeats = vec![99.0; pids.len()];
        let service = json!({"pids": pids, "health_statuses": statuses, "heartbeats": heartbeats});
        json!({"timestamp": 100.0, "instances": {instance: {"chat_proc": service}}})
    }

    #[test]
    fn equal_payloads_are_no_evidence() {
        let own = system("p", &[1, 2], &["healthy", "stale"]);
        assert_eq!(Evidence::of(&own, &own), Evidence::default());
        assert_eq!(Evidence::of(&json!({}), &json!({"instances": [1]})), Evidence::default());
    }

    #[test]
    fn a_status_that_is_misread_is_counted_by_process() {
        let own = system("p", &[1, 2, 3], &["unhealthy", "unhealthy", "healthy"]);
        for (theirs, misread) in [(["healthy"; 3], 2), (["unhealthy"; 3], 0), (["degraded"; 3], 0)] {
            assert_eq!(Evidence::of(&system("p", &[1, 2, 3], &theirs), &own).misread, misread, "{theirs:?}");
        }
        assert_eq!(Evidence::of(&system("q", &[1], &["healthy"]), &own).misread, 0);
    }

    #[test]
    fn stale_processes_that_only_we_know_have_stopped() {
        let own = system("p", &[1, 2], &["healthy", "stale"]);
        let evidence = Evidence::of(&system("p", &[1], &["healthy"]), &own);
        assert_eq!((evidence.drained.len(), evidence.drained_instances.len()), (1, 0));
        let evidence = Evidence::of(&json!({}), &system("p", &[2], &["stale"]));
        assert_eq!(evidence.drained_instances, BTreeSet::from(["p".to_owned()]));
        let evidence = Evidence::of(&json!({}), &system("p", &[2], &["healthy"]));
        assert_eq!(evidence.drained.len(), 0);
    }

    #[test]
    fn an_instance_without_processes_that_is_only_theirs_is_empty() {
        let own = system("p", &[1], &["healthy"]);
        let mut theirs = own.clone();
        theirs["instances"]["ghost"] = json!({"chat_proc": {"pids": [], "actual_processes": 0}});
        theirs["instances"]["busy"] = system("x", &[1], &["healthy"])["instances"]["x"].clone();
        theirs["instances"]["m-1"] = json!({});
        theirs["gateway_configuration"] = json!({"instance_id": "m-1"});
        assert_eq!(Evidence::of(&theirs, &own).empty_instances, BTreeSet::from(["ghost".to_owned()]));
    }

    #[test]
    fn capacity_sse_and_age_are_read_from_the_own_payload() {
        let own = |capacity: i64, queued: i64| json!({"capacity_info": {"weighted_max_capacity": capacity}, "queue_stats": {"total": queued}});
        for (capacity, queued, expected) in [(0, 1, true), (0, 0, false), (1, 1, false)] {
            assert_eq!(Evidence::of(&json!({}), &own(capacity, queued)).no_capacity, expected);
        }
        let sse = |count: Option<i64>| json!({"sse_connections": {"total_connections": count}});
        for (theirs, ours, more) in [(Some(1), Some(2), true), (None, Some(0), true), (Some(2), Some(1), false)] {
            assert_eq!(Evidence::of(&sse(theirs), &sse(ours)).more_sse, more);
        }
        for (now, old) in [(129.0, false), (129.5, true)] {
            let mut own = system("p", &[1], &["healthy"]);
            own["timestamp"] = json!(now);
            assert_eq!(Evidence::of(&own, &own).old_heartbeat, old);
        }
    }

    #[test]
    fn the_section_in_force_is_recognized_only_where_the_sections_differ() {
        let settings = |n: i64| json!({"service_capacity": n, "backpressure": n, "pools": n, "limits": n});
        let system = |in_force: i64, ingress: i64, proc: i64| {
            json!({
                "gateway_configuration": settings(in_force),
                "gateway_config_components": {"ingress": settings(ingress), "proc": settings(proc)},
            })
        };
        for (theirs, own, expected) in [
            (system(1, 1, 2), system(2, 1, 2), true),
            (system(2, 1, 2), system(2, 1, 2), false),
            (system(1, 1, 1), system(1, 1, 1), false),
            (json!({}), json!({}), false),
        ] {
            assert_eq!(Evidence::of(&theirs, &own).ingress_section, expected, "{theirs}");
        }
    }
}
