//! What a tick makes of a source's answers: points, history, problems and times, with a source that follows a script.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

use super::gateway_store::GatewayStore;
use super::sample_ticker::SampleTicker;
use super::tick::{RecordMode, Tick, Ticker};
use crate::analysis::state::{Cause, LatencyWindow, Reading};
use crate::base::clock::UnixSeconds;
use crate::platform::facts::{
    Component, Facts, InputKind, LatencySeries, PerRole, Point, QueueDepth, Role, RollingSeries, SeriesFacts, SeriesId,
};
use crate::platform::gateway::{GatewayConfig, GatewayContext, SavedGatewayConfig};
use crate::sources::{Cost, Recorded, SaveState, ServerClock, Source, SourceError};

const NOW: f64 = 1_767_225_600.0;
const CONFIG: &str = r#"{"tenant": "a", "project": "b", "service_capacity": {"processes_per_instance": 7}}"#;
const DEPTH: RollingSeries = RollingSeries::QueueDepth;

/// Time, points, and whether the state was to be saved.
type Recording = (UnixSeconds, Vec<(RollingSeries, f64)>, SaveState);

/// A source that follows a script, and the calls it got.
#[derive(Default)]
struct Script {
    collects: VecDeque<Result<Facts, SourceError>>,
    recorded: Option<Result<Recorded, SourceError>>,
    clock: Option<ServerClock>,
    asked_for: Vec<UnixSeconds>,
    records: Vec<Recording>,
    read_again: usize,
}

#[derive(Clone, Default)]
struct Scripted(Arc<Mutex<Script>>);

impl Scripted {
    fn with<T>(&self, change: impl FnOnce(&mut Script) -> T) -> T {
        change(&mut self.0.lock().unwrap())
    }

    fn then(&self, facts: Facts) -> &Self {
        self.with(|script| script.collects.push_back(Ok(facts)));
        self
    }

    fn ticker(&self) -> SampleTicker {
        let context =
            GatewayContext { component: Component::Proc, instance_id: "m", tenant: None, project: None, forced: false };
        let config = r#"{"tenant": "a", "project": "b"}"#;
        let gateway = GatewayStore::new(GatewayConfig::from_env_json(config, &context).unwrap(), false);
        SampleTicker::new(Box::new(self.clone()), gateway, "m".to_owned(), 100)
    }
}

#[async_trait]
impl Source for Scripted {
    async fn collect(&mut self, now: UnixSeconds) -> Result<Facts, SourceError> {
        self.with(|script| {
            script.asked_for.push(now);
            script.collects.pop_front().unwrap_or_else(|| Ok(queued(1)))
        })
    }

    async fn record(
        &mut self,
        now: UnixSeconds,
        points: &[(RollingSeries, f64)],
        save_state: SaveState,
    ) -> Result<Recorded, SourceError> {
        self.with(|script| {
            script.records.push((now, points.to_vec(), save_state));
            script.recorded.clone().unwrap_or(Ok(Recorded::Written))
        })
    }

    fn server_clock(&self) -> Option<ServerClock> {
        self.with(|script| script.clock)
    }

    fn read_again(&mut self) {
        self.with(|script| script.read_again += 1);
    }

    fn cost(&self) -> Cost {
        Cost { round_trips: 2, commands: 30 }
    }
}

/// This many tasks ready for each role.
fn queued(ready: i64) -> Facts {
    let mut queues = PerRole::default();
    for role in Role::ALL {
        *queues.get_mut(role) = Some(QueueDepth { ready, inflight: 0, continuations: 0 });
    }
    Facts { queues, ..Facts::default() }
}

fn error() -> SourceError {
    SourceError::BadReply { server: "Redis".to_owned(), problem: "scripted".to_owned() }
}

/// The mean and the maximum of the queue's depth over a minute.
fn depth(tick: &Tick) -> (Option<f64>, Option<f64>) {
    let windows = tick.state.rolling(DEPTH).value().unwrap();
    (windows.one_minute.value(), windows.max_one_minute.value())
}

fn depths(points: &[(RollingSeries, f64)]) -> Vec<f64> {
    points.iter().filter(|(series, _)| *series == DEPTH).map(|(_, value)| *value).collect()
}

