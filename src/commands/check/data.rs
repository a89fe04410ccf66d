//! What `check` reports on the data: one tick as the server takes it, which writes nothing, and what it finds wrong.

use std::sync::Arc;
use std::time::Duration;

use super::{Finding, FindingStatus, finding};
use crate::analysis::SystemState;
use crate::analysis::state::{Process, Quality, Service};
use crate::app::{self, Writes};
use crate::base::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::engine::tick::{RecordMode, Tick};
use crate::platform::facts::Component;
use crate::problems::code::code;
use crate::problems::{Problem, ProblemCode, Severity};
use crate::telemetry::Telemetry;

/// Without it there is no signal of the processors at all.
const QUEUE_UNREADABLE: ProblemCode = code("queue_unreadable");

/// Most problems that are listed.
const MOST: usize = 100;

/// A long history may take longer than a tick.
const HISTORY: Duration = Duration::from_secs(30);

/// For a source that answered; another one has been reported.
pub(super) async fn findings(config: &Config) -> Vec<Finding> {
    match tick(config).await {
        Ok((tick, problems)) => {
            let mut found = facts(&tick.state);
            found.extend(of_problems(&problems));
            found
        }
        Err(problem) => vec![finding("data", FindingStatus::Failed, problem)],
    }
}

/// A tick, and everything that it found wrong, the most severe first.
async fn tick(config: &Config) -> Result<(Tick, Vec<Problem>), String> {
    let telemetry = Arc::new(Telemetry::default());
    let built = app::ticker(config, &SystemClock, &telemetry, None, Writes::Nothing);
    let (mut ticker, _) = built.map_err(|error| format!("{error:#}"))?;
    let limit = ticker.time_limit() + HISTORY;
    let taken = tokio::time::timeout(limit, ticker.tick(SystemClock.now(), RecordMode::No)).await;
    let tick = taken.map_err(|_| format!("not read within {limit:?}"))?.map_err(|error| error.to_string())?;
    let mut problems = tick.problems();
    problems.extend(ticker.problems());
    problems.sort_by_key(|problem| std::cmp::Reverse(problem.code.severity()));
    Ok((tick, problems))
}

/// What there is: the configuration in force with its arithmetic, processes, and the queue.
fn facts(state: &SystemState) -> Vec<Finding> {
    if state.quality == Quality::ScopeNotFound {
        return Vec::new();
    }
    let gateway = state.gateway.known().map(|gateway| {
        let arithmetic = gateway.capacity_arithmetic();
        let origin = gateway.origin().as_str();
        finding("gateway", FindingStatus::Ok, format!("from {origin}; capacity of an instance: {arithmetic}"))
    });
    let queue = state.queue.total.known().map(|total| finding("queue", FindingStatus::Ok, format!("{total} tasks")));
    gateway.into_iter().chain(workers(state)).chain(queue).collect()
}

/// `None` without processes, which is a problem.
fn workers(state: &SystemState) -> Option<Finding> {
    let fleet = state.fleet.known()?;
    let live = |processes: &[Process]| processes.iter().filter(|process| process.is_live()).count();
    let of_component = |component| fleet.running(&Service::of(component)).map(|(_, processes)| live(processes)).sum();
    let counts = Component::ALL.map(|component| -> (Component, usize) { (component, of_component(component)) });
    let text = counts.map(|(component, count)| format!("{count} of {}", component.as_str()));
    let any = counts.iter().any(|(_, count)| *count > 0);
    any.then(|| finding("workers", FindingStatus::Ok, format!("processes that heartbeat: {}", text.join(", "))))
}

fn of_problems(problems: &[Problem]) -> Vec<Finding> {
    let more = problems.len().saturating_sub(MOST);
    let mut found: Vec<Finding> = problems.iter().take(MOST).map(of_problem).collect();
    if more > 0 {
        found.push(finding("problems", FindingStatus::Warning, format!("{more} more")));
    }
    found
}

fn of_problem(problem: &Problem) -> Finding {
    let Problem { code, subject, detail } = problem;
    let status = match code.severity() {
        _ if *code == QUEUE_UNREADABLE => FindingStatus::Failed,
        Severity::Info => FindingStatus::Ok,
        Severity::Warning | Severity::Critical => FindingStatus::Warning,
    };
    let text = if subject.is_empty() || detail.contains(subject.as_str()) {
        detail.clone()
    } else {
        format!("{subject}: {detail}")
    };
    Finding { remedy: Some(code.remedy()), ..finding(code.as_str(), status, text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_a_line_with_its_subject_once_and_only_an_unreadable_queue_is_a_failure() {
        for (name, subject, detail, status, text) in [
            ("queue_unreadable", "a:b:queue", "is a hash", FindingStatus::Failed, "a:b:queue: is a hash"),
            ("no_workers", "", "none", FindingStatus::Warning, "none"),
            ("sse_count_unknown", "i1", "of i1 it is unknown", FindingStatus::Warning, "of i1 it is unknown"),
            ("gateway_config_changed", "key", "saved", FindingStatus::Ok, "key: saved"),
        ] {
            let line = of_problem(&Problem::new(code(name), subject, detail));
            assert_eq!((line.what.as_str(), line.outcome, line.detail.as_str()), (name, status, text));
        }
    }

    #[test]
    fn what_is_unknown_has_no_line_and_a_deployment_that_is_not_there_none_at_all() {
        let mut state = SystemState::default();
        state.queue.total = crate::analysis::state::Reading::Value(3);
        let lines = |state: &SystemState| facts(state).into_iter().map(|line| format!("{} {}", line.what, line.detail));
        assert_eq!(lines(&state).collect::<Vec<_>>(), ["queue 3 tasks"]);
        state.quality = Quality::ScopeNotFound;
        assert_eq!(lines(&state).count(), 0);
    }

    #[test]
    fn a_hundred_problems_are_listed_and_the_others_counted() {
        for (count, lines, last) in [(0, 0, None), (100, 100, Some("bad")), (103, 101, Some("3 more"))] {
            let problems: Vec<Problem> = (0..count).map(|_| Problem::new(code("malformed_input"), "", "bad")).collect();
            let found = of_problems(&problems);
            assert_eq!((found.len(), found.last().map(|line| line.detail.as_str())), (lines, last));
        }
    }

    #[test]
    fn workers_are_the_processes_that_heartbeat_and_without_any_there_is_no_line() {
        use crate::analysis::state::{Fleet, ProcessGroup, Reading, Status};
        let line = |proc: &[Status], ingress: &[Status]| {
            let group = |component, statuses: &[Status]| ProcessGroup {
                instance: "a".into(),
                service: Service::of(component),
                processes: statuses.iter().map(|status| Process::sample(*status)).collect(),
            };
            let groups = vec![group(Component::Ingress, ingress), group(Component::Proc, proc)];
            let fleet = Reading::Value(Fleet { groups, process_keys_found: 0 });
            workers(&SystemState { fleet, ..SystemState::default() }).map(|line| line.detail)
        };
        let some = line(&[Status::Healthy, Status::Stale, Status::Unhealthy], &[Status::Stale]);
        assert_eq!(some.as_deref(), Some("processes that heartbeat: 0 of ingress, 2 of proc"));
        assert_eq!(line(&[Status::Stale], &[]), None);
        let one = line(&[Status::Stale], &[Status::Degraded]);
        assert_eq!(one.as_deref(), Some("processes that heartbeat: 1 of ingress, 0 of proc"), "one is enough");
    }
}
