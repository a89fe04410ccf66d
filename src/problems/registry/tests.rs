//! How problems begin, last and end.

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
    let reports = [(0.0, true), (5.0, false), (10.0, true), (40.0, true), (70.0, true), (75.0, true), (80.0, false)];
    assert_eq!(logged(&reports), ["0: began 1", "5: ended 5", "70: began 1", "80: ended 70"]);
}