#[tokio::test]
async fn only_a_tick_that_records_writes_its_points_and_keeps_them() {
    for (mode, saved, mean) in [
        (RecordMode::Yes, Some(SaveState::Yes), Some(10.0)),
        (RecordMode::Points, Some(SaveState::No), Some(10.0)),
        (RecordMode::No, None, None),
    ] {
        let source = Scripted::default();
        let tick = source.then(queued(2)).ticker().tick(NOW, mode).await.unwrap();
        assert_eq!(source.with(|script| script.records.first().map(|record| record.2)), saved, "{mode:?}");
        source.with(|script| {
            script.records.iter().for_each(|(at, points, _)| assert_eq!((*at, depths(points)), (NOW, vec![10.0])));
        });
        assert_eq!((depth(&tick).0, tick.state.queue.total.get()), (mean, Some(10)), "{mode:?}");
    }
}

#[tokio::test]
async fn a_follower_keeps_the_leaders_points_and_not_its_own() {
    let source = Scripted::default();
    source.with(|script| script.recorded = Some(Ok(Recorded::ByLeader)));
    let of_the_leader = BTreeMap::from([(DEPTH, vec![Point { at: NOW + 1.0, value: 40.0 }])]);
    let mut ticker = source.then(queued(2)).then(Facts { rolling: of_the_leader, ..queued(2) }).ticker();
    let first = ticker.tick(NOW, RecordMode::Yes).await.unwrap();
    assert_eq!((depth(&first), &first.record_error), ((None, None), &None));
    let second = ticker.tick(NOW + 5.0, RecordMode::Yes).await.unwrap();
    assert_eq!(depth(&second), (Some(40.0), Some(40.0)));
}

#[tokio::test]
async fn a_point_that_cannot_be_written_is_kept_and_the_tick_succeeds() {
    let source = Scripted::default();
    source.with(|script| script.recorded = Some(Err(error())));
    let mut ticker = source.then(queued(2)).then(queued(4)).ticker();
    let first = ticker.tick(NOW, RecordMode::Yes).await.unwrap();
    assert_eq!((depth(&first).0, first.record_error), (Some(10.0), Some(error())));
    source.with(|script| script.recorded = None);
    let second = ticker.tick(NOW + 5.0, RecordMode::Yes).await.unwrap();
    assert_eq!((depth(&second), second.record_error), ((Some(15.0), Some(20.0)), None));
}

#[tokio::test]
async fn a_tick_that_cannot_read_changes_nothing() {
    let source = Scripted::default();
    let sample = |at| BTreeMap::from([(LatencySeries::TaskExec, vec![Point { at, value: 7.0 }])]);
    let mut ticker = source.then(Facts { latency: sample(NOW), ..queued(2) }).ticker();
    ticker.tick(NOW, RecordMode::Yes).await.unwrap();
    source.with(|script| script.collects.push_back(Err(error())));
    assert_eq!(ticker.tick(NOW + 5.0, RecordMode::Yes).await.unwrap_err(), error());
    assert_eq!(source.with(|script| script.records.len()), 1, "nothing is written for it");
    let third = ticker.tick(NOW + 10.0, RecordMode::Yes).await.unwrap();
    let LatencyWindow { count, max, .. } = &third.state.latency[&LatencySeries::TaskExec].one_minute;
    assert_eq!((count.get(), max.get(), depth(&third).0), (Some(1), Some(7.0), Some(7.5)));
}

