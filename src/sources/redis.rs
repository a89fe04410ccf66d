//! Reads one scope's facts from Redis in at most three pipelined round trips a tick, and writes the tick's points back.
//!
//! This file has the order of a tick. `address` is where Redis is; `link` keeps a `connection` to it (its `stream`, the
//! `handshake`, the `sentinel`s), knows the `node` it leads to, and how much it can be asked for at a time (`strain`); `truncate`
//! bounds values. `merge`, `strings` and `absent` ask for many keys by one command. `fleet` reads processes, `series` the series (each by
//! `tail`), `state` the small facts, `work` what waits, and `sse_watch` knows
//! which SSE counts still hold.

mod absent;
pub mod address;
pub mod config;
mod connection;
pub(crate) mod errors;
mod fleet;
mod handshake;
mod lease;
pub(crate) mod link;
mod merge;
mod node;
mod parts;
mod per_second;
mod points;
pub mod probe;
mod recent;
mod replies;
pub mod scopes;
mod sentinel;
mod series;
#[cfg(test)]
mod series_tests;
mod server_time;
mod sse_cache;
mod sse_watch;
mod state;
mod strain;
mod stream;
mod strings;
mod tail;
#[cfg(test)]
mod tail_tests;
mod tls_files;
mod truncate;
pub mod updates;
mod values;
mod work;

use std::time::Duration;

use async_trait::async_trait;
use redis::{Pipeline, Value};
use tokio::task::JoinSet;
use tokio::time::Instant;

use self::errors::{error_text, first_refusal, server_refusal};
use self::fleet::{FleetQuery, FleetReader};
use self::lease::{Claim, Lease};
use self::link::Link;
use self::points::PointWriter;
use self::replies::Replies;
use self::series::SeriesReader;
use self::server_time::ServerTime;
use self::sse_cache::SseCountCache;
use self::strings::Strings;
use self::work::WorkReader;
use super::{Cost, Recorded, SaveState, ServerClock, Source, SourceError};
use crate::base::clock::UnixSeconds;
use crate::base::lease::{Contender, Leadership};
use crate::platform::facts::{Facts, RollingSeries, Scope, ThrottlingEvent};
use crate::platform::keys::Keys;
use crate::problems::Problem;
use crate::sources::redis::config::RedisConfig;

/// Requests of the longest tick, each with its own time limit: connect, two reads with a second attempt within half of it, those
/// of long heartbeats and of a burst (which begin within half of one each), a write, and one in reserve.
const REQUESTS: u32 = 9;

/// How much of the work before the first tick is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Prepared {
    Nothing,
    Clock,
    Series,
    All,
}

/// Reads one scope.
pub struct RedisSource {
    keys: Keys,
    /// As people write it: `acme/chat`.
    scope: String,
    link: Link,
    limit: Duration,
    fleet: FleetReader,
    series: SeriesReader,
    strings: Strings,
    points: PointWriter,
    sse_cache: SseCountCache,
    work: WorkReader,
    server_time: ServerTime,
    /// `None` = this server writes without asking who else does.
    lease: Option<Lease>,
    prepared: Prepared,
    /// No tick has succeeded yet.
    first: bool,
    cost: Cost,
    /// Of the TLS files, until it is dropped.
    _following: JoinSet<()>,
}

impl RedisSource {
    /// Connects on first use. One `collect` returns at most `most` entries of a series.
    #[must_use]
    pub fn new(config: RedisConfig, scope: &Scope, most: usize) -> Self {
        let keys = Keys::new(scope);
        let series = SeriesReader::new(&keys, most);
        Self {
            keys,
            scope: scope.to_string(),
            limit: config.timeout,
            link: Link::new(config),
            fleet: FleetReader::new(),
            series,
            strings: Strings::default(),
            points: PointWriter::default(),
            sse_cache: SseCountCache::default(),
            work: WorkReader::default(),
            server_time: ServerTime::default(),
            lease: None,
            prepared: Prepared::Nothing,
            first: true,
            cost: Cost::default(),
            _following: JoinSet::new(),
        }
    }

