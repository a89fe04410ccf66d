//! Reads one scope's facts from Redis in at most three pipelined round trips a tick, and writes the
//! tick's own points back.
//!
//! Here is the order of a tick. Names of keys are `keys`' matter, processes `fleet`'s, series
//! `tail`'s, small facts `state`'s, the connection `link`'s, and that no value is too long `cut`'s.

mod answers;
mod cut;
mod fleet;
pub mod keys;
pub(crate) mod link;
mod memory;
pub mod probe;
mod recent;
mod series;
mod state;
mod stream;
mod tail;
pub mod updates;
mod values;

use std::time::Duration;

use async_trait::async_trait;
use redis::{Pipeline, Value};

use self::answers::{Answers, refusal};
use self::fleet::{Fleet, Reading, Round};
use self::keys::Keys;
use self::link::Link;
use self::memory::LastWords;
use self::series::SeriesReader;
use super::{Cost, Memory, Source, SourceError};
use crate::config::redis::RedisConfig;
use crate::signals::text::python_float;
use crate::signals::{RollingSeries, Scope, Signals, UnixSeconds};

/// Own series are kept this long, as the platform's writers keep theirs.
const SERIES_SECONDS: f64 = 3600.0;
/// And expire this long after the last point.
const SERIES_EXPIRE: u64 = 3660;
/// A tick connects, asks twice and writes; each has the time limit of one request, and one is to spare.
const REQUESTS: u32 = 5;

/// How much was read before the first tick.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Prepared {
    Nothing,
    Series,
    All,
}

/// One scope's Redis.
pub struct RedisSource {
    keys: Keys,
    link: Link,
    limit: Duration,
    fleet: Fleet,
    series: SeriesReader,
    words: LastWords,
    prepared: Prepared,
    /// No tick has succeeded yet.
    first: bool,
    cost: Cost,
}

impl RedisSource {
    /// A source that connects when it is first asked. It hands over no more of a series at once than
    /// `most` entries.
    #[must_use]
    pub fn new(config: RedisConfig, scope: &Scope, most: usize) -> Self {
        let keys = Keys::new(scope);
        let series = SeriesReader::new(&keys, most);
        Self {
            keys,
            limit: config.timeout,
            link: Link::new(config),
            fleet: Fleet::new(),
            series,
            words: LastWords::default(),
            prepared: Prepared::Nothing,
            first: true,
            cost: Cost::default(),
        }
    }

    /// One round trip; an answer that concerns the whole server is an error.
    async fn ask(&mut self, pipeline: &Pipeline, optional: Option<usize>) -> Result<Answers, SourceError> {
        let values = self.link.run(pipeline).await?;
        match refusal(&values, optional) {
            Some(why) => Err(self.link.refused(&why)),
            None => Ok(Answers::new(values)),
        }
    }

    /// Reads the next part of the retention of every series, a page or a few of each, so that no
    /// command is long.
    async fn load_series(&mut self, now: UnixSeconds) -> Result<(), SourceError> {
        let mut pipeline = Pipeline::new();
        let asked = self.series.ask(now, &mut pipeline);
        let mut answers = self.ask(&pipeline, None).await?;
        self.series.take(asked, now, &mut answers);
        if !self.series.is_behind() {
            self.prepared = Prepared::Series;
        }
        Ok(())
    }

    /// Looks for processes that no index names: later steps go with the ticks, one with each.
    async fn scan(&mut self) -> Result<(), SourceError> {
        let Some(round) = self.fleet.first_scan() else {
            self.prepared = Prepared::All;
            return Ok(());
        };
        let mut pipeline = Pipeline::new();
        self.fleet.ask(&self.keys, &round, &mut pipeline);
        let mut answers = self.ask(&pipeline, round.scan_at()).await?;
        self.fleet.take_first_scan(&self.keys, &mut answers);
        Ok(())
    }

    /// The round of every tick: what was there last time, the small facts, and the series.
    async fn first_round(
        &mut self,
        now: UnixSeconds,
        signals: &mut Signals,
        reading: &mut Reading,
    ) -> Result<Round, SourceError> {
        let round = self.fleet.first_round(&self.keys);
        let mut pipeline = Pipeline::new();
        self.fleet.ask(&self.keys, &round, &mut pipeline);
        state::ask(&self.keys, &mut pipeline);
        let asked = self.series.ask(now, &mut pipeline);
        if self.first {
            LastWords::ask(&self.keys, &mut pipeline);
        }
        let mut answers = self.ask(&pipeline, round.scan_at()).await?;
        self.fleet.take(&self.keys, &round, &mut answers, reading);
        state::take(&self.keys, &mut answers, signals);
        self.series.take(asked, now, &mut answers);
        if self.first {
            self.words.take(&self.keys, &mut answers);
        }
        signals.malformed.append(&mut answers.malformed);
        Ok(round)
    }

