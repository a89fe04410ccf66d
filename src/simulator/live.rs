//! Runs a simulated deployment by the clock: writes to Redis what the platform's workers would, when they would.

use std::collections::BTreeMap;
use std::time::Duration;

use redis::Pipeline;

use super::deployment::{Deployment, Shape};
use super::fleet::BEAT_SECONDS;
use super::writer;
use crate::base::clock::Clock;
use crate::base::clock::UnixSeconds;
use crate::base::number::{count, float};
use crate::platform::facts::{Facts, LatencySeries, Point, Scope, SseSample, WorkerId};
use crate::platform::keys::Keys;
use crate::sources::SourceError;
use crate::sources::redis::config::RedisConfig;
use crate::sources::redis::errors::first_refusal;
use crate::sources::redis::link::Link;

/// Interval of the simulated workers' writes.
const STEP: Duration = Duration::from_secs(1);
/// Members of one ZADD, and keys of one pipeline, of a generated history.
const BATCH: usize = 5_000;
/// A generated history reaches this far back.
const PAST_SECONDS: f64 = 3590.0;

/// A deployment that writes to one scope of a Redis.
pub struct Simulation {
    keys: Keys,
    link: Link,
    deployment: Deployment,
    next_beat: UnixSeconds,
    /// The last sample of each ingress worker: only changes are written.
    published: BTreeMap<WorkerId, SseSample>,
}

impl Simulation {
    /// A deployment that starts at `now`.
    #[must_use]
    pub fn new(config: RedisConfig, scope: &Scope, shape: Shape, now: UnixSeconds) -> Self {
        Self {
            keys: Keys::new(scope),
            link: Link::new(config),
            deployment: Deployment::new(shape, now),
            next_beat: now,
            published: BTreeMap::new(),
        }
    }

    /// Writes `samples` entries of each latency series, spread over the last hour; `written` is called with how many of them are.
    ///
    /// # Errors
    /// Redis cannot be reached or refuses the commands.
    pub async fn write_past(
        &mut self,
        samples: usize,
        now: UnixSeconds,
        written: impl Fn(usize),
    ) -> Result<(), SourceError> {
        for start in (0..samples).step_by(BATCH) {
            let end = samples.min(start + BATCH);
            let points: Vec<Point> = (start..end).map(|number| past_point(number, samples, now)).collect();
            let latency = LatencySeries::ALL.map(|series| (series, points.clone())).into();
            self.send(&writer::commands(&self.keys, &Facts { latency, ..Facts::default() }, now)).await?;
            written(end);
        }
        Ok(())
    }

    /// Writes unrelated keys, to measure what they cost.
    ///
    /// # Errors
    /// Redis cannot be reached or refuses the commands.
    pub async fn write_unrelated(&mut self, keys: usize) -> Result<(), SourceError> {
        for start in (0..keys).step_by(BATCH) {
            let mut pipeline = Pipeline::new();
            let mset = pipeline.cmd("MSET");
            (start..keys.min(start + BATCH)).for_each(|number| {
                mset.arg(format!("unrelated:{number}")).arg("x");
            });
            self.send(&pipeline).await?;
        }
        Ok(())
    }

    /// Writes a step a second until it is dropped. Errors are logged and do not end it.
    pub async fn run(&mut self, clock: &dyn Clock) {
        let mut cadence = tokio::time::interval(STEP);
        loop {
            cadence.tick().await;
            if let Err(error) = self.step(clock.now()).await {
                tracing::warn!(%error, "the simulated workers could not write");
            }
        }
    }

    /// Writes what the workers write at `now`.
    ///
    /// # Errors
    /// Redis cannot be reached or refuses the commands.
    pub async fn step(&mut self, now: UnixSeconds) -> Result<(), SourceError> {
        let mut signals = self.deployment.advance(now);
        if now >= self.next_beat {
            self.next_beat = now + BEAT_SECONDS;
            signals.heartbeats.iter_mut().for_each(|beat| beat.last_heartbeat = now);
        } else {
            signals.heartbeats.clear();
        }
        signals.sse.retain(|sample| self.published.get(&sample.worker) != Some(sample));
        self.send(&writer::commands(&self.keys, &signals, now)).await?;
        self.published.extend(signals.sse.into_iter().map(|sample| (sample.worker.clone(), sample)));
        Ok(())
    }

    async fn send(&mut self, pipeline: &Pipeline) -> Result<(), SourceError> {
        let values = self.link.run(pipeline).await?;
        first_refusal(&values).map_or(Ok(()), |error| Err(self.link.refused(error)))
    }
}

/// Evenly spread times, and values that all differ: the worst case for percentiles.
fn past_point(number: usize, samples: usize, now: UnixSeconds) -> Point {
    let at = now - PAST_SECONDS * (1.0 - float(count(number)) / float(count(samples)));
    let scattered = number.wrapping_mul(2_654_435_761) % 1_000_000;
    Point { at, value: float(count(scattered)) / 100.0 }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::past_point;

    #[test]
    fn a_generated_history_is_even_ends_before_now_and_has_no_value_twice() {
        const NOW: f64 = 10_000.0;
        let points: Vec<_> = (0..1000).map(|number| past_point(number, 1000, NOW)).collect();
        assert!((points[0].at - (NOW - 3590.0)).abs() < 1e-6);
        for pair in points.windows(2) {
            assert!((pair[1].at - pair[0].at - 3.59).abs() < 1e-6, "{pair:?}");
        }
        assert!(points.iter().all(|point| point.at < NOW && (0.0..10_000.0).contains(&point.value)));
        let values: BTreeSet<u64> = points.iter().map(|point| point.value.to_bits()).collect();
        assert_eq!(values.len(), points.len());
        let rising = points.windows(2).filter(|pair| pair[0].value < pair[1].value).count();
        assert!((300..900).contains(&rising), "in no order: {rising} of 999 rise");
    }
}
