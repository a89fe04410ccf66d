//! Reports a tick to the server's own counts and problems.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::tick::{RecordMode, Tick};
use crate::analysis::SystemState;
use crate::analysis::state::Process;
use crate::base::clock::UnixSeconds;
use crate::platform::facts::InputKind;
use crate::problems::code::code;
use crate::problems::{Problem, ProblemCode};
use crate::sources::SourceError;
use crate::telemetry::Telemetry;

const SOURCE_UNREACHABLE: ProblemCode = code("source_unreachable");
const LEASE_REFUSED: ProblemCode = code("lease_refused");
const NO_WORKERS: ProblemCode = code("no_workers");
const MALFORMED_INPUT: ProblemCode = code("malformed_input");

/// Reports one tick after the other.
#[derive(Debug)]
pub struct TickReporter {
    telemetry: Arc<Telemetry>,
    /// How many processes there were when there last were any, and when that was.
    last_workers: Option<(usize, UnixSeconds)>,
}

impl TickReporter {
    /// A reporter to these counts and their problems.
    #[must_use]
    pub const fn new(telemetry: Arc<Telemetry>) -> Self {
        Self { telemetry, last_workers: None }
    }

    /// Counts the tick and reports its problems; those of the last tick stay active while the source cannot be read.
    pub fn report(&mut self, result: Result<&Tick, &SourceError>, record: RecordMode, now: UnixSeconds) {
        let unreachable = result.err().map(|error| format!("{error}; the last snapshot is served until it is stale"));
        self.telemetry.problems().set(SOURCE_UNREACHABLE, "", unreachable, now);
        self.telemetry.check_certificate(now);
        self.telemetry.check_log(now);
        match result {
            Ok(tick) => self.succeeded(tick, record, now),
            Err(_) => self.telemetry.source_error(),
        }
    }

    fn succeeded(&mut self, tick: &Tick, record: RecordMode, now: UnixSeconds) {
        self.telemetry.count_malformed(&tick.malformed, &tick.malformed_unlisted);
        self.telemetry.set_dropped(tick.dropped);
        self.telemetry.set_clock_offset(tick.clock_offset);
        self.telemetry.report_series(&tick.series);
        self.telemetry.set_source_cost(tick.cost.round_trips, tick.cost.commands);
        if let Some(gateway) = tick.gateway {
            self.telemetry.set_gateway_config(gateway.origin.as_str(), gateway.changed_at);
        }
        if record != RecordMode::No {
            self.telemetry.points_recorded(tick.record_error.as_ref().map(|error| error as _), now);
        }
        if let Some(workers) = workers(&tick.state).filter(|workers| *workers > 0) {
            self.last_workers = Some((workers, now));
        }
        let mut problems = tick.problems();
        problems
            .iter_mut()
            .filter(|problem| problem.code == NO_WORKERS)
            .for_each(|problem| self.remember(problem, now));
        self.telemetry.problems().set(LEASE_REFUSED, "", self.telemetry.leadership().refused(), now);
        self.telemetry.problems().report("tick", problems, now);
    }

    /// Adds how many workers there were.
    fn remember(&self, problem: &mut Problem, now: UnixSeconds) {
        let Some((workers, at)) = self.last_workers else { return };
        let processes = if workers == 1 { "process" } else { "processes" };
        problem.detail = format!("{}; {workers} {processes} had one {:.0} s ago", problem.detail, (now - at).max(0.0));
    }
}

/// One line a tick, for `debug`.
pub(super) fn log(snapshot: &str, tick: &Tick, took: Duration) {
    let SystemState { quality, queue, .. } = &*tick.state;
    let (round_trips, commands) = (tick.cost.round_trips, tick.cost.commands);
    tracing::debug!(
        snapshot,
        quality = quality.as_str(),
        workers = workers(&tick.state),
        queue = queue.total.get(),
        problems = tick.state.problems.len(),
        malformed = tick.malformed.len(),
        round_trips,
        commands,
        ?took,
        "tick"
    );
}

/// Processes with a heartbeat that still counts; `None` where they are unknown.
fn workers(state: &SystemState) -> Option<usize> {
    Some(state.fleet.known()?.processes().filter(|process| Process::is_live(process)).count())
}

impl Tick {
    /// Everything that the tick found wrong, each input once.
    #[must_use]
    pub fn problems(&self) -> Vec<Problem> {
        let mut problems = self.state.problems.clone();
        let known: BTreeSet<&str> = self.state.problems.iter().map(|problem| problem.subject.as_str()).collect();
        // The store of the gateway configuration reports it as a problem of its own.
        let further = self.malformed.iter().filter(|input| input.kind != InputKind::GatewayConfig);
        let further = further.filter(|input| !known.contains(input.key.as_str()));
        problems.extend(further.map(|input| Problem::new(MALFORMED_INPUT, &*input.key, &*input.problem)));
        let unlisted = self.malformed_unlisted.iter().map(|(kind, inputs)| {
            Problem::new(MALFORMED_INPUT, kind.as_str(), format!("{inputs} more inputs of this kind cannot be parsed"))
        });
        problems.extend(unlisted);
        problems
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::platform::facts::Malformed;

    fn codes(telemetry: &Telemetry) -> Vec<(&'static str, String)> {
        telemetry.problems().active().into_iter().map(|problem| (problem.code.as_str(), problem.subject)).collect()
    }

    #[test]
    fn every_malformed_input_is_one_problem_whether_or_not_the_analysis_knows_it() {
        let input = |kind, key: &str| Malformed { kind, key: key.to_owned(), problem: "is no number".to_owned() };
        let known = Problem::new(MALFORMED_INPUT, "a", "is no number");
        let tick = Tick {
            state: Arc::new(SystemState { problems: vec![known], ..SystemState::default() }),
            malformed: vec![
                input(InputKind::Index, "a"),
                input(InputKind::Upstream, "ingress: $.x"),
                input(InputKind::GatewayConfig, "c"),
            ],
            malformed_unlisted: BTreeMap::from([(InputKind::Heartbeat, 7)]),
            ..Tick::default()
        };
        let subjects: Vec<String> = tick.problems().into_iter().map(|problem| problem.subject).collect();
        assert_eq!(subjects, ["a", "ingress: $.x", "heartbeat"]);
    }

    #[test]
    fn a_failed_tick_keeps_the_problems_of_the_one_before_and_the_next_good_one_ends_its_own() {
        let telemetry = Arc::new(Telemetry::default());
        let mut reporter = TickReporter::new(Arc::clone(&telemetry));
        let problems = vec![Problem::new(code("no_workers"), "", "none")];
        let state = Arc::new(SystemState { problems, ..SystemState::default() });
        let error = || SourceError::Upstreams("refused".to_owned());
        let tick = Tick { state, record_error: Some(error()), ..Tick::default() };
        reporter.report(Ok(&tick), RecordMode::Yes, 1.0);
        reporter.report(Err(&error()), RecordMode::Yes, 2.0);
        let all = [("source_unreachable", ""), ("no_workers", ""), ("record_failed", "")];
        let mut found = codes(&telemetry);
        found.sort_by_key(|(code, _)| all.iter().position(|known| known.0 == *code));
        assert_eq!(found, all.map(|(code, subject)| (code, subject.to_owned())));
        // A tick that records nothing says nothing of writes.
        reporter.report(Ok(&Tick::default()), RecordMode::No, 3.0);
        assert_eq!(codes(&telemetry), [("record_failed", String::new())]);
        reporter.report(Ok(&Tick::default()), RecordMode::Yes, 4.0);
        assert_eq!(codes(&telemetry), []);
    }
}
