//! What a window needs to remember between ticks: latency samples, rolling points, throttling
//! events and the last sample of each SSE worker. Fed by `engine`, read by `analysis`; pure.

mod buckets;
pub mod latency;
pub mod rolling;
pub mod throttling;

use std::collections::{BTreeMap, HashSet};

use crate::base::clock::UnixSeconds;
use crate::platform::facts::{Facts, LatencySeries, Point, RollingSeries, SseSample, WorkerId};

pub use latency::LatencyStats;
pub use rolling::RollingStats;

/// The spans that values are computed over; bounds inclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Window {
    OneMinute,
    FifteenMinutes,
    OneHour,
}

impl Window {
    /// All of them, shortest first.
    pub const ALL: [Self; 3] = [Self::OneMinute, Self::FifteenMinutes, Self::OneHour];

    /// The word in labels and payloads.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OneMinute => "1m",
            Self::FifteenMinutes => "15m",
            Self::OneHour => "1h",
        }
    }

    /// Its length.
    #[must_use]
    pub const fn seconds(self) -> f64 {
        match self {
            Self::OneMinute => 60.0,
            Self::FifteenMinutes => 900.0,
            Self::OneHour => 3600.0,
        }
    }
}

/// Everything remembered between ticks.
#[derive(Debug)]
pub struct History {
    latency: BTreeMap<LatencySeries, latency::LatencySamples>,
    rolling: BTreeMap<RollingSeries, rolling::RollingPoints>,
    throttling: throttling::Throttling,
    sse: BTreeMap<WorkerId, SseSample>,
    /// Samples that the source had to leave behind.
    dropped_before_load: u64,
}

impl History {
    /// An empty history that holds at most `max_samples` of each latency series, and as many
    /// throttling events.
    #[must_use]
    pub fn new(max_samples: usize) -> Self {
        Self {
            latency: LatencySeries::ALL
                .into_iter()
                .map(|series| (series, latency::LatencySamples::new(max_samples)))
                .collect(),
            rolling: BTreeMap::new(),
            throttling: throttling::Throttling::new(max_samples),
            sse: BTreeMap::new(),
            dropped_before_load: 0,
        }
    }

    /// Takes in what a tick brought and forgets what no window reaches any more. The series are taken
    /// out of the signals: the first tick's may be millions, which are not copied.
    pub fn absorb(&mut self, signals: &mut Facts, now: UnixSeconds) {
        for (series, points) in std::mem::take(&mut signals.latency) {
            if let Some(kept) = self.latency.get_mut(&series) {
                kept.extend(points);
            }
        }
        for series in self.latency.values_mut() {
            series.advance(now);
        }
        for (series, points) in std::mem::take(&mut signals.rolling) {
            self.rolling.entry(series).or_default().extend(&points);
        }
        for series in self.rolling.values_mut() {
            series.expire(now);
        }
        self.throttling.absorb(std::mem::take(&mut signals.throttling_events), now);
        self.absorb_sse(signals);
        self.dropped_before_load += signals.dropped_before_load;
    }

    /// Adds the points that this tick itself produced, and trims their series as the platform's
    /// writers do: what is an hour old goes.
    pub fn record(&mut self, now: UnixSeconds, points: &[(RollingSeries, f64)]) {
        for &(series, value) in points {
            let series = self.rolling.entry(series).or_default();
            series.extend(&[Point { at: now, value }]);
            series.trim(now);
        }
    }

    /// Percentiles of one latency series over one window, as of the last [`Self::absorb`].
    #[must_use]
    pub fn latency(&self, series: LatencySeries, window: Window) -> LatencyStats {
        self.latency.get(&series).map(|series| series.stats(window)).unwrap_or_default()
    }

    /// Means and maximum of one rolling series; points younger than `now` do not count.
    #[must_use]
    pub fn rolling(&self, series: RollingSeries, now: UnixSeconds) -> RollingStats {
        self.rolling.get(&series).map(|series| series.stats(now)).unwrap_or_default()
    }

    /// Throttling events of the last 24 hours.
    #[must_use]
    pub const fn throttling(&self) -> &throttling::Throttling {
        &self.throttling
    }

    /// The last published sample of every ingress worker that still heartbeats, quiet ones too; and
    /// of those that stopped, while what they published is still there.
    pub fn sse(&self) -> impl Iterator<Item = &SseSample> {
        self.sse.values()
    }

    /// Samples that were dropped because a series reached its limit.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        let latency: u64 = self.latency.values().map(latency::LatencySamples::dropped).sum();
        let rolling: u64 = self.rolling.values().map(rolling::RollingPoints::dropped).sum();
        self.dropped_before_load + latency + rolling + self.throttling.dropped()
    }

    /// A worker writes its count only when it changes, so the last one holds while it heartbeats.
    fn absorb_sse(&mut self, signals: &Facts) {
        let beating = signals.heartbeats.iter().map(|beat| (beat.instance_id.as_str(), beat.process_id));
        let published =
            signals.sse.iter().map(|sample| (sample.worker.instance_id.as_str(), Some(sample.worker.process_id)));
        let known: HashSet<(&str, Option<i64>)> = beating.chain(published).collect();
        self.sse.retain(|worker, _| known.contains(&(worker.instance_id.as_str(), Some(worker.process_id))));
        for sample in &signals.sse {
            self.sse.insert(sample.worker.clone(), sample.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::facts::ThrottlingEvent;

    #[test]
    fn all_that_is_dropped_is_counted() {
        let mut history = History::new(2);
        let points: Vec<Point> = (0..5_u8).map(|second| Point { at: f64::from(second), value: 1.0 }).collect();
        let events = (0..3_u8).map(|second| ThrottlingEvent { at: f64::from(second), detail: None }).collect();
        let many = vec![Point { at: 1.0, value: 1.0 }; rolling::MOST_POINTS + 4];
        let mut facts = Facts {
            latency: [(LatencySeries::QueueWait, points.clone()), (LatencySeries::TaskExec, points)].into(),
            rolling: [(RollingSeries::QueueDepth, many)].into(),
            throttling_events: events,
            dropped_before_load: 7,
            ..Facts::default()
        };
        history.absorb(&mut facts, 10.0);
        assert_eq!(history.dropped(), 7 + 2 * 3 + 4 + 1);
        history.absorb(&mut Facts { dropped_before_load: 1, ..Facts::default() }, 11.0);
        assert_eq!(history.dropped(), 19);
    }
}