    /// The same for `config`, whose TLS files it follows; needs a runtime. `reloaded` is called after each change, with the errors of contents
    /// that cannot be used.
    ///
    /// # Errors
    /// A file has become invalid since the configuration was read.
    pub fn following_tls_files(
        mut self,
        config: &RedisConfig,
        reloaded: impl Fn(Option<&[String]>) + Send + 'static,
    ) -> Result<Self, Vec<String>> {
        self._following = tls_files::follow(config, reloaded)?;
        Ok(self)
    }

    /// The same, writing only while it holds the scope's lease.
    #[must_use]
    pub fn with_lease(mut self, contender: Contender, leadership: &Leadership) -> Self {
        self.lease = Some(Lease::new(self.keys.lease(), contender, leadership.clone()));
        self
    }

    /// One round trip. An error that concerns the whole server is an error; that of one key is a reply.
    async fn ask(&mut self, pipeline: &Pipeline, optional: &[usize]) -> Result<Replies, SourceError> {
        let values = self.link.read(pipeline).await?;
        self.accept(values, optional).map(Replies::new)
    }

    /// The same, and the lease and Redis' clock are read last.
    async fn ask_with_time(&mut self, mut pipeline: Pipeline, optional: &[usize]) -> Result<Replies, SourceError> {
        let last = pipeline.len();
        if let Some(lease) = &mut self.lease {
            lease.ask(&mut pipeline);
        }
        pipeline.cmd("TIME");
        let optional: Vec<usize> = optional.iter().copied().chain(last..pipeline.len()).collect();
        let values = self.link.read_from_primary(pipeline).await?;
        let mut values = self.accept(values, &optional)?;
        self.server_time.take(values.pop().as_ref(), self.link.round_trip());
        if let (Some(lease), Some(connection)) = (&mut self.lease, self.link.connection_id()) {
            lease.take(&values.split_off(last.min(values.len())), connection);
        }
        Ok(Replies::new(values))
    }

    fn accept(&mut self, values: Vec<Value>, optional: &[usize]) -> Result<Vec<Value>, SourceError> {
        match server_refusal(&values, optional) {
            Some(error) => Err(self.link.refused(error)),
            None => Ok(values),
        }
    }

    /// Reads Redis' clock before the series, whose ranges go by it.
    async fn read_clock(&mut self) -> Result<(), SourceError> {
        self.ask_with_time(Pipeline::new(), &[]).await?;
        self.prepared = Prepared::Clock;
        Ok(())
    }

    /// Reads the next pages of every series' retention: only a few, to keep each command short.
    async fn load_series(&mut self, now: UnixSeconds) -> Result<(), SourceError> {
        let mut pipeline = Pipeline::new();
        let asked = self.series.ask(now, false, &mut pipeline);
        let mut replies = self.ask(&pipeline, &[]).await?;
        self.series.take(asked, now, &mut replies);
        if !self.series.is_behind() {
            self.prepared = if self.first { Prepared::Series } else { Prepared::All };
        }
        Ok(())
    }

    /// Scans for processes that no index names, before the first tick; later steps run with the ticks, one in each.
    async fn scan(&mut self) -> Result<(), SourceError> {
        let Some(round) = self.fleet.first_scan() else {
            self.prepared = Prepared::All;
            return Ok(());
        };
        let mut pipeline = Pipeline::new();
        self.fleet.ask(&self.keys, &round, &mut pipeline);
        let mut replies = self.ask(&pipeline, round.scan_at().as_slice()).await?;
        self.fleet.take_first_scan(&self.keys, &mut replies);
        Ok(())
    }

    /// The first round trip of a tick: the known processes, the small facts, and the series.
    async fn first_round(&mut self, now: UnixSeconds, signals: &mut Facts) -> Result<FleetQuery, SourceError> {
        let round = self.fleet.begin(now);
        let mut pipeline = Pipeline::new();
        self.fleet.ask(&self.keys, &round, &mut pipeline);
        let mut small = Pipeline::new();
        state::ask(&self.keys, &mut small);
        self.strings.ask(&small, now, &mut pipeline);
        let is_empty = |key: &str| self.strings.is_absent(key);
        let optional: Vec<usize> = self.work.ask(&self.keys, is_empty, &mut pipeline).chain(round.scan_at()).collect();
        let is_alone = self.lease.as_ref().is_some_and(|lease| lease.is_held(now));
        let asked = self.series.ask(now, is_alone, &mut pipeline);
        if self.first {
            SseCountCache::ask(&self.keys, &mut pipeline);
        }
        let mut replies = self.ask_with_time(pipeline, &optional).await?;
        self.fleet.take(&self.keys, &round, &mut replies);
        self.strings.take(&mut replies);
        self.work.take(&self.keys, now, &mut replies, signals);
        self.series.take(asked, now, &mut replies);
        if self.first {
            self.sse_cache.take(&self.keys, &mut replies);
        }
        signals.malformed.append(&mut replies.malformed);
        Ok(round)
    }

