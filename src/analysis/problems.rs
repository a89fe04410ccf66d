//! What is wrong with the deployment as this tick found it, one problem a subject.

use std::collections::BTreeMap;

use super::state::{Process, Quality, Service, SystemState};
use crate::platform::facts::{Facts, InputKind, Scope, Unreadable};
use crate::platform::keys::Keys;
use crate::problems::code::code;
use crate::problems::{Problem, ProblemCode};

const SCOPE_NOT_FOUND: ProblemCode = code("scope_not_found");
const NO_WORKERS: ProblemCode = code("no_workers");
const NO_CAPACITY: ProblemCode = code("no_capacity");
const WORKER_SILENT: ProblemCode = code("worker_silent");
const DEGRADED_WRITE: ProblemCode = code("degraded_write");
const SSE_COUNT_UNKNOWN: ProblemCode = code("sse_count_unknown");
const SERIES_UNREADABLE: ProblemCode = code("series_unreadable");
const MALFORMED_INPUT: ProblemCode = code("malformed_input");

/// All problems of the tick, those of the gateway configuration excepted: its store knows them.
pub(super) fn problems(state: &SystemState, facts: &Facts, keys: &Keys) -> Vec<Problem> {
    if state.quality == Quality::ScopeNotFound {
        return vec![scope_not_found(state.scope.as_deref())];
    }
    let mut problems = workers(state);
    problems.extend(facts.unreadable.iter().filter_map(|unreadable| series(*unreadable, facts, keys)));
    let noted = facts.malformed.iter().filter_map(|malformed| {
        let code = code_of(malformed.kind)?;
        Some(Problem::new(code, malformed.key.as_str(), malformed.problem.as_str()))
    });
    problems.extend(noted);
    problems.extend(facts.sse_unknown.iter().map(|worker| {
        let detail = "its last count may have changed while nobody looked, or is that of an earlier process";
        Problem::new(SSE_COUNT_UNKNOWN, keys.sse(worker), detail)
    }));
    problems
}

fn scope_not_found(scope: Option<&Scope>) -> Problem {
    let subject = scope.map(ToString::to_string).unwrap_or_default();
    let detail = format!("no key of {subject} is in this Redis: no metric of the deployment is exported");
    Problem::new(SCOPE_NOT_FOUND, subject, detail)
}

fn workers(state: &SystemState) -> Vec<Problem> {
    let Some(fleet) = state.fleet.known() else { return Vec::new() };
    if !fleet.processes().any(Process::is_live) {
        return vec![Problem::new(NO_WORKERS, "", "no process has a heartbeat that still counts")];
    }
    let of_instance = |(instance, services): (&String, _)| of_processes(instance, services);
    let mut problems: Vec<Problem> = fleet.instances.iter().flat_map(of_instance).collect();
    if state.capacity.total.get() == Some(0) {
        problems.push(Problem::new(NO_CAPACITY, "", "no processor accepts new tasks"));
    }
    problems
}

fn of_processes(instance: &str, services: &BTreeMap<Service, Vec<Process>>) -> Vec<Problem> {
    let named =
        services.iter().flat_map(|(service, processes)| processes.iter().map(move |process| (service, process)));
    named.filter_map(|(service, process)| of_process(&name(instance, service, process), process)).collect()
}

fn name(instance: &str, service: &Service, process: &Process) -> String {
    let pid = process.pid.map_or_else(|| "?".to_owned(), |pid| pid.to_string());
    format!("{instance}/{}:{}/{pid}", service.kind, service.name)
}

fn of_process(name: &str, process: &Process) -> Option<Problem> {
    if process.is_marked_by_failed_write() {
        let detail = format!("UNHEALTHY at a load of {} of {}", process.load, process.capacity);
        return Some(Problem::new(DEGRADED_WRITE, name, detail));
    }
    if !process.is_live() {
        return Some(Problem::new(WORKER_SILENT, name, format!("silent for {:.0} s", process.age)));
    }
    None
}

fn series(unreadable: Unreadable, facts: &Facts, keys: &Keys) -> Option<Problem> {
    let key = match unreadable {
        Unreadable::Latency(series) => keys.latency(series),
        Unreadable::Throttling => keys.throttling_events(),
        _ => return None,
    };
    let noted = facts.malformed.iter().find(|malformed| malformed.key == key);
    let detail = noted.map_or("it cannot be read", |malformed| malformed.problem.as_str()).to_owned();
    Some(Problem::new(SERIES_UNREADABLE, key, detail))
}

/// The code of an input that is malformed; `None` where another part reports it.
const fn code_of(kind: InputKind) -> Option<ProblemCode> {
    const HEARTBEAT: ProblemCode = code("heartbeat_unreadable");
    const SSE: ProblemCode = code("sse_count_unknown");
    const QUEUE: ProblemCode = code("queue_unreadable");
    const ANALYTICS: ProblemCode = code("analytics_unreadable");
    const CIRCUIT: ProblemCode = code("circuit_unreadable");
    const REQUESTS: ProblemCode = code("requests_unreadable");
    match kind {
        InputKind::Heartbeat => Some(HEARTBEAT),
        InputKind::SseSample => Some(SSE),
        InputKind::QueueDepth => Some(QUEUE),
        InputKind::QueueAnalytics => Some(ANALYTICS),
        InputKind::Circuit => Some(CIRCUIT),
        InputKind::HourlyRequests => Some(REQUESTS),
        InputKind::GatewayConfig => None,
        InputKind::SeriesMember | InputKind::ThrottlingEvent | InputKind::Index | InputKind::Upstream => {
            Some(MALFORMED_INPUT)
        }
    }
}
