//! The active problems: since when, how often, and a log line when one begins or ends.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;

use super::{Problem, ProblemCode, Severity};
use crate::base::clock::UnixSeconds;
use crate::base::log_throttle::LogThrottle;

/// A problem of the same code and subject is logged again after this long at the earliest, however often it comes and goes.
const QUIET: Duration = Duration::from_mins(10);

/// Most active problems that are kept of one code; more of them are counted in the last one's detail.
const MOST_OF_A_CODE: usize = 100;

/// A problem with its history since it began.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ActiveProblem {
    pub code: ProblemCode,
    pub severity: Severity,
    /// `{tenant}/{project}`; empty where the server itself is concerned.
    pub scope: String,
    pub subject: String,
    /// Unix seconds of its first report.
    pub since: UnixSeconds,
    /// Reports since then, one a tick for what a tick finds.
    pub count: u64,
    pub detail: String,
    pub remedy: &'static str,
}

type Key = (&'static str, ProblemCode, String);

/// The problems that are active now; shared, every method cheap.
#[derive(Debug)]
pub struct ProblemRegistry {
    scope: String,
    active: Mutex<BTreeMap<Key, ActiveProblem>>,
    throttle: LogThrottle<(ProblemCode, String)>,
}

impl ProblemRegistry {
    /// No problem yet; `scope` as people write it, `acme/chat`.
    #[must_use]
    pub fn new(scope: impl Into<String>) -> Self {
        Self { scope: scope.into(), active: Mutex::default(), throttle: LogThrottle::new(QUIET) }
    }

    /// All problems that `reporter` knows of at `now`. What it reported before and leaves out has ended. A new one is logged
    /// as a warning, its end as information; a problem that comes and goes is logged once in ten minutes.
    pub fn report(&self, reporter: &'static str, problems: Vec<Problem>, now: UnixSeconds) {
        let mut active = self.locked();
        let mut current: BTreeMap<Key, Problem> = BTreeMap::new();
        for problem in bounded(problems) {
            current.entry((reporter, problem.code, problem.subject.clone())).or_insert(problem);
        }
        active.retain(|key, known| {
            let stays = key.0 != reporter || current.contains_key(key);
            if !stays {
                tracing::info!(code = known.code.as_str(), subject = known.subject, "problem ended");
            }
            stays
        });
        for (key, problem) in current {
            match active.get_mut(&key) {
                Some(known) => {
                    known.count += 1;
                    known.detail = problem.detail;
                }
                None => {
                    self.log(&problem);
                    active.insert(key, self.begin(problem, now));
                }
            }
        }
    }

    /// Every active problem, the most severe first, then the oldest.
    #[must_use]
    pub fn active(&self) -> Vec<ActiveProblem> {
        let mut problems: Vec<ActiveProblem> = self.locked().values().cloned().collect();
        problems.sort_by(|left, right| {
            right.severity.cmp(&left.severity).then(left.since.total_cmp(&right.since)).then(left.code.cmp(&right.code))
        });
        problems
    }

    /// How many problems of each code are active.
    #[must_use]
    pub fn counts(&self) -> BTreeMap<ProblemCode, usize> {
        let mut counts = BTreeMap::new();
        for problem in self.locked().values() {
            *counts.entry(problem.code).or_default() += 1;
        }
        counts
    }

    fn begin(&self, problem: Problem, now: UnixSeconds) -> ActiveProblem {
        let Problem { code, subject, detail } = problem;
        ActiveProblem {
            code,
            severity: code.severity(),
            scope: self.scope.clone(),
            subject,
            since: now,
            count: 1,
            detail,
            remedy: code.remedy(),
        }
    }

    fn log(&self, problem: &Problem) {
        let Problem { code, subject, detail } = problem;
        let Some(times) = self.throttle.admit((*code, subject.clone())) else { return };
        let (code, remedy) = (code.as_str(), code.remedy());
        match problem.code.severity() {
            Severity::Info => tracing::info!(code, subject, detail, times, "problem"),
            Severity::Warning => tracing::warn!(code, subject, detail, remedy, times, "problem"),
            Severity::Critical => tracing::error!(code, subject, detail, remedy, times, "problem"),
        }
    }

    /// A panic while reporting leaves usable entries behind.
    fn locked(&self) -> MutexGuard<'_, BTreeMap<Key, ActiveProblem>> {
        self.active.lock().unwrap_or_else(PoisonError::into_inner)
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
    let rest =
        more.into_iter().map(|(code, more)| Problem::new(code, "(more)", format!("{more} more of the same kind")));
    kept.into_values().flatten().chain(rest.collect::<Vec<_>>()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problems::code::code;

    const WORKERS: ProblemCode = code("no_workers");
    const SINK: ProblemCode = code("sink_failing");

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
}