    /// The second round trip: what the first one named or left open.
    async fn second_round(
        &mut self,
        now: UnixSeconds,
        asked: &FleetQuery,
        signals: &mut Facts,
    ) -> Result<(), SourceError> {
        let next = self.fleet.next_round(&self.keys, asked);
        let mut pipeline = Pipeline::new();
        self.fleet.ask(&self.keys, &next, &mut pipeline);
        self.strings.ask_unsure(&mut pipeline);
        let appeared = self.strings.has_appeared();
        let optional = if appeared { self.work.ask_empty(&self.keys, &mut pipeline) } else { 0..0 };
        let optional: Vec<usize> = optional.chain(next.scan_at()).collect();
        let mut replies = self.ask(&pipeline, &optional).await?;
        self.fleet.take(&self.keys, &next, &mut replies);
        let mut small = Replies::new(self.strings.conclude(&mut replies));
        if appeared {
            self.work.take_empty(&self.keys, now, &mut replies, signals);
        }
        state::take(&self.keys, &mut small, signals);
        signals.malformed.append(&mut replies.malformed);
        signals.malformed.append(&mut small.malformed);
        Ok(())
    }

    async fn round(&mut self, round: &FleetQuery, signals: &mut Facts) -> Result<(), SourceError> {
        if round.is_empty() {
            return Ok(());
        }
        let mut pipeline = Pipeline::new();
        self.fleet.ask(&self.keys, round, &mut pipeline);
        let mut replies = self.ask(&pipeline, round.scan_at().as_slice()).await?;
        self.fleet.take(&self.keys, round, &mut replies);
        signals.malformed.append(&mut replies.malformed);
        Ok(())
    }

    /// Reads on where more entries arrived than one read takes; what half of a time limit is not enough for waits.
    async fn catch_up(&mut self, now: UnixSeconds, signals: &mut Facts) -> Result<(), SourceError> {
        let began = Instant::now();
        while self.series.is_behind() && began.elapsed() < self.limit / 2 {
            let mut pipeline = Pipeline::new();
            let asked = self.series.ask_behind(now, &mut pipeline);
            let mut replies = self.ask(&pipeline, &[]).await?;
            self.series.take(asked, now, &mut replies);
            signals.malformed.append(&mut replies.malformed);
        }
        Ok(())
    }

    /// Long heartbeats, in round trips of bounded size, as long as the tick has time for them.
    async fn large_heartbeats(&mut self, signals: &mut Facts) -> Result<(), SourceError> {
        let end = Instant::now() + self.limit / 2;
        loop {
            let next = self.fleet.next_large();
            if next.is_empty() || Instant::now() >= end {
                return Ok(());
            }
            self.round(&next, signals).await?;
        }
    }

    /// The first tick knows no process before, so it also reads what its first two round trips found.
    async fn follow_up(&mut self, signals: &mut Facts) -> Result<(), SourceError> {
        let services = self.fleet.next_round(&self.keys, &FleetQuery::default());
        self.round(&services, signals).await?;
        let workers = self.fleet.unread_workers(&self.keys);
        self.round(&workers, signals).await
    }

    /// Nothing of a tick was written, or nobody knows what.
    fn lose_writes(&mut self) {
        self.series.confirm(false);
        self.points.lost();
        self.sse_cache.lost();
    }

    /// Writes as the claim says; the replies, or `None` where another replica took the lease meanwhile.
    async fn write(&mut self, claim: Claim, commands: &Pipeline) -> Result<Option<Vec<Value>>, SourceError> {
        match (claim, &mut self.lease) {
            (Claim::Write(record), Some(lease)) => {
                let replies =
                    self.link.run(&lease.transaction(&record, commands)).await.inspect_err(|_| lease.lost())?;
                Ok(lease.written(record, replies))
            }
            _ => self.link.run(commands).await.map(Some),
        }
    }
}

