//! The rules by table, and what holds for any numbers.

mod properties;

use super::*;
use crate::analysis::state::{Cause, Reason};

/// 3 replicas of 10 slots, 12 tasks active, none waiting, and nothing known of what ended.
fn quiet() -> ProcOperands {
    ProcOperands {
        replicas: ReplicaOperands { current: Reading::Value(3), ..ReplicaOperands::default() },
        active: Reading::Value(12),
        waiting: Reading::Value(0),
        waiting_jobs: Reading::Value(0),
        turned_away: Reading::Value(0),
        slots_per_replica: Reading::Value(10.0),
        free_slots: Reading::Value(18),
        is_claiming: Reading::Value(true),
        arrivals_per_second: Reading::absent(Cause::EmptyWindow),
        mean_exec_seconds: Reading::absent(Cause::EmptyWindow),
    }
}

fn policy(min: u32, max: u32) -> ScalePolicy {
    let mut policy = ScalePolicy::default();
    policy.proc.bounds = Bounds::new(min, max).unwrap();
    policy.ingress.bounds = policy.proc.bounds;
    policy
}

/// A window long ended: nothing holds what is needed now.
fn proc_at_once(operands: &ProcOperands, policy: &ScalePolicy) -> Recommendation {
    let policy = ScalePolicy { stabilization_seconds: 0.0, ..*policy };
    proc(operands, &policy, Stabilization::default(), 1000.0).0
}

fn desired(operands: &ProcOperands) -> Option<i64> {
    proc_at_once(operands, &ScalePolicy::default()).desired.get()
}

fn lines(recommendation: &Recommendation) -> Vec<String> {
    recommendation.steps.iter().map(ToString::to_string).collect()
}

#[test]
fn each_step_can_be_checked_by_hand() {
    let operands = ProcOperands {
        waiting: Reading::Value(20),
        waiting_jobs: Reading::Value(1),
        turned_away: Reading::Value(4),
        arrivals_per_second: Reading::Value(2.0),
        mean_exec_seconds: Reading::Value(12.0),
        ..quiet()
    };
    let found = proc_at_once(&operands, &ScalePolicy::default());
    assert_eq!((found.desired.get(), found.missing().get()), (Some(4), Some(1)));
    let expected = [
        "running: 12 active, or 2 arrivals/s × 12 s / 0.8 if more = 30 slots",
        "backlog: (20 waiting + 1 jobs waiting + 4 turned away) × 0.4 of a slot = 10 slots",
        "need: 40 slots / 10 of a replica = 4 replicas",
        "rounded up: 4 becomes 4",
        "missing: 4 desired − 3 current = 1",
    ];
    assert_eq!(lines(&found), expected);
}

#[test]
fn what_runs_or_arrives_and_what_waits_need_slots() {
    for (waiting, arrivals, exec, expected) in [
        // 12 + 20 · 1 / 30 = 12.7 slots.
        (20, 0.1, 1.0, 2),
        // 2 · 30 / 0.8 + 20 · 30 / 30 = 95 slots.
        (20, 2.0, 30.0, 10),
        // Tasks of 20 minutes: what waits needs a slot each, however soon it is to start.
        (12, 0.0, 1200.0, 3),
        // A task that came in the last minute is one task, and not 20 that run at once.
        (0, 1.0 / 60.0, 1200.0, 2),
    ] {
        let operands = ProcOperands {
            waiting: Reading::Value(waiting),
            arrivals_per_second: Reading::Value(arrivals),
            mean_exec_seconds: Reading::Value(exec),
            ..quiet()
        };
        assert_eq!(desired(&operands), Some(expected), "{waiting} {arrivals} {exec}");
    }
}

