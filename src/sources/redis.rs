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
pub mod probe;
mod series;
mod state;
mod stream;
mod tail;
pub mod updates;
mod values;

use async_trait::async_trait;
use redis::Pipeline;

use self::answers::{Answers, refusal};
use self::fleet::{Fleet, Reading, Round};
use self::keys::Keys;
use self::link::Link;
use self::series::SeriesReader;
use super::{Cost, Source, SourceError};
use crate::config::redis::RedisConfig;
use crate::signals::text::python_float;
use crate::signals::{RollingSeries, Scope, Signals, UnixSeconds};

/// Own series are kept this long, as the platform's writers keep theirs.
const SERIES_SECONDS: f64 = 3600.0;
/// And expire this long after the last point.
const SERIES_EXPIRE: u64 = 3660;
/// Steps of the first tick's SCAN on a platform without indexes: some 50,000 keys.
const FIRST_SCANS: usize = 200;

/// One scope's Redis.
pub struct RedisSource {
    keys: Keys,
    link: Link,
    fleet: Fleet,
    series: SeriesReader,
    /// Whether the series' history was read.
    loaded: bool,
    cost: Cost,
}

impl RedisSource {
    /// A source that connects when it is first asked.
    #[must_use]
    pub fn new(config: RedisConfig, scope: &Scope) -> Self {
        let keys = Keys::new(scope);
        let series = SeriesReader::new(&keys);
        Self { keys, link: Link::new(config), fleet: Fleet::new(), series, loaded: false, cost: Cost::default() }
    }

    /// One round trip; an answer that concerns the whole server is an error.
    async fn ask(&mut self, pipeline: &Pipeline) -> Result<Answers, SourceError> {
        let values = self.link.run(pipeline).await?;
        match refusal(&values) {
            Some(why) => Err(self.link.refused(&why)),
            None => Ok(Answers::new(values)),
        }
    }

    /// Reads the retention of every series, a page of each at a time, so that no command is long.
    async fn load_history(&mut self, now: UnixSeconds) -> Result<(), SourceError> {
        while !self.loaded {
            let mut pipeline = Pipeline::new();
            let asked = self.series.ask(now, &mut pipeline);
            let mut answers = self.ask(&pipeline).await?;
            self.series.take(asked, now, &mut answers);
            self.loaded = !self.series.is_behind();
        }
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
        let mut answers = self.ask(&pipeline).await?;
        self.fleet.take(&self.keys, &round, &mut answers, reading);
        state::take(&self.keys, &mut answers, signals);
        self.series.take(asked, now, &mut answers);
        signals.malformed.append(&mut answers.malformed);
        Ok(round)
    }

    async fn round(&mut self, round: &Round, signals: &mut Signals, reading: &mut Reading) -> Result<(), SourceError> {
        if round.is_empty() {
            return Ok(());
        }
        let mut pipeline = Pipeline::new();
        self.fleet.ask(&self.keys, round, &mut pipeline);
        let mut answers = self.ask(&pipeline).await?;
        self.fleet.take(&self.keys, round, &mut answers, reading);
        signals.malformed.append(&mut answers.malformed);
        Ok(())
    }

    /// On the first tick nothing is known, so everything is looked for before it answers.
    async fn look_everywhere(&mut self, signals: &mut Signals, reading: &mut Reading) -> Result<(), SourceError> {
        for _ in 0..FIRST_SCANS {
            if Fleet::is_indexed(reading) || self.fleet.scan_cursor() == 0 {
                break;
            }
            self.round(&Fleet::scan_round(), signals, reading).await?;
        }
        let services = self.fleet.next_round(&self.keys, reading, &Round::default());
        self.round(&services, signals, reading).await?;
        let workers = Fleet::unread_workers(&self.keys, reading);
        self.round(&workers, signals, reading).await
    }
}

#[async_trait]
impl Source for RedisSource {
    async fn collect(&mut self, now: UnixSeconds) -> Result<Signals, SourceError> {
        self.link.reset_cost();
        let first = !self.loaded;
        self.load_history(now).await?;
        let (mut signals, mut reading) = (Signals::default(), Reading::default());
        let asked = self.first_round(now, &mut signals, &mut reading).await?;
        let next = self.fleet.next_round(&self.keys, &reading, &asked);
        self.round(&next, &mut signals, &mut reading).await?;
        if first {
            self.look_everywhere(&mut signals, &mut reading).await?;
        }
        let mut notes = Answers::new(Vec::new());
        self.fleet.conclude(&self.keys, reading, now, &mut notes, &mut signals);
        signals.malformed.append(&mut notes.malformed);
        self.series.hand_over(&mut signals);
        self.cost = self.link.cost();
        Ok(signals)
    }

    async fn record(&mut self, now: UnixSeconds, points: &[(RollingSeries, f64)]) -> Result<(), SourceError> {
        let mut pipeline = Pipeline::new();
        for &(series, value) in points {
            let key = self.keys.rolling(series);
            let member = format!("{}:{}", python_float(now), python_float(value));
            pipeline.cmd("ZADD").arg(&key).arg(python_float(now)).arg(member);
            pipeline
                .cmd("ZREMRANGEBYSCORE")
                .arg(&key)
                .arg("-inf")
                .arg(format!("({}", python_float(now - SERIES_SECONDS)));
            pipeline.cmd("EXPIRE").arg(&key).arg(SERIES_EXPIRE);
        }
        let values = self.link.run(&pipeline).await?;
        self.cost = self.link.cost();
        let failed = values.iter().find_map(|value| match value {
            redis::Value::ServerError(error) => Some(answers::error_text(error)),
            _ => None,
        });
        failed.map_or(Ok(()), |why| Err(self.link.refused(&why)))
    }

    fn cost(&self) -> Cost {
        self.cost
    }
}
