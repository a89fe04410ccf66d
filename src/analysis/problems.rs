//! What is wrong with the deployment as this tick found it, one problem a subject.

use super::state::{Fleet, Process, ProcessGroup, Quality, Service, Stall, SystemState};
use crate::platform::facts::{Component, Facts, InputKind, Scope, SeriesFacts, SeriesId, Unreadable};
use crate::platform::keys::Keys;
use crate::problems::code::code;
use crate::problems::{Problem, ProblemCode};

const SCOPE_NOT_FOUND: ProblemCode = code("scope_not_found");
const NO_WORKERS: ProblemCode = code("no_workers");
const NO_CAPACITY: ProblemCode = code("no_capacity");
const STALLED: ProblemCode = code("stalled");
const WORKER_SILENT: ProblemCode = code("worker_silent");
const DEGRADED_WRITE: ProblemCode = code("degraded_write");
const SSE_COUNT_UNKNOWN: ProblemCode = code("sse_count_unknown");
const SERIES_UNREADABLE: ProblemCode = code("series_unreadable");
const CLOCK_SKEW_WRITER: ProblemCode = code("clock_skew_writer");
const SAMPLES_AHEAD: ProblemCode = code("samples_ahead");
const SAMPLES_LATE: ProblemCode = code("samples_late");
const CATCHING_UP: ProblemCode = code("catching_up");
const IMPOSSIBLE_VALUE: ProblemCode = code("impossible_value");
const WINDOW_INCOMPLETE: ProblemCode = code("window_incomplete");
/// A window that kept less than this of its samples is not what it is called.
const COMPLETE: f64 = 0.9;

const MALFORMED_INPUT: ProblemCode = code("malformed_input");