#[tokio::test]
async fn what_cannot_be_read_adds_no_point_and_an_empty_source_none_at_all() {
    let mut unreadable = queued(3);
    *unreadable.queues.get_mut(Role::Paid) = None;
    let source = Scripted::default();
    let mut ticker = source.then(Facts::default()).then(unreadable).then(queued(0)).ticker();
    for (second, points) in [(0.0, vec![]), (5.0, vec![]), (10.0, vec![0.0])] {
        let tick = ticker.tick(NOW + second, RecordMode::Yes).await.unwrap();
        let (_, written, _) = source.with(|script| script.records.pop()).unwrap();
        assert_eq!(depths(&written), points, "{second}");
        assert_eq!(tick.state.scope_found(), Some(second > 0.0));
        assert!(second > 0.0 || written.is_empty(), "{written:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_jump_of_the_sources_clock_records_nothing_and_reads_the_series_again() {
    let source = Scripted::default();
    let mut ticker = source.ticker().following_the_source();
    let (mut recorded, began) = (Vec::new(), Instant::now());
    for (second, jump) in [(0, 0.0), (5, 0.0), (10, 600.0), (15, 600.0)] {
        let read = began + Duration::from_secs(second);
        tokio::time::sleep_until(read).await;
        let time = NOW + second as f64;
        source.with(|script| script.clock = Some(ServerClock { at: time + jump, read, uncertainty: 0.0 }));
        let tick = ticker.tick(time - 30.0, RecordMode::Yes).await.unwrap();
        assert_eq!((tick.at, tick.state.at), (time + jump, time + jump));
        assert_eq!(tick.clock_offset, Some(-30.0 - jump));
        recorded.push((source.with(|script| script.records.len()), source.with(|script| script.read_again)));
    }
    assert_eq!(recorded, [(1, 0), (2, 0), (2, 1), (3, 1)]);
}

#[tokio::test(start_paused = true)]
async fn a_tick_is_asked_for_by_the_sources_clock_only_where_it_is_followed() {
    for (follows, asked) in [(true, NOW + 100.0), (false, NOW)] {
        let source = Scripted::default();
        let clock = ServerClock { at: NOW + 100.0, read: Instant::now(), uncertainty: 0.0 };
        source.with(|script| script.clock = Some(clock));
        let mut ticker = if follows { source.ticker().following_the_source() } else { source.ticker() };
        let tick = ticker.tick(NOW, RecordMode::Yes).await.unwrap();
        assert_eq!((source.with(|script| script.asked_for.clone()), tick.at), (vec![asked], asked));
        let written = source.with(|script| script.records[0].0);
        assert_eq!((written, tick.clock_offset.is_some()), (asked, follows));
    }
}

#[tokio::test]
async fn a_saved_configuration_that_cannot_be_used_is_an_input_once_and_a_problem_until_it_is_mended() {
    let saved = |text: &str| Facts { saved_gateway_config: SavedGatewayConfig::Text(text.to_owned()), ..queued(1) };
    let source = Scripted::default();
    let mut ticker = source.then(saved("{")).then(saved("{")).then(saved("{}")).ticker();
    for (malformed, problem, uncertain) in [(1, true, true), (0, true, true), (0, false, false)] {
        let tick = ticker.tick(NOW, RecordMode::No).await.unwrap();
        let kinds: Vec<InputKind> = tick.malformed.iter().map(|input| input.kind).collect();
        assert_eq!(kinds, vec![InputKind::GatewayConfig; malformed]);
        let codes = tick.state.problems.iter().map(|problem| problem.code.as_str());
        assert_eq!(codes.filter(|code| *code == "gateway_config_unreadable").count(), usize::from(problem));
        assert_eq!(tick.gateway.unwrap().is_uncertain, uncertain);
    }
}

#[tokio::test]
async fn a_tick_hands_on_what_the_source_found_and_cost() {
    let series = BTreeMap::from([(SeriesId::Throttling, SeriesFacts { late: 3, ..SeriesFacts::default() })]);
    let unlisted = BTreeMap::from([(InputKind::Heartbeat, 9)]);
    let facts =
        Facts { series: series.clone(), malformed_unlisted: unlisted.clone(), dropped_before_load: 5, ..queued(1) };
    let tick = Scripted::default().then(facts).ticker().tick(NOW, RecordMode::Yes).await.unwrap();
    assert_eq!((tick.series, tick.malformed_unlisted, tick.dropped), (series, unlisted, 5));
    assert_eq!((tick.cost, tick.at), (Cost { round_trips: 2, commands: 30 }, NOW));
    assert_eq!(tick.state.database.limit, Reading::absent(Cause::NotAsked));
}

#[tokio::test(start_paused = true)]
async fn a_published_configuration_is_in_force_with_the_next_tick_and_dated_by_the_sources_clock() {
    let update = |tenant| format!(r#"{{"tenant": "{tenant}", "project": "b", "ts": 1, "config": {CONFIG}}}"#);
    let source = Scripted::default();
    let mut ticker = source.ticker().following_the_source();
    let clock = ServerClock { at: NOW + 100.0, read: Instant::now(), uncertainty: 0.0 };
    source.with(|script| script.clock = Some(clock));
    ticker.tick(NOW, RecordMode::No).await.unwrap();
    assert!(ticker.apply_update(update("another").as_bytes(), NOW).is_err());
    tokio::time::sleep(Duration::from_secs(5)).await;
    ticker.apply_update(update("a").as_bytes(), NOW + 5.0).unwrap();
    let tick = ticker.tick(NOW + 5.0, RecordMode::No).await.unwrap();
    assert_eq!(tick.gateway.unwrap().changed_at, Some(NOW + 105.0));
    let gateway = tick.state.gateway.known().unwrap();
    assert_eq!(gateway.settings().service_capacity.processes_per_instance.whole(), 7);
    let codes: Vec<&str> = tick.state.problems.iter().map(|problem| problem.code.as_str()).collect();
    assert!(codes.contains(&"gateway_config_changed") && codes.contains(&"clock_skew_server"), "{codes:?}");
}