#[test]
fn what_is_not_known_is_left_out_and_holds_or_makes_the_number_absent() {
    let unreadable = || Reason::of(Cause::Unreadable, "key");
    let tasks = |change: fn(&mut ProcOperands, Reason)| {
        let mut operands = ProcOperands { active: Reading::Value(1), ..quiet() };
        change(&mut operands, unreadable());
        let found = proc_at_once(&operands, &ScalePolicy::default());
        (found.desired.clone().get(), found.held_by, found.desired.reason().map(ToString::to_string))
    };
    let absent = (None, None, Some("it cannot be read: key".to_owned()));
    assert_eq!(tasks(|of, reason| of.active = Reading::absent(reason)), absent);
    assert_eq!(tasks(|of, reason| of.waiting = Reading::absent(reason)), absent);
    assert_eq!(tasks(|of, reason| of.replicas.current = Reading::absent(reason)), absent);
    let held = (Some(3), Some(Hold::Incomplete), None);
    assert_eq!(tasks(|of, reason| of.waiting_jobs = Reading::absent(reason)), held);
    assert_eq!(tasks(|of, reason| of.turned_away = Reading::absent(reason)), held);
    assert_eq!(tasks(|of, reason| of.arrivals_per_second = Reading::absent(reason)), held);
    assert_eq!(tasks(|of, reason| of.slots_per_replica = Reading::absent(reason)), held);
    assert_eq!(tasks(|of, _| of.slots_per_replica = Reading::Value(0.0)), held);
    let implausible = |of: &mut ProcOperands, _| {
        (of.arrivals_per_second, of.mean_exec_seconds) = (Reading::Value(1.0), Reading::Value(f64::NAN));
    };
    assert_eq!(tasks(implausible), held);
    assert_eq!(tasks(|_, _| {}), (Some(1), None, None), "nothing ended lately: nothing is hidden");
}

#[test]
fn a_deployment_without_processors_gets_the_replicas_that_its_tasks_need() {
    let from_nothing = |waiting, slots: Reading<f64>| {
        let replicas = ReplicaOperands { current: Reading::Value(0), ..ReplicaOperands::default() };
        let operands = ProcOperands {
            replicas,
            active: Reading::Value(0),
            waiting: Reading::Value(waiting),
            slots_per_replica: slots,
            ..quiet()
        };
        proc_at_once(&operands, &policy(0, 0)).desired.get()
    };
    assert_eq!(from_nothing(0, Reading::Value(10.0)), Some(0));
    assert_eq!(from_nothing(21, Reading::Value(10.0)), Some(3));
    assert_eq!(from_nothing(20, Reading::absent(Cause::NotReported)), Some(1), "the first tells its slots");
    assert_eq!(from_nothing(0, Reading::absent(Cause::NotReported)), Some(0));
}

#[test]
fn a_stalled_fleet_is_not_helped_by_more_replicas() {
    for (waiting, free, claiming, expected) in [
        (50, 18, Reading::Value(false), (3, Some(Hold::Stalled))),
        // No slot is free, tasks are claimed, or nobody knows: the usual rule.
        (50, 0, Reading::Value(false), (7, None)),
        (50, 18, Reading::Value(true), (7, None)),
        (50, 18, Reading::absent(Cause::Unreadable), (7, None)),
        (0, 18, Reading::Value(false), (2, None)),
    ] {
        let operands = ProcOperands {
            waiting: Reading::Value(waiting),
            free_slots: Reading::Value(free),
            is_claiming: claiming,
            ..quiet()
        };
        let found = proc_at_once(&operands, &ScalePolicy::default());
        assert_eq!((found.desired.get().unwrap(), found.held_by), expected, "{waiting} {free}");
    }
}

#[test]
fn a_need_within_the_tolerance_changes_nothing() {
    // 10 slots at 0.8: 8 tasks a replica.
    for (active, current, expected, hold) in [
        (26, 3, 3, Some(Hold::Tolerance)),
        (27, 3, 4, None),
        (22, 3, 3, None),
        (72, 10, 10, Some(Hold::Tolerance)),
        (71, 10, 9, None),
        (88, 10, 10, Some(Hold::Tolerance)),
        (89, 10, 12, None),
        (24, 3, 3, None),
    ] {
        let replicas = ReplicaOperands { current: Reading::Value(current), ..ReplicaOperands::default() };
        let operands = ProcOperands { replicas, active: Reading::Value(active), ..quiet() };
        let found = proc_at_once(&operands, &ScalePolicy::default());
        assert_eq!((found.desired.get(), found.held_by), (Some(expected), hold), "{active} on {current}");
    }
}

