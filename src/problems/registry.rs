//! The active problems: since when, how often, and a log line when one begins or ends.
//!
//! Three ways in, by who knows that a problem is over: a reporter that knows all of its problems at once
//! ([`ProblemRegistry::report`]), one that knows how a single subject is ([`ProblemRegistry::set`]), and something that
//! happened and is worth knowing for a while ([`ProblemRegistry::event`]).

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use utoipa::ToSchema;

use super::damping::Damping;
use super::log::{self, Change};
use super::{Problem, ProblemCode, Severity};
use crate::base::clock::UnixSeconds;

/// Most active problems that are kept of one code; more of them are counted in the last one's detail.
const MOST_OF_A_CODE: usize = 100;

/// How long an event is a problem, seconds.
const EVENT_LASTS: f64 = 900.0;

/// A problem whose beginning was damped is logged when it has lasted this long, seconds.
const LASTING: f64 = 60.0;

/// The subject that stands for those that are too many to be kept.
const MORE: &str = "(more)";

/// The reporters of single subjects and of events.
const SINGLE: &str = "";
const EVENT: &str = "event";

/// A problem with its history since it began.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ActiveProblem {
    #[schema(value_type = String)]
    pub code: ProblemCode,
    pub severity: Severity,
    /// `{tenant}/{project}`; empty where the server has none.
    pub scope: String,
    pub subject: String,
    /// Unix seconds of its first report.
    #[schema(value_type = f64)]
    pub since: UnixSeconds,
    /// Reports since then, one a tick for what a tick finds.
    pub count: u64,
    pub detail: String,
    pub remedy: &'static str,
}

