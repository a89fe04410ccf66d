//! One tick over facts: from the source, into the history, through the analysis, to the state.
//!
//! Owns what ticks share (history, gateway configuration). `collector` decides when ticks happen.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::tz::TimeZone;
use tokio::time::Instant;

use super::tick::{RecordMode, Tick, Ticker};
use crate::analysis::recommendation::{Recommendations, ScaleMemory, ScalePolicy};
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
/// Seconds between two searches for other deployments.
const SEARCH_INTERVAL: f64 = 60.0;
/// Well within an interval of ticks.
const LONGEST_SEARCH: Duration = Duration::from_secs(1);

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
    /// The deployments that were found instead of one that is not there, and when.
    others: Option<(UnixSeconds, Option<String>)>,
    clock: TickClock,
    policy: ScalePolicy,
    /// What was needed lately.
    needs: ScaleMemory,
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
            others: None,
            clock: TickClock::default(),
            policy: ScalePolicy::default(),
            needs: ScaleMemory::default(),
        }
    }

    /// The same, with what the database says of itself.
    #[must_use]
    pub fn with_database(mut self, database: Option<Database>) -> Self {
        self.database = database;
        self
    }

    /// The same, with another policy for the number of replicas.
    #[must_use]
    pub fn scaled_by(mut self, policy: ScalePolicy) -> Self {
        self.policy = policy;
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

    /// A deployment that is not there may be in another Redis or have another name: says which Redis was read, and what it
    /// holds.
    async fn say_what_is_there(&mut self, problems: &mut [Problem], now: UnixSeconds) {
        let Some(problem) = problems.iter_mut().find(|problem| problem.code == SCOPE_NOT_FOUND) else {
            self.others = None;
            return;
        };
        if let Some(place) = self.source.place() {
            problem.detail.push_str(&format!("; this Redis is {place}"));
        }
        if self.others.as_ref().is_none_or(|(at, _)| (now - at).abs() >= SEARCH_INTERVAL) {
            self.others = Some((now, self.source.search_scopes(LONGEST_SEARCH).await));
        }
        if let Some((_, Some(found))) = &self.others {
            problem.detail.push_str(&format!("; {found}"));
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

#[async_trait]
impl Ticker for SampleTicker {
    fn apply_update(&mut self, message: &[u8], now: UnixSeconds) -> Result<(), String> {
        let now = self.clock.expected(now, self.source.server_clock());
        self.gateway.apply_update(message, now)
    }

    async fn prepare(&mut self, now: UnixSeconds) -> Result<bool, SourceError> {
        let expected = self.clock.expected(now, self.source.server_clock());
        let is_prepared = self.source.prepare(expected).await?;
        self.history.absorb_events(self.source.take_events(), expected);
        Ok(is_prepared)
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
        let (points, backlog) = (analysis.rolling_points(), analysis.backlog());
        let record_error = record(&mut self.history, self.source.as_mut(), now, &points, mode).await;
        self.history.observe(now, &backlog);
        let mut state = analysis.finish(&self.history);
        let needs = std::mem::take(&mut self.needs);
        (state.scaling, self.needs) = Recommendations::of(&state, &self.policy, needs);
        self.say_what_is_there(&mut state.problems, now).await;
        state.problems.extend(self.gateway.problems(now));
        state.problems.extend(self.clock.problems());
        Ok(self.finish(now, state, facts, record_error))
    }
}