#[test]
fn the_limit_that_counts_is_named() {
    let budget = |max| Reading::Value(ConnectionBudget { max, per_replica: 20, others: 40 });
    let unknown = || Reading::absent(Cause::NotAsked);
    for (active, database, (min, max), expected) in [
        (12, unknown(), (1, 0), (2, None)),
        (12, unknown(), (5, 0), (5, Some(Limit::Minimum))),
        (120, unknown(), (1, 9), (9, Some(Limit::Maximum))),
        // (0.8 · 200 − 40) / 20 = 6.
        (120, budget(200), (1, 9), (6, Some(Limit::Database))),
        (120, budget(1000), (1, 9), (9, Some(Limit::Maximum))),
        (12, budget(200), (1, 9), (2, None)),
        // It stops growth; what there is and what the policy wants stay.
        (120, budget(0), (1, 9), (3, Some(Limit::Database))),
        (120, budget(0), (4, 9), (4, Some(Limit::Database))),
    ] {
        let replicas = ReplicaOperands { current: Reading::Value(3), database, ..ReplicaOperands::default() };
        let operands = ProcOperands { replicas, active: Reading::Value(active), ..quiet() };
        let found = proc_at_once(&operands, &policy(min, max));
        assert_eq!((found.desired.get().unwrap(), found.limited_by), expected, "{active} {min} {max}");
    }
    assert_eq!(ConnectionBudget { max: 100, per_replica: 0, others: 0 }.replicas(), None);
}

#[test]
fn a_limit_says_how_it_was_worked_out() {
    let database = Reading::Value(ConnectionBudget { max: 200, per_replica: 20, others: 40 });
    let replicas = ReplicaOperands { current: Reading::Value(3), database, ..ReplicaOperands::default() };
    let operands = ProcOperands { replicas, active: Reading::Value(120), ..quiet() };
    let found = lines(&proc_at_once(&operands, &policy(1, 5)));
    let expected = ["database: (0.8 × 200 connections − 40 of others) / 20 of a replica: at most 6", "maximum: 5"];
    assert!(expected.iter().all(|line| found.iter().any(|found| found == line)), "{found:?}");
}

#[test]
fn replicas_go_only_when_nothing_more_was_needed_for_the_whole_window() {
    let policy = ScalePolicy::default();
    let mut memory = Stabilization::default();
    let mut seen = Vec::new();
    for (at, active) in [(0.0, 60), (5.0, 8), (200.0, 30), (299.0, 8), (300.0, 8), (499.0, 8), (500.0, 8), (900.0, 8)] {
        let replicas = ReplicaOperands { current: Reading::Value(4), ..ReplicaOperands::default() };
        let operands = ProcOperands { replicas, active: Reading::Value(active), ..quiet() };
        let (found, after) = proc(&operands, &policy, memory, at);
        memory = after;
        seen.push((found.desired.get().unwrap(), found.held_by));
    }
    let held = Some(Hold::Stabilization);
    // At 200 s 30 / 0.8 / 10 = 3.75 is within the tolerance of 4. At 900 s nothing of the window is left but what there is.
    let expected = [(8, None), (8, held), (8, held), (8, held), (4, held), (4, held), (1, None), (4, held)];
    assert_eq!(seen, expected);
}