type Key = (&'static str, ProblemCode, String);

#[derive(Debug)]
struct Entry {
    problem: ActiveProblem,
    /// The end of an event.
    until: Option<UnixSeconds>,
    /// Its beginning was logged, so its end will be.
    logged: bool,
}

/// The problems that are active now; shared, every method cheap.
#[derive(Debug)]
pub struct ProblemRegistry {
    scope: String,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    active: BTreeMap<Key, Entry>,
    damping: Damping,
}

impl ProblemRegistry {
    /// No problem yet; `scope` as people write it, `acme/chat`.
    #[must_use]
    pub fn new(scope: impl Into<String>) -> Self {
        Self { scope: scope.into(), state: Mutex::default() }
    }

    /// All problems that `reporter` knows of at `now`. What it reported before and leaves out has ended.
    pub fn report(&self, reporter: &'static str, problems: Vec<Problem>, now: UnixSeconds) {
        let mut current: BTreeMap<Key, Problem> = BTreeMap::new();
        for problem in bounded(problems) {
            current.entry((reporter, problem.code, problem.subject.clone())).or_insert(problem);
        }
        self.change(now, |state, changes| {
            state.end(now, changes, |key| key.0 == reporter && !current.contains_key(key));
            for (key, problem) in current {
                state.note(key, problem.detail, &self.scope, None, now, changes);
            }
        });
    }

    /// How one subject is: what is wrong with it, or `None` where nothing is.
    pub fn set(&self, code: ProblemCode, subject: &str, detail: Option<String>, now: UnixSeconds) {
        let key = (SINGLE, code, subject.to_owned());
        self.change(now, |state, changes| match detail {
            Some(detail) => state.note(key, detail, &self.scope, None, now, changes),
            None => state.end(now, changes, |known| *known == key),
        });
    }

    /// Something happened: a problem for 15 minutes after the last time. Subjects beyond a hundred share one entry.
    pub fn event(&self, code: ProblemCode, subject: &str, detail: impl Into<String>, now: UnixSeconds) {
        self.change(now, |state, changes| {
            let key = (EVENT, code, subject.to_owned());
            let of_code = || state.active.keys().filter(|known| known.0 == EVENT && known.1 == code).count();
            let key = if state.active.contains_key(&key) || of_code() < MOST_OF_A_CODE {
                key
            } else {
                (EVENT, code, MORE.to_owned())
            };
            state.note(key, detail.into(), &self.scope, Some(now + EVENT_LASTS), now, changes);
        });
    }

    /// Every active problem, the most severe first, then the oldest.
    #[must_use]
    pub fn active(&self) -> Vec<ActiveProblem> {
        let mut problems: Vec<ActiveProblem> =
            self.locked().active.values().map(|entry| entry.problem.clone()).collect();
        problems.sort_by(|left, right| {
            right.severity.cmp(&left.severity).then(left.since.total_cmp(&right.since)).then(left.code.cmp(&right.code))
        });
        problems
    }

    /// How many problems of each code are active.
    #[must_use]
    pub fn counts(&self) -> BTreeMap<ProblemCode, u64> {
        let mut counts = BTreeMap::new();
        for (_, code, _) in self.locked().active.keys() {
            *counts.entry(*code).or_default() += 1;
        }
        counts
    }

    /// Changes the entries, ends old events, and logs when the lock is free again.
    fn change(&self, now: UnixSeconds, change: impl FnOnce(&mut State, &mut Vec<Change>)) {
        let mut changes = Vec::new();
        {
            let mut state = self.locked();
            change(&mut state, &mut changes);
            state.end_events(now, &mut changes);
        }
        changes.iter().for_each(log::change);
    }

    /// A panic while reporting leaves usable entries behind.
    fn locked(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// A problem is there: begins it, or counts it.
    fn note(
        &mut self,
        key: Key,
        detail: String,
        scope: &str,
        until: Option<UnixSeconds>,
        now: UnixSeconds,
        changes: &mut Vec<Change>,
    ) {
        let Some(entry) = self.active.get_mut(&key) else {
            let (_, code, subject) = &key;
            let problem = ActiveProblem {
                code: *code,
                severity: code.severity(),
                scope: scope.to_owned(),
                subject: subject.clone(),
                since: now,
                count: 1,
                detail,
                remedy: code.remedy(),
            };
            let times = self.damping.admit(*code, subject, now);
            changes.extend(times.map(|times| Change::Began { problem: problem.clone(), times }));
            self.active.insert(key, Entry { problem, until, logged: times.is_some() });
            return;
        };
        (entry.until, entry.problem.detail) = (until, detail);
        entry.problem.count += 1;
        if !entry.logged && now - entry.problem.since >= LASTING {
            entry.logged = true;
            let times = self.damping.admit_lasting(key.1, &key.2, now);
            changes.push(Change::Began { problem: entry.problem.clone(), times });
        }
    }

    fn end(&mut self, now: UnixSeconds, changes: &mut Vec<Change>, is_over: impl Fn(&Key) -> bool) {
        self.active.retain(|key, entry| {
            let over = is_over(key);
            if over && entry.logged {
                let lasted = (now - entry.problem.since).max(0.0);
                changes.push(Change::Ended { problem: entry.problem.clone(), lasted });
            }
            !over
        });
    }

    /// An end that is too far away is one from before the clock was set back.
    fn end_events(&mut self, now: UnixSeconds, changes: &mut Vec<Change>) {
        let is_over = |until: UnixSeconds| !(0.0..=EVENT_LASTS).contains(&(until - now));
        let over: Vec<Key> = self
            .active
            .iter()
            .filter(|(_, entry)| entry.until.is_some_and(is_over))
            .map(|(key, _)| key.clone())
            .collect();
        if !over.is_empty() {
            self.end(now, changes, |key| over.contains(key));
        }
    }
}

/// The first of each code, and one that stands for the rest: a broken fleet must not fill the memory.
fn bounded(problems: Vec<Problem>) -> Vec<Problem> {
    let mut kept: BTreeMap<ProblemCode, Vec<Problem>> = BTreeMap::new();
    let mut more: BTreeMap<ProblemCode, usize> = BTreeMap::new();
    for problem in problems {
        let of_code = kept.entry(problem.code).or_default();
        if of_code.len() < MOST_OF_A_CODE {
            of_code.push(problem);
        } else {
            *more.entry(problem.code).or_default() += 1;
        }
    }
    let rest = more.into_iter().map(|(code, more)| Problem::new(code, MORE, format!("{more} more of the same kind")));
    kept.into_values().flatten().chain(rest.collect::<Vec<_>>()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problems::code::code;

    const WORKERS: ProblemCode = code("no_workers");
    const SINK: ProblemCode = code("sink_failing");
    const UNAUTHORIZED: ProblemCode = code("unauthorized_requests");

    fn subjects(registry: &ProblemRegistry) -> Vec<(String, u64, f64)> {
        registry.active().into_iter().map(|problem| (problem.subject, problem.count, problem.since)).collect()
    }

    #[test]
    fn a_problem_lasts_until_its_reporter_leaves_it_out() {
        let registry = ProblemRegistry::new("acme/chat");
        registry.report("tick", vec![Problem::new(WORKERS, "", "none")], 10.0);
        registry.report("sinks", vec![Problem::new(SINK, "cloudwatch", "away")], 11.0);
        registry.report("tick", vec![Problem::new(WORKERS, "", "still none")], 15.0);
        assert_eq!(subjects(&registry), [(String::new(), 2, 10.0), ("cloudwatch".to_owned(), 1, 11.0)]);
        assert_eq!(registry.active()[0].detail, "still none");
        registry.report("tick", Vec::new(), 20.0);
        assert_eq!(subjects(&registry), [("cloudwatch".to_owned(), 1, 11.0)]);
        assert_eq!(registry.counts(), BTreeMap::from([(SINK, 1)]));
    }

    #[test]
    fn a_single_subject_is_set_and_cleared_without_its_neighbours() {
        let registry = ProblemRegistry::new("acme/chat");
        registry.set(SINK, "cloudwatch", Some("refused".to_owned()), 1.0);
        registry.set(SINK, "pushgateway", Some("refused".to_owned()), 2.0);
        registry.set(SINK, "cloudwatch", Some("timed out".to_owned()), 3.0);
        registry.report("tick", Vec::new(), 4.0);
        registry.set(SINK, "pushgateway", None, 5.0);
        assert_eq!(subjects(&registry), [("cloudwatch".to_owned(), 2, 1.0)]);
        assert_eq!(registry.active()[0].detail, "timed out");
    }

    #[test]
    fn an_event_lasts_fifteen_minutes_after_the_last_time_and_no_longer_when_the_clock_is_set_back() {
        let registry = ProblemRegistry::new("acme/chat");
        registry.event(UNAUTHORIZED, "10.0.0.1", "no token", 0.0);
        registry.event(UNAUTHORIZED, "10.0.0.1", "no token", 600.0);
        for (now, active) in [(899.0, 1), (1500.0, 1), (1501.0, 0)] {
            registry.report("tick", Vec::new(), now);
            assert_eq!(registry.active().len(), active, "{now}");
        }
        registry.event(UNAUTHORIZED, "10.0.0.1", "no token", 5000.0);
        registry.report("tick", Vec::new(), 1000.0);
        assert_eq!(registry.active(), []);
    }

    #[test]
    fn events_of_very_many_subjects_share_an_entry() {
        let registry = ProblemRegistry::new("acme/chat");
        for number in 0..250 {
            registry.event(UNAUTHORIZED, &format!("10.0.0.{number}"), "no token", 1.0);
        }
        let active = registry.active();
        let more = active.iter().find(|problem| problem.subject == MORE).unwrap();
        assert_eq!((active.len(), more.count), (MOST_OF_A_CODE + 1, 150));
    }

    #[test]
    fn the_same_subject_counts_once_a_report() {
        let registry = ProblemRegistry::new("acme/chat");
        registry.report("tick", vec![Problem::new(SINK, "a", "first"), Problem::new(SINK, "a", "second")], 1.0);
        assert_eq!(subjects(&registry), [("a".to_owned(), 1, 1.0)]);
    }

    #[test]
    fn the_most_severe_come_first_and_too_many_are_counted() {
        let registry = ProblemRegistry::new("acme/chat");
        let sinks = (0..250).map(|number| Problem::new(SINK, format!("s{number}"), "away"));
        registry.report("tick", sinks.chain([Problem::new(WORKERS, "", "none")]).collect(), 1.0);
        let active = registry.active();
        assert_eq!((active.len(), active[0].code), (1 + MOST_OF_A_CODE + 1, WORKERS));
        assert!(active.iter().any(|problem| problem.detail == "150 more of the same kind"));
    }

    /// The changes that these reports of one subject log, each at its time.
    fn logged(reports: &[(f64, bool)]) -> Vec<String> {
        let (mut state, mut lines) = (State::default(), Vec::new());
        let key = || (SINGLE, SINK, "a".to_owned());
        for (now, is_there) in reports {
            let mut changes = Vec::new();
            if *is_there {
                state.note(key(), "away".to_owned(), "", None, *now, &mut changes);
            } else {
                state.end(*now, &mut changes, |_| true);
            }
            lines.extend(changes.into_iter().map(|change| match change {
                Change::Began { times, .. } => format!("{now}: began {times}"),
                Change::Ended { lasted, .. } => format!("{now}: ended {lasted}"),
            }));
        }
        lines
    }

    #[test]
    fn a_problem_that_flaps_has_two_lines_in_ten_minutes() {
        let reports: Vec<(f64, bool)> = (0..1300).map(|second| (f64::from(second), second % 2 == 0)).collect();
        assert_eq!(
            logged(&reports),
            ["0: began 1", "1: ended 1", "600: began 300", "601: ended 1", "1200: began 300", "1201: ended 1"]
        );
    }

    #[test]
    fn one_that_comes_back_and_lasts_is_logged_within_a_minute() {
        let reports =
            [(0.0, true), (5.0, false), (10.0, true), (40.0, true), (70.0, true), (75.0, true), (80.0, false)];
        assert_eq!(logged(&reports), ["0: began 1", "5: ended 5", "70: began 1", "80: ended 70"]);
    }
}