    async fn round(&mut self, round: &Round, signals: &mut Signals, reading: &mut Reading) -> Result<(), SourceError> {
        if round.is_empty() {
            return Ok(());
        }
        let mut pipeline = Pipeline::new();
        self.fleet.ask(&self.keys, round, &mut pipeline);
        let mut answers = self.ask(&pipeline, round.scan_at()).await?;
        self.fleet.take(&self.keys, round, &mut answers, reading);
        signals.malformed.append(&mut answers.malformed);
        Ok(())
    }

    /// On the first tick nothing is known, so what was found is followed up before it answers.
    async fn follow_up(&mut self, signals: &mut Signals, reading: &mut Reading) -> Result<(), SourceError> {
        let services = self.fleet.next_round(&self.keys, reading, &Round::default());
        self.round(&services, signals, reading).await?;
        let workers = Fleet::unread_workers(&self.keys, reading);
        self.round(&workers, signals, reading).await
    }

    /// The commands that append a tick's points.
    fn append(&mut self, now: UnixSeconds, points: &[(RollingSeries, f64)]) -> Pipeline {
        let mut pipeline = Pipeline::new();
        let (at, oldest) = (python_float(now), python_float(now - SERIES_SECONDS));
        for &(series, value) in points {
            let key = self.keys.rolling(series);
            let member = format!("{at}:{}", python_float(value));
            self.series.wrote(series, &member, now);
            pipeline.cmd("ZADD").arg(&key).arg(&at).arg(member);
            pipeline.cmd("ZREMRANGEBYSCORE").arg(&key).arg("-inf").arg(&oldest);
            pipeline.cmd("EXPIRE").arg(&key).arg(SERIES_EXPIRE);
        }
        pipeline
    }
}

/// What the server said to the first command that it refused.
fn first_refusal(values: &[Value]) -> Option<String> {
    values.iter().find_map(|value| match value {
        Value::ServerError(error) => Some(answers::error_text(error)),
        _ => None,
    })
}

#[async_trait]
impl Source for RedisSource {
    async fn prepare(&mut self, now: UnixSeconds) -> Result<bool, SourceError> {
        match self.prepared {
            Prepared::Nothing => self.load_series(now).await?,
            Prepared::Series => self.scan().await?,
            Prepared::All => {}
        }
        Ok(self.prepared == Prepared::All)
    }

    async fn collect(&mut self, now: UnixSeconds) -> Result<Signals, SourceError> {
        while !self.prepare(now).await? {}
        self.link.reset_cost();
        let (mut signals, mut reading) = (Signals::default(), Reading::default());
        let asked = self.first_round(now, &mut signals, &mut reading).await?;
        let next = self.fleet.next_round(&self.keys, &reading, &asked);
        self.round(&next, &mut signals, &mut reading).await?;
        if self.first {
            self.follow_up(&mut signals, &mut reading).await?;
        }
        let mut notes = Answers::new(Vec::new());
        self.fleet.conclude(&self.keys, reading, now, &mut notes, &mut signals);
        signals.malformed.append(&mut notes.malformed);
        if self.first {
            self.words.recall(&mut signals, |worker| self.fleet.beats(worker));
        }
        self.words.note(&signals, |worker| self.fleet.beats(worker));
        self.series.hand_over(&mut signals);
        self.first = false;
        self.cost = self.link.cost();
        Ok(signals)
    }

    async fn record(
        &mut self,
        now: UnixSeconds,
        points: &[(RollingSeries, f64)],
        memory: Memory,
    ) -> Result<(), SourceError> {
        let mut pipeline = self.append(now, points);
        let of_points = pipeline.len();
        if memory == Memory::Kept {
            self.words.write(&self.keys, now, &mut pipeline);
        }
        let answer = self.link.run(&pipeline).await;
        self.cost = self.link.cost();
        let values = answer.inspect_err(|_| self.words.lost())?;
        let (points, words) = values.split_at(of_points.min(values.len()));
        self.words.written(first_refusal(words), now);
        first_refusal(points).map_or(Ok(()), |why| Err(self.link.refused(&why)))
    }

    fn cost(&self) -> Cost {
        self.cost
    }

    fn patience(&self) -> Duration {
        self.limit * REQUESTS
    }
}