/// All problems of the tick, those of the gateway configuration excepted: its store knows them.
pub(super) fn problems(state: &SystemState, facts: &Facts, keys: &Keys) -> Vec<Problem> {
    if state.quality == Quality::ScopeNotFound {
        return vec![scope_not_found(state.scope.as_deref())];
    }
    let mut problems = workers(state);
    problems.extend(facts.unreadable.iter().filter_map(|unreadable| series(*unreadable, facts, keys)));
    problems.extend(state.writer_offsets.iter().map(|(instance, offset)| skew(instance, *offset)));
    problems.extend(facts.series.iter().flat_map(|(series, facts)| samples(&key_of(*series, keys), facts)));
    problems.extend(incomplete(state, facts, keys));
    let noted = facts.malformed.iter().filter_map(|malformed| {
        let code = if malformed.is_impossible() { Some(IMPOSSIBLE_VALUE) } else { code_of(malformed.kind) }?;
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
    let mut problems: Vec<Problem> = fleet.groups.iter().flat_map(of_processes).collect();
    problems.extend(no_capacity(state));
    problems.extend(state.demand.stall.map(stalled));
    problems.extend(overloaded(state, fleet));
    problems
}

/// Processors that say they work on more tasks than they can.
fn overloaded(state: &SystemState, fleet: &Fleet) -> Vec<Problem> {
    let configured = state.proc.as_ref().and_then(|proc| proc.configured_concurrency.clone()).get().unwrap_or_default();
    let service = Service::of(Component::Proc);
    let processes = fleet
        .running(&service)
        .flat_map(|(instance, processes)| processes.iter().map(move |process| (instance, process)));
    let found = processes.filter_map(|(instance, process)| {
        let slots = process.capacity.max(configured);
        let detail = format!("its load of {} counts as its {slots} slots", process.load);
        let is_wrong = process.is_live() && process.load > slots;
        is_wrong.then(|| Problem::new(IMPOSSIBLE_VALUE, name(instance, &service, process), detail))
    });
    found.collect()
}

fn no_capacity(state: &SystemState) -> Option<Problem> {
    let has_slots = state.demand.slots.total.get() != Some(0);
    let waiting = state.demand.waiting.get().unwrap_or_default();
    let detail = match (state.capacity.total.get() == Some(0), has_slots) {
        (true, _) if waiting > 0 => format!("no processor accepts new tasks, and {waiting} wait"),
        (true, _) => "no processor accepts new tasks".to_owned(),
        (false, false) if waiting > 0 => format!("{waiting} tasks wait, and no processor has a slot"),
        (false, _) => return None,
    };
    Some(Problem::new(NO_CAPACITY, "", detail))
}

fn stalled(stall: Stall) -> Problem {
    let detail = match stall {
        Stall::NothingClaimed(seconds) => {
            format!("for {seconds:.0} s tasks have been waiting beside free slots, and none was claimed")
        }
        Stall::NothingEnds(seconds) => format!("for {seconds:.0} s tasks have been waiting, and none ended"),
    };
    Problem::new(STALLED, "", detail)
}

fn of_processes(group: &ProcessGroup) -> impl Iterator<Item = Problem> {
    let ProcessGroup { instance, service, processes } = group;
    processes.iter().filter_map(|process| of_process(|| name(instance, service, process), process))
}

fn name(instance: &str, service: &Service, process: &Process) -> String {
    let pid = process.pid.map_or_else(|| "?".to_owned(), |pid| pid.to_string());
    format!("{instance}/{}:{}/{pid}", service.kind, service.name)
}

fn of_process(name: impl Fn() -> String, process: &Process) -> Option<Problem> {
    if process.is_marked_by_failed_write() {
        let detail = format!("UNHEALTHY at a load of {} of {}", process.load, process.capacity);
        return Some(Problem::new(DEGRADED_WRITE, name(), detail));
    }
    if !process.is_live() {
        return Some(Problem::new(WORKER_SILENT, name(), format!("silent for {:.0} s", process.age)));
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

fn skew(instance: &str, offset: f64) -> Problem {
    let direction = if offset > 0.0 { "ahead of" } else { "behind" };
    let detail = format!("its clock is at least {:.1} s {direction} Redis' clock: its times are shifted", offset.abs());
    Problem::new(CLOCK_SKEW_WRITER, instance, detail)
}

/// Series that lost samples of a window; one whose reading is behind has a problem of its own.
fn incomplete<'a>(state: &'a SystemState, facts: &'a Facts, keys: &'a Keys) -> impl Iterator<Item = Problem> + 'a {
    let lags = |series: &SeriesId| facts.series.get(series).and_then(|facts| facts.lag_seconds) != Some(0.0);
    let lost = state.window_fill.iter().filter(|(_, fill)| **fill < COMPLETE);
    let lost = lost.filter(move |((series, _), _)| !matches!(series, SeriesId::Rolling(_)) && !lags(series));
    lost.map(|((series, window), fill)| {
        let detail = format!(
            "{:.0} % of the samples of {} were lost to a limit or came too late",
            (1.0 - fill) * 100.0,
            window.as_str()
        );
        Problem::new(WINDOW_INCOMPLETE, format!("{} {}", key_of(*series, keys), window.as_str()), detail)
    })
}

fn key_of(series: SeriesId, keys: &Keys) -> String {
    match series {
        SeriesId::Latency(series) => keys.latency(series),
        SeriesId::Rolling(series) => keys.rolling(series),
        SeriesId::Throttling => keys.throttling_events(),
    }
}

/// What is wrong with the times of a series' samples.
fn samples(key: &str, facts: &SeriesFacts) -> Vec<Problem> {
    let SeriesFacts { ahead, late, .. } = *facts;
    let lag = facts.lag_seconds.unwrap_or_default();
    let found = [
        (ahead > 0).then(|| (SAMPLES_AHEAD, format!("{ahead} samples are dated more than 2 s ahead of Redis' clock"))),
        (late > 0).then(|| (SAMPLES_LATE, format!("{late} samples came more than 300 s late"))),
        (lag > 0.0).then(|| (CATCHING_UP, format!("reading is {lag:.1} s behind"))),
    ];
    found.into_iter().flatten().map(|(code, detail)| Problem::new(code, key, detail)).collect()
}

/// The code of an input that is malformed; `None` where another part reports it.
const fn code_of(kind: InputKind) -> Option<ProblemCode> {
    const HEARTBEAT: ProblemCode = code("heartbeat_unreadable");
    const SSE: ProblemCode = code("sse_count_unknown");
    const QUEUE: ProblemCode = code("queue_unreadable");
    const ANALYTICS: ProblemCode = code("analytics_unreadable");
    const CIRCUIT: ProblemCode = code("circuit_unreadable");
    const REQUESTS: ProblemCode = code("requests_unreadable");
    const SIGNAL: ProblemCode = code("work_unreadable");
    match kind {
        InputKind::Heartbeat => Some(HEARTBEAT),
        InputKind::SseSample => Some(SSE),
        InputKind::QueueDepth => Some(QUEUE),
        InputKind::QueueAnalytics => Some(ANALYTICS),
        InputKind::Circuit => Some(CIRCUIT),
        InputKind::HourlyRequests => Some(REQUESTS),
        InputKind::GatewayConfig => None,
        InputKind::QueueElement | InputKind::Jobs | InputKind::ProcessorReport => Some(SIGNAL),
        InputKind::SeriesMember | InputKind::ThrottlingEvent | InputKind::Index | InputKind::Upstream => {
            Some(MALFORMED_INPUT)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::Window;

    #[test]
    fn a_window_that_lost_more_than_a_tenth_is_a_problem_unless_reading_is_behind() {
        let keys = Keys::sample();
        let id = SeriesId::Throttling;
        let window_fill = [(Window::OneMinute, 1.0), (Window::FifteenMinutes, 0.9), (Window::OneHour, 0.25)]
            .map(|(window, fill)| ((id, window), fill));
        let state = SystemState { window_fill: window_fill.into(), ..SystemState::default() };
        let found = |lag| {
            let series = [(id, SeriesFacts { lag_seconds: Some(lag), ..SeriesFacts::default() })].into();
            let facts = Facts { series, ..Facts::default() };
            incomplete(&state, &facts, &keys).map(|problem| (problem.subject, problem.detail)).collect::<Vec<_>>()
        };
        let subject = "a:b:kdcube:throttling:events 1h".to_owned();
        assert_eq!(
            found(0.0),
            [(subject, "75 % of the samples of 1h were lost to a limit or came too late".to_owned())]
        );
        assert_eq!(found(9.0), []);
    }

    #[test]
    fn the_times_of_samples_are_problems_of_their_series() {
        let found = |facts: SeriesFacts| -> Vec<String> {
            let problems = samples("key", &facts).into_iter();
            problems
                .map(|problem| format!("{} {}: {}", problem.code.as_str(), problem.subject, problem.detail))
                .collect()
        };
        let facts = |ahead, late, lag| SeriesFacts { ahead, late, lag_seconds: Some(lag), ..SeriesFacts::default() };
        let table: [(SeriesFacts, &[&str]); 4] = [
            (facts(0, 0, 0.0), &[]),
            (facts(7, 0, 0.0), &["samples_ahead key: 7 samples are dated more than 2 s ahead of Redis' clock"]),
            (facts(0, 2, 0.0), &["samples_late key: 2 samples came more than 300 s late"]),
            (facts(0, 0, 3.25), &["catching_up key: reading is 3.2 s behind"]),
        ];
        for (facts, expected) in table {
            assert_eq!(found(facts), expected);
        }
    }
}
