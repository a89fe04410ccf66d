//! What follows from heartbeats, queues, streams and the ticks before.

use std::sync::Arc;

use super::*;
use crate::analysis::SystemState;
use crate::analysis::tests::{NOW, beat, gateway_with};
use crate::platform::facts::{
    Facts, HealthWord, Heartbeat, InputKind, LatencySeries, Malformed, Point, ProcessorReport,
};
use crate::platform::gateway::GatewayConfig;

fn proc(instance: &str, pid: i64, load: i64) -> Heartbeat {
    Heartbeat { load, ..beat(instance, "proc", pid, 1.0, HealthWord::Healthy) }
}

/// Two instances of two processes of five slots, 8 tasks active and 7 waiting; no job.
fn facts() -> Facts {
    let heartbeats = [("a", 1, 5), ("a", 2, 3), ("b", 1, 0), ("b", 2, 0)].map(|(id, pid, load)| proc(id, pid, load));
    let depth = |ready, continuations| Some(QueueDepth { ready, inflight: 8, continuations });
    Facts {
        process_keys_found: 4,
        heartbeats: heartbeats.into(),
        queues: PerRole { paid: depth(5, 2), ..PerRole::from_fn(|_| depth(0, 0)) },
        queue_fronts: PerRole {
            paid: Some(QueueFront::Created(NOW - 12.5)),
            ..PerRole::from_fn(|_| Some(QueueFront::Empty))
        },
        jobs: Role::WITH_JOBS.into_iter().map(|role| (role, JobBacklog { lag: Some(0), pending: 0 })).collect(),
        ..Facts::default()
    }
}