#[async_trait]
impl Source for RedisSource {
    async fn prepare(&mut self, now: UnixSeconds) -> Result<bool, SourceError> {
        match self.prepared {
            Prepared::Nothing => self.read_clock().await?,
            Prepared::Clock => self.load_series(now).await?,
            Prepared::Series => self.scan().await?,
            Prepared::All => {}
        }
        Ok(self.prepared == Prepared::All)
    }

    async fn collect(&mut self, now: UnixSeconds) -> Result<Facts, SourceError> {
        while !self.prepare(now).await? {}
        self.link.reset_cost();
        let mut signals = Facts::default();
        let asked = self.first_round(now, &mut signals).await?;
        self.second_round(now, &asked, &mut signals).await?;
        if self.first {
            self.follow_up(&mut signals).await?;
        }
        self.catch_up(now, &mut signals).await?;
        self.large_heartbeats(&mut signals).await?;
        let mut notes = Replies::new(Vec::new());
        self.fleet.conclude(&self.keys, now, &mut notes, &mut signals);
        signals.malformed.append(&mut notes.malformed);
        self.sse_cache.observe(&mut signals, now);
        self.series.drain_into(&mut signals);
        self.first = false;
        self.cost = self.link.cost();
        Ok(signals)
    }

    async fn record(
        &mut self,
        now: UnixSeconds,
        points: &[(RollingSeries, f64)],
        save_state: SaveState,
    ) -> Result<Recorded, SourceError> {
        let claim = self.lease.as_mut().map_or(Claim::Alone, |lease| lease.claim(now, self.link.connection_id()));
        let claim = match claim {
            Claim::Follow => return Ok(Recorded::ByLeader),
            Claim::Begin(record) => {
                self.write(Claim::Write(record), &Pipeline::new()).await?;
                return Ok(Recorded::ByLeader);
            }
            Claim::Alone | Claim::Write(_) => claim,
        };
        for &(series, value) in points {
            self.series.wrote(series, &PointWriter::member(now, value), now);
        }
        let mut pipeline = self.points.append(&self.keys, now, points);
        let of_points = pipeline.len();
        if save_state == SaveState::Yes {
            self.sse_cache.write(&self.keys, now, &mut pipeline);
        }
        let answer = self.write(claim, &pipeline).await;
        self.cost = self.link.cost();
        if !matches!(answer, Ok(Some(_))) {
            self.lose_writes();
        }
        let Some(values) = answer? else { return Ok(Recorded::ByLeader) };
        let (points, sse_cache) = values.split_at(of_points.min(values.len()));
        self.series.confirm(first_refusal(points).is_none());
        self.sse_cache.written(first_refusal(sse_cache).map(error_text), now);
        let refusal = first_refusal(points);
        if refusal.is_some() {
            self.points.lost();
        }
        self.link.wrote(refusal);
        refusal.map_or(Ok(Recorded::Written), |error| Err(self.link.refused(error)))
    }

    async fn release(&mut self) -> Result<(), SourceError> {
        if self.lease.is_none() {
            return Ok(());
        }
        self.ask_with_time(Pipeline::new(), &[]).await?;
        let connection = self.link.connection_id();
        let Some(transaction) = self.lease.as_ref().and_then(|lease| lease.release(connection)) else { return Ok(()) };
        self.link.run(&transaction).await?;
        Ok(())
    }

    fn place(&self) -> Option<String> {
        Some(self.link.place())
    }

    async fn search_scopes(&mut self, longest: Duration) -> Option<String> {
        // A Redis that fails now is reported by the next tick.
        self.scopes(longest).await.ok().map(|found| found.to_string())
    }

    fn problems(&self) -> Vec<Problem> {
        self.link.problem().cloned().into_iter().collect()
    }

    fn server_clock(&self) -> Option<ServerClock> {
        self.server_time.clock()
    }

    fn take_events(&mut self) -> Vec<ThrottlingEvent> {
        if self.first { self.series.take_events() } else { Vec::new() }
    }

    fn read_again(&mut self) {
        self.series.read_again();
        self.prepared = Prepared::Clock;
    }

    fn cost(&self) -> Cost {
        self.cost
    }

    fn time_limit(&self) -> Duration {
        self.limit * REQUESTS
    }
}