#[test]
fn nothing_goes_while_the_numbers_are_not_complete_or_tasks_are_being_finished() {
    let idle = |replicas| ProcOperands { replicas, active: Reading::Value(0), ..quiet() };
    let current = Reading::Value(3);
    for (quality, is_draining, expected) in [
        (Quality::Ok, false, (1, None)),
        (Quality::Partial, false, (3, Some(Hold::Quality))),
        (Quality::Ok, true, (3, Some(Hold::Draining))),
    ] {
        let replicas = ReplicaOperands { current: current.clone(), quality, is_draining, ..ReplicaOperands::default() };
        let found = proc_at_once(&idle(replicas), &ScalePolicy::default());
        assert_eq!((found.desired.get().unwrap(), found.held_by), expected, "{quality:?} {is_draining}");
    }
    // What was held counts as needed: the window begins when the numbers are complete again.
    let partial = ReplicaOperands { current, quality: Quality::Partial, ..ReplicaOperands::default() };
    let complete = ReplicaOperands { quality: Quality::Ok, ..partial.clone() };
    let (_, memory) = proc(&idle(partial), &ScalePolicy::default(), Stabilization::default(), 0.0);
    assert_eq!(proc(&idle(complete.clone()), &ScalePolicy::default(), memory, 299.0).0.desired.get(), Some(3));
    // Not so while replicas finish their work: what is needed was known all the time.
    let policy = ScalePolicy { stabilization_seconds: 100.0, ..ScalePolicy::default() };
    let draining = ReplicaOperands { is_draining: true, ..complete.clone() };
    let mut memory = Stabilization::default();
    for (at, replicas, expected) in
        [(0.0, &complete, 3), (50.0, &draining, 3), (99.0, &draining, 3), (100.0, &complete, 1)]
    {
        let (found, after) = proc(&idle(replicas.clone()), &policy, memory, at);
        assert_eq!(found.desired.get(), Some(expected), "{at}");
        memory = after;
    }
}

#[test]
fn ingress_follows_its_connections_and_does_nothing_without_a_limit() {
    let found = |connections: Reading<i64>, limit: Reading<f64>| {
        let replicas = ReplicaOperands { current: Reading::Value(2), ..ReplicaOperands::default() };
        let operands = IngressOperands { replicas, connections, limit_per_replica: limit };
        let policy = ScalePolicy { stabilization_seconds: 0.0, ..policy(1, 4) };
        ingress(&operands, &policy, Stabilization::default(), 0.0).0
    };
    for (connections, expected) in [(0, 1), (100, 1), (300, 2), (301, 2), (420, 3), (421, 4), (9999, 4)] {
        let desired = found(Reading::Value(connections), Reading::Value(200.0)).desired;
        assert_eq!(desired.get(), Some(expected), "{connections}");
    }
    let line = "need: 420 connections / (200 of a replica × 0.7) = 3 replicas";
    assert_eq!(found(Reading::Value(420), Reading::Value(200.0)).steps[0].to_string(), line);
    for limit in [Reading::Value(0.0), Reading::absent(Cause::NoLimitConfigured)] {
        let none = found(Reading::Value(9), limit);
        assert_eq!(none.desired.reason().map(|reason| reason.cause), Some(Cause::NoLimitConfigured));
        assert_eq!(none.missing().get(), None);
    }
    assert_eq!(found(Reading::absent(Cause::Expired), Reading::Value(200.0)).desired.get(), None);
}

#[test]
fn every_line_of_a_held_number_says_why() {
    let replicas = ReplicaOperands { current: Reading::Value(3), quality: Quality::Partial, ..Default::default() };
    let operands = ProcOperands {
        replicas,
        active: Reading::Value(0),
        waiting_jobs: Reading::absent(Reason::of(Cause::Unreadable, "jobs")),
        slots_per_replica: Reading::absent(Cause::NotReported),
        ..quiet()
    };
    let expected = [
        "left out: background jobs that wait, because it cannot be read: jobs",
        "left out: what arrives, because the window holds no value",
        "running: 0 active / 0.8 = 0 slots",
        "backlog: (0 waiting + 0 jobs waiting + 0 turned away) × 1 of a slot = 0 slots",
        "need: the slots of a replica are unknown: one replica where there is anything to do",
        "rounded up: 0 becomes 0",
        "minimum: 1",
        "held at 3: something that the number rests on cannot be read",
        "missing: 3 desired − 3 current = 0",
    ];
    assert_eq!(lines(&proc_at_once(&operands, &ScalePolicy::default())), expected);
}