/// What the last of some ticks finds.
fn ticks(ticks: impl IntoIterator<Item = (f64, Facts)>) -> SystemState {
    let capacity = r#"{"concurrent_requests_per_process": 5, "processes_per_instance": 2}"#;
    let gateway = gateway_with(&format!(r#""service_capacity": {capacity}"#));
    ticks_of(gateway, ticks)
}

fn ticks_of(gateway: GatewayConfig, ticks: impl IntoIterator<Item = (f64, Facts)>) -> SystemState {
    let gateway = Arc::new(gateway);
    let (mut history, mut state) = (History::new(1000), SystemState::default());
    for (now, mut facts) in ticks {
        facts.heartbeats.iter_mut().for_each(|beat| beat.last_heartbeat += now - NOW);
        history.absorb(&mut facts, now);
        let inputs = Inputs {
            facts: &facts,
            gateway: &gateway,
            instance_id: "m-1",
            database_max_connections: Reading::default(),
            is_gateway_uncertain: false,
            is_scope_found: true,
            zone: &jiff::tz::TimeZone::UTC,
            now,
        };
        let analysis = Analysis::new(inputs, &history);
        history.observe(now, &analysis.backlog());
        state = analysis.finish(&history);
    }
    state
}

fn of(facts: Facts) -> Demand {
    ticks([(NOW, facts)]).demand
}

fn exec(times: &[(f64, f64)]) -> Facts {
    let points = times.iter().map(|(ago, value)| Point { at: NOW - ago, value: *value }).collect();
    Facts { latency: [(LatencySeries::TaskExec, points)].into(), ..facts() }
}

/// No slot is free.
fn busy(mut facts: Facts) -> Facts {
    facts.heartbeats.iter_mut().for_each(|beat| beat.load = 5);
    facts
}

#[test]
fn work_and_slots_are_those_of_all_processors() {
    let demand = of(facts());
    assert_eq!((demand.active.get(), demand.waiting.get(), demand.waiting_jobs.get()), (Some(8), Some(7), Some(0)));
    let slots = demand.slots;
    assert_eq!((slots.total.get(), slots.free.get(), slots.load_ratio.get()), (Some(20), Some(12), Some(0.75)));
    assert_eq!((slots.per_replica.get(), slots.replicas.get(), slots.is_draining), (Some(10.0), Some(2), false));
}

#[test]
fn a_draining_processor_works_and_is_no_slot() {
    let mut facts = facts();
    facts.heartbeats[0].draining = true;
    facts.heartbeats[1].draining = true;
    let Demand { active, slots, .. } = of(facts);
    assert_eq!((active.get(), slots.total.get(), slots.free.get()), (Some(8), Some(10), Some(10)));
    assert_eq!((slots.replicas.get(), slots.is_draining), (Some(1), true));
}

#[test]
fn a_process_counts_for_no_more_than_its_slots() {
    let mut facts = facts();
    (facts.heartbeats[0].load, facts.heartbeats[2].load) = (i64::MAX, -4);
    let demand = of(facts);
    assert_eq!((demand.active.get(), demand.slots.free.get()), (Some(8), Some(12)));
}

#[test]
fn without_slots_the_ratio_is_absent_and_a_replica_is_as_it_is_configured() {
    let demand = of(Facts { heartbeats: vec![], ..facts() });
    assert_eq!(demand.slots.load_ratio.reason().map(|reason| reason.cause), Some(Cause::NoCapacity));
    assert_eq!((demand.slots.total.get(), demand.slots.per_replica.get()), (Some(0), Some(10.0)));
}

#[test]
fn what_cannot_be_read_is_absent_with_its_reason_and_the_rest_is_not() {
    let keys = Keys::sample();
    let mut facts = facts();
    facts.queue_fronts.registered = Some(QueueFront::Unreadable);
    facts.queues.registered = Some(QueueDepth { ready: 1, inflight: 0, continuations: 0 });
    facts.jobs.remove(&Role::Paid);
    facts.jobs.insert(Role::Anonymous, JobBacklog { lag: None, pending: 3 });
    let note = |kind, key| Malformed { kind, key, problem: "is odd".into() };
    facts.malformed =
        vec![note(InputKind::QueueElement, keys.queue(Role::Registered)), note(InputKind::Jobs, keys.jobs(Role::Paid))];
    let demand = of(facts);
    let text = |reading: &Reading<f64>| reading.reason().map(ToString::to_string).unwrap_or_default();
    let expected = "it cannot be read: a:b:kdcube:chat:prompt:queue:registered (is odd)";
    assert_eq!((text(&demand.longest_wait()), demand.oldest_wait.paid.get()), (expected.to_owned(), Some(12.5)));
    let causes = [Role::Anonymous, Role::Paid].map(|role| demand.jobs[&role].reason().map(|reason| reason.cause));
    assert_eq!(causes, [Some(Cause::LagUnknown), Some(Cause::Unreadable)]);
    assert_eq!((demand.jobs[&Role::Registered].get(), demand.waiting_jobs.get()), (Some(0), None));
    assert_eq!((demand.active.get(), demand.slots.load_ratio.get()), (Some(8), None));
}

#[test]
fn where_nothing_waits_nothing_waits_whatever_could_not_be_read() {
    let mut facts = facts();
    facts.queue_fronts.registered = Some(QueueFront::Unreadable);
    assert_eq!(of(facts).longest_wait().get(), Some(12.5));
}

#[test]
fn a_task_of_a_clock_that_is_a_little_ahead_has_waited_no_time() {
    let mut facts = facts();
    facts.queue_fronts.paid = Some(QueueFront::Created(NOW + 1.5));
    assert_eq!(of(facts).longest_wait().get(), Some(0.0));
}

#[test]
fn ages_are_the_greatest_of_live_processors() {
    let report = |oldest, lag| {
        Some(ProcessorReport {
            oldest_active_seconds: oldest,
            queue_loop_lag_seconds: lag,
            ..ProcessorReport::default()
        })
    };
    let mut facts = facts();
    facts.heartbeats[0].processor = report(Some(30.0), Some(0.5));
    facts.heartbeats[1].processor = report(Some(90.0), None);
    facts.heartbeats[2].processor = report(None, Some(2.5));
    let ages = of(facts).ages;
    assert_eq!((ages.oldest_active.get(), ages.queue_loop_lag.get()), (Some(90.0), Some(2.5)));
    assert_eq!(ages.max_idle.reason().map(|reason| reason.cause), Some(Cause::NotReported));
    assert_eq!(ages.instances["a"].oldest_active, Some(90.0));
    assert_eq!(ages.instances["b"].oldest_active, None);
}

#[test]
fn rates_are_of_the_last_minute_and_arrivals_count_what_grew() {
    // 3 ended in the last minute; waiting and active tasks grew by 30 over it.
    let mut before = facts();
    before.queues.paid = Some(QueueDepth { ready: 0, inflight: 0, continuations: 0 });
    before.heartbeats.iter_mut().for_each(|beat| beat.load = 0);
    let mut now = exec(&[(70.0, 9000.0), (50.0, 1000.0), (40.0, 2000.0), (1.0, 4000.0)]);
    now.queues.paid = Some(QueueDepth { ready: 22, inflight: 8, continuations: 0 });
    let flow = ticks([(NOW - 60.0, before), (NOW, now)]).demand.flow;
    assert_eq!((flow.ended_per_second.get(), flow.mean_exec_seconds.get()), (Some(0.05), Some(4.0)));
    assert_eq!(flow.arrivals_per_second.get(), Some(0.05 + 0.5));
    assert_eq!(flow.drain_seconds.get(), Some(22.0 / 0.05));
    // Before a minute was seen nobody knows what grew.
    let begun = of(exec(&[(1.0, 4000.0)]));
    assert_eq!(begun.flow.arrivals_per_second.reason().map(|reason| reason.cause), Some(Cause::EmptyWindow));
}

#[test]
fn a_shrinking_backlog_is_no_negative_arrival() {
    let mut now = facts();
    now.queues.paid = Some(QueueDepth::default());
    let flow = ticks([(NOW - 60.0, facts()), (NOW, now)]).demand.flow;
    assert_eq!((flow.arrivals_per_second.get(), flow.drain_seconds.get()), (Some(0.0), Some(0.0)));
}

#[test]
fn tasks_that_wait_while_none_ends_are_a_stall_after_twice_their_time() {
    let late = |seconds: f64, ended: f64, mean: f64| {
        let facts = busy(exec(&[(ended, mean * 1000.0)]));
        let begin = Facts { latency: Default::default(), ..facts.clone() };
        ticks([(NOW - seconds, begin), (NOW, facts)]).demand
    };
    assert_eq!(late(500.0, 450.0, 200.0).stall, Some(Stall::NothingEnds(450.0)));
    assert_eq!(late(500.0, 390.0, 200.0).stall, None);
    assert_eq!(late(350.0, 450.0, 200.0).stall, None, "nothing waited before");
    assert_eq!(late(500.0, 30.0, 1.0).stall, None);
    assert_eq!(late(500.0, 90.0, 1.0).stall, Some(Stall::NothingEnds(90.0)));
    let drain = late(500.0, 90.0, 1.0).flow.drain_seconds;
    assert_eq!(drain.reason().map(|reason| reason.cause), Some(Cause::NothingEnded));
}

#[test]
fn the_same_tasks_beside_free_slots_are_a_stall_after_half_a_minute() {
    let after = |seconds: f64, change: fn(&mut Facts)| {
        let mut second = facts();
        change(&mut second);
        let state = ticks([(NOW - seconds, facts()), (NOW, second)]);
        (state.demand.stall, state.problems.iter().any(|problem| problem.code.as_str() == "stalled"))
    };
    assert_eq!(after(30.0, |_| {}), (Some(Stall::NothingClaimed(30.0)), true));
    assert_eq!(after(29.0, |_| {}), (None, false));
    let claimed = |facts: &mut Facts| facts.queue_fronts.paid = Some(QueueFront::Created(NOW - 2.0));
    assert_eq!(after(30.0, claimed), (None, false));
    let unknown = |facts: &mut Facts| {
        facts.queue_fronts.anonymous = Some(QueueFront::Unreadable);
        facts.queues.anonymous = Some(QueueDepth { ready: 1, inflight: 0, continuations: 0 });
    };
    assert_eq!(after(30.0, unknown), (None, false));
}

#[test]
fn turned_away_are_the_sessions_refused_for_want_of_room_in_the_last_minute_each_once() {
    use crate::platform::facts::{ThrottlingDetail, ThrottlingEvent};
    let event = |(ago, status, session): (f64, i64, &str)| {
        let shown = Some(serde_json::json!({"http_status": status, "session_id": session}));
        let detail =
            ThrottlingDetail { reason: None, http_status: Some(status), session_id: Some(session.into()), shown };
        ThrottlingEvent { at: NOW - ago, detail: Some(detail) }
    };
    let events = [(5.0, 429, "d"), (10.0, 503, "a"), (20.0, 503, "a"), (60.0, 503, "b"), (61.0, 503, "c")].map(event);
    let mut facts = Facts { throttling_events: events.into(), ..facts() };
    assert_eq!(of(facts.clone()).turned_away.get(), Some(2));
    facts.unreadable.insert(Unreadable::Throttling);
    assert_eq!(of(facts).turned_away.get(), None);
}

#[test]
fn a_rate_is_absent_while_reading_is_behind() {
    let rate = |lag| {
        let mut facts = exec(&[(50.0, 1000.0), (1.0, 4000.0), (2.0, 1.0)]);
        facts
            .series
            .entry(crate::platform::facts::SeriesId::Latency(LatencySeries::TaskExec))
            .or_default()
            .lag_seconds = lag;
        let ended = of(facts).flow.ended_per_second;
        (ended.get(), ended.reason().map(|reason| reason.cause))
    };
    for (lag, expected) in
        [(None, (Some(0.05), None)), (Some(0.0), (Some(0.05), None)), (Some(0.5), (None, Some(Cause::Incomplete)))]
    {
        assert_eq!(rate(lag), expected, "{lag:?}");
    }
}

#[test]
fn jobs_that_nobody_took_and_jobs_in_work_both_wait() {
    let mut facts = facts();
    facts.jobs.insert(Role::Paid, JobBacklog { lag: Some(2), pending: 3 });
    assert_eq!(of(facts).waiting_jobs.get(), Some(5));
}

#[test]
fn a_processor_that_reports_fewer_slots_than_configured_may_work_on_as_many_as_configured() {
    let mut facts = facts();
    (facts.heartbeats[0].load, facts.heartbeats[0].capacity) = (4, 2);
    assert_eq!(of(facts).active.get(), Some(7));
}

#[test]
fn a_stale_processor_works_on_nothing_has_no_slot_and_its_report_is_of_the_past() {
    let with_stale = |stale: &[usize]| {
        let mut facts = facts();
        let report = ProcessorReport { oldest_active_seconds: Some(900.0), ..ProcessorReport::default() };
        facts.heartbeats[1].processor = Some(report);
        stale.iter().for_each(|at| facts.heartbeats[*at].last_heartbeat = NOW - 45.5);
        let Demand { active, slots, ages, .. } = of(facts);
        (active.get(), slots.total.get(), slots.replicas.get(), ages.oldest_active.get())
    };
    assert_eq!(with_stale(&[]), (Some(8), Some(20), Some(2), Some(900.0)));
    assert_eq!(with_stale(&[1]), (Some(5), Some(15), Some(2), None));
    assert_eq!(with_stale(&[0, 1]), (Some(0), Some(10), Some(1), None));
}

#[test]
fn a_replica_has_the_median_of_its_instances_slots_else_the_configured_ones_else_nobody_knows() {
    let per_replica = |capacities: [i64; 4], fields: &str| {
        let mut facts = facts();
        facts.heartbeats.iter_mut().zip(capacities).for_each(|(beat, capacity)| beat.capacity = capacity);
        let gateway = gateway_with(&format!(r#""service_capacity": {{{fields}}}"#));
        let slots = ticks_of(gateway, [(NOW, facts)]).demand.slots;
        (slots.per_replica.get(), slots.per_replica.reason().map(|reason| reason.cause))
    };
    let configured = r#""concurrent_requests_per_process": 5, "processes_per_instance": 3"#;
    assert_eq!(per_replica([4, 4, 1, 1], configured), (Some(5.0), None));
    assert_eq!(per_replica([1, 0, 0, 0], configured), (Some(0.5), None), "half a slot is one");
    assert_eq!(per_replica([0; 4], configured), (Some(15.0), None));
    let one = r#""concurrent_requests_per_process": 1, "processes_per_instance": 0"#;
    assert_eq!(per_replica([0; 4], one), (Some(1.0), None), "an instance runs one process at the least");
    let none = r#""concurrent_requests_per_process": 0"#;
    assert_eq!(per_replica([0; 4], none), (None, Some(Cause::NoCapacity)));
}

#[test]
fn one_slot_is_enough_for_a_load_ratio() {
    let mut facts = facts();
    facts.heartbeats.truncate(1);
    facts.heartbeats[0].capacity = 1;
    facts.heartbeats[0].load = 1;
    assert_eq!(of(facts).slots.load_ratio.get(), Some(8.0));
}

#[test]
fn without_waiting_tasks_that_nothing_ends_is_no_stall() {
    let facts = busy(exec(&[(400.0, 1000.0)]));
    let idle = |facts: &Facts| Facts { queues: PerRole::from_fn(|_| Some(QueueDepth::default())), ..facts.clone() };
    assert_eq!(ticks([(NOW - 500.0, facts.clone()), (NOW, idle(&facts))]).demand.stall, None);
    let begin = Facts { latency: Default::default(), ..facts.clone() };
    assert_eq!(ticks([(NOW - 500.0, begin), (NOW, facts)]).demand.stall, Some(Stall::NothingEnds(400.0)));
}

#[test]
fn nothing_ends_only_after_longer_than_twice_a_tasks_time() {
    let stall = |seconds: f64| {
        let facts = busy(exec(&[(seconds, 100_000.0)]));
        let begin = Facts { latency: Default::default(), ..facts.clone() };
        ticks([(NOW - 500.0, begin), (NOW, facts)]).demand.stall
    };
    assert_eq!(stall(200.0), None);
    assert_eq!(stall(200.5), Some(Stall::NothingEnds(200.5)));
}

#[test]
fn where_no_task_was_ever_seen_to_end_a_stall_takes_an_hour() {
    let stall = |seconds: f64| ticks([(NOW - seconds, busy(facts())), (NOW, busy(facts()))]).demand.stall;
    assert_eq!(stall(3600.0), None);
    assert_eq!(stall(3601.0), Some(Stall::NothingEnds(3601.0)));
}

#[test]
fn where_the_ends_of_tasks_cannot_be_read_nobody_knows_whether_any_ended() {
    let mut facts = busy(facts());
    facts.unreadable.insert(Unreadable::Latency(LatencySeries::TaskExec));
    let demand = ticks([(NOW - 4000.0, facts.clone()), (NOW, facts)]).demand;
    assert_eq!((demand.stall, demand.flow.ended_per_second.get()), (None, None));
}
