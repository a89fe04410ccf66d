//! One tick over facts: from the source, into the history, through the analysis, to the state.
//!
//! Owns what ticks share (history, gateway configuration). `collector` decides when ticks happen.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::tz::TimeZone;
use tokio::time::Instant;

use super::tick::{RecordMode, Tick, Ticker};
use crate::analysis::state::{Cause, Reading};
use crate::analysis::{Analysis, Inputs, SystemState};
use crate::base::clock::UnixSeconds;
use crate::engine::database::Database;
use crate::engine::gateway_store::GatewayStore;
use crate::engine::scope_watch::ScopeWatch;
use crate::engine::tick_clock::TickClock;
use crate::history::History;
use crate::platform::facts::{Facts, RollingSeries};
use crate::problems::code::code;
use crate::problems::{Problem, ProblemCode};
use crate::sources::{Recorded, SaveState, Source, SourceError};

const SCOPE_NOT_FOUND: ProblemCode = code("scope_not_found");

/// Turns facts into states.
pub struct SampleTicker {
    source: Box<dyn Source>,
    history: History,
    gateway: GatewayStore,
    /// `None` = PostgreSQL is not queried.
    database: Option<Database>,
    instance_id: String,
    zone: TimeZone,
    scope_watch: ScopeWatch,
    clock: TickClock,
}

impl SampleTicker {
    /// A ticker over `source` that keeps at most `max_samples` of each latency series.
    #[must_use]
    pub fn new(source: Box<dyn Source>, gateway: GatewayStore, instance_id: String, max_samples: usize) -> Self {
        Self {
            source,
            history: History::new(max_samples),
            gateway,
            database: None,
            instance_id,
            zone: TimeZone::UTC,
            scope_watch: ScopeWatch::default(),
            clock: TickClock::default(),
        }
    }

    /// The same, with what the database says of itself.
    #[must_use]
    pub fn with_database(mut self, database: Option<Database>) -> Self {
        self.database = database;
        self
    }

    /// The same, for workers whose time zone is not UTC.
    #[must_use]
    pub fn in_zone(mut self, zone: TimeZone) -> Self {
        self.zone = zone;
        self
    }

    /// The same, going by the source's clock where it has one, and watching this machine's.
    #[must_use]
    pub fn following_the_source(mut self) -> Self {
        self.clock.follow_source();
        self
    }

    /// What the tick hands over.
    fn finish(&self, now: UnixSeconds, state: SystemState, facts: Facts, record_error: Option<SourceError>) -> Tick {
        Tick {
            at: now,
            state: Arc::new(state),
            upstream_payload: None,
            malformed: facts.malformed,
            malformed_unlisted: facts.malformed_unlisted,
            gateway: Some(self.gateway.status()),
            record_error,
            dropped: self.history.dropped(),
            series: facts.series,
            cost: self.source.cost(),
            answers: None,
            clock_offset: self.clock.offset(),
        }
    }

    fn database_max_connections(&self) -> Reading<i64> {
        match &self.database {
            Some(database) => Reading::or_absent(database.max_connections(), || Cause::NoAnswer),
            None => Reading::absent(Cause::NotAsked),
        }
    }
}

/// Writes the points and adds them to the history, where those of a leader come with the next tick. A failure costs the other
/// readers of the series a point, not this server the tick.
async fn record(
    history: &mut History,
    source: &mut dyn Source,
    now: UnixSeconds,
    points: &[(RollingSeries, f64)],
    record: RecordMode,
) -> Option<SourceError> {
    let save_state = match record {
        RecordMode::No => return None,
        RecordMode::Points => SaveState::No,
        RecordMode::Yes => SaveState::Yes,
    };
    let recorded = source.record(now, points, save_state).await;
    if recorded != Ok(Recorded::ByLeader) {
        history.record(now, points);
    }
    recorded.err()
}

/// A deployment that is not there may be in another Redis: says which one was read.
fn name_place(problems: &mut [Problem], place: Option<String>) {
    let Some(place) = place else { return };
    let missing = problems.iter_mut().filter(|problem| problem.code == SCOPE_NOT_FOUND);
    missing.for_each(|problem| problem.detail = format!("{}; this Redis is {place}", problem.detail));
}

#[async_trait]
impl Ticker for SampleTicker {
    fn apply_update(&mut self, message: &[u8], now: UnixSeconds) -> Result<(), String> {
        let now = self.clock.expected(now, self.source.server_clock());
        self.gateway.apply_update(message, now)
    }

    async fn prepare(&mut self, now: UnixSeconds) -> Result<bool, SourceError> {
        let expected = self.clock.expected(now, self.source.server_clock());
        self.source.prepare(expected).await
    }

    fn problems(&self) -> Vec<Problem> {
        self.source.problems()
    }

    fn time_limit(&self) -> Duration {
        self.source.time_limit()
    }

    async fn release(&mut self) -> Result<(), SourceError> {
        self.source.release().await
    }

    async fn tick(&mut self, now: UnixSeconds, mode: RecordMode) -> Result<Tick, SourceError> {
        let began = Instant::now();
        let expected = self.clock.expected(now, self.source.server_clock());
        let mut facts = self.source.collect(expected).await?;
        let time = self.clock.settle(now, began, self.source.server_clock());
        let (now, mode) = (time.now, if time.jumped { RecordMode::No } else { mode });
        if time.jumped {
            self.source.read_again();
        }
        let malformed = self.gateway.apply_saved(&facts.saved_gateway_config, now);
        facts.malformed.extend(malformed);
        let is_scope_found = self.scope_watch.observe(&facts);
        self.history.absorb(&mut facts, now);
        let analysis = Analysis::new(
            Inputs {
                facts: &facts,
                gateway: self.gateway.current(),
                instance_id: &self.instance_id,
                zone: &self.zone,
                database_max_connections: self.database_max_connections(),
                is_gateway_uncertain: self.gateway.status().is_uncertain,
                is_scope_found,
                now,
            },
            &self.history,
        );
        let points = analysis.rolling_points();
        let record_error = record(&mut self.history, self.source.as_mut(), now, &points, mode).await;
        let mut state = analysis.finish(&self.history);
        name_place(&mut state.problems, self.source.place());
        state.problems.extend(self.gateway.problems(now));
        state.problems.extend(self.clock.problems());
        Ok(self.finish(now, state, facts, record_error))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, VecDeque};
    use std::sync::Mutex;

    use super::*;
    use crate::analysis::state::LatencyWindow;
    use crate::platform::facts::{
        Component, Facts, InputKind, LatencySeries, PerRole, Point, QueueDepth, Role, SeriesFacts, SeriesId,
    };
    use crate::platform::gateway::{GatewayConfig, GatewayContext, SavedGatewayConfig};
    use crate::sources::{Cost, ServerClock};

    const NOW: f64 = 1_767_225_600.0;
    const DEPTH: RollingSeries = RollingSeries::QueueDepth;

    /// Time, points, and whether the state was to be saved.
    type Recording = (UnixSeconds, Vec<(RollingSeries, f64)>, SaveState);

    /// A source that follows a script, and what it was told.
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
            let context = GatewayContext {
                component: Component::Proc,
                instance_id: "m",
                tenant: None,
                project: None,
                forced: false,
            };
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
}
