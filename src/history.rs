//! What a window needs to remember between ticks: latency samples, rolling points, throttling
//! events and the last word of each SSE worker. Fed by `engine`, read by `monitoring`; pure.

mod buckets;
pub mod latency;
pub mod rolling;

use std::collections::{BTreeMap, VecDeque};

use crate::signals::{
    Heartbeat, LatencySeries, RollingSeries, Signals, SseSample, ThrottlingEvent, UnixSeconds, WorkerId,
};

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

/// Throttling events are kept for the longest period that is asked about.
const THROTTLING_SECONDS: f64 = 24.0 * 3600.0;

/// Everything remembered between ticks.
#[derive(Debug)]
pub struct History {
    max_samples: usize,
    latency: BTreeMap<LatencySeries, latency::Series>,
    rolling: BTreeMap<RollingSeries, rolling::Series>,
    throttling: VecDeque<ThrottlingEvent>,
    sse: BTreeMap<WorkerId, SseSample>,
    dropped: u64,
}

impl History {
    /// An empty history that holds at most `max_samples` of each latency series, and as many
    /// throttling events.
    #[must_use]
    pub fn new(max_samples: usize) -> Self {
        Self {
            max_samples,
            latency: LatencySeries::ALL.into_iter().map(|series| (series, latency::Series::new(max_samples))).collect(),
            rolling: BTreeMap::new(),
            throttling: VecDeque::new(),
            sse: BTreeMap::new(),
            dropped: 0,
        }
    }

    /// Takes in what a tick brought and forgets what no window reaches any more. The latency series
    /// are taken out of the signals: the first tick's may be millions, which are not copied.
    pub fn absorb(&mut self, signals: &mut Signals, now: UnixSeconds) {
        for (series, points) in std::mem::take(&mut signals.latency) {
            if let Some(kept) = self.latency.get_mut(&series) {
                kept.extend(points);
            }
        }
        for series in self.latency.values_mut() {
            series.advance(now);
        }
        for (series, points) in &signals.rolling {
            self.rolling.entry(*series).or_default().extend(points);
        }
        for series in self.rolling.values_mut() {
            series.expire(now);
        }
        self.absorb_throttling(&signals.throttling_events, now);
        self.absorb_sse(&signals.sse, &signals.heartbeats);
    }

    /// Adds the points that this tick itself produced.
    pub fn record(&mut self, now: UnixSeconds, points: &[(RollingSeries, f64)]) {
        for &(series, value) in points {
            self.rolling.entry(series).or_default().extend(&[crate::signals::Point { at: now, value }]);
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

    /// Throttling events of the last 24 hours, oldest first.
    #[must_use]
    pub fn throttling(&self) -> &VecDeque<ThrottlingEvent> {
        &self.throttling
    }

    /// The last published sample of every ingress worker that still heartbeats, quiet ones too.
    pub fn sse(&self) -> impl Iterator<Item = &SseSample> {
        self.sse.values()
    }

    /// Samples that were dropped because a series reached its limit.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped + self.latency.values().map(latency::Series::dropped).sum::<u64>()
    }

    fn absorb_throttling(&mut self, events: &[ThrottlingEvent], now: UnixSeconds) {
        for event in events {
            // Nearly always the back: an event comes late only by its writer's clock skew.
            let position = self.throttling.partition_point(|kept| kept.at <= event.at);
            self.throttling.insert(position, event.clone());
            let whole = self.throttling.len().saturating_sub(ThrottlingEvent::KEPT_WHOLE);
            // Either this one came too late to be shown, or it pushed another out of those that are.
            let old = if position < whole { Some(position) } else { whole.checked_sub(1) };
            if let Some(event) = old.and_then(|old| self.throttling.get_mut(old)) {
                event.shorten();
            }
        }
        while self.throttling.front().is_some_and(|event| event.at < now - THROTTLING_SECONDS) {
            self.throttling.pop_front();
        }
        while self.throttling.len() > self.max_samples {
            self.throttling.pop_front();
            self.dropped += 1;
        }
    }

    /// A worker writes its count only when it changes, so the last one holds while it heartbeats.
    fn absorb_sse(&mut self, samples: &[SseSample], heartbeats: &[Heartbeat]) {
        for sample in samples {
            self.sse.insert(sample.worker.clone(), sample.clone());
        }
        let alive: std::collections::HashSet<(&str, i64)> =
            heartbeats.iter().filter_map(|beat| beat.process_id.map(|pid| (beat.instance_id.as_str(), pid))).collect();
        self.sse.retain(|worker, _| alive.contains(&(worker.instance_id.as_str(), worker.process_id)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signals::ThrottlingDetail;

    fn event(at: f64) -> ThrottlingEvent {
        let raw = serde_json::json!({"timestamp": at});
        ThrottlingEvent {
            at,
            detail: Some(ThrottlingDetail { reason: None, http_status: Some(429), session_id: None, raw }),
        }
    }

    #[test]
    fn the_newest_throttling_events_are_kept_whole_and_the_others_counted() {
        let mut history = History::new(1000);
        let kept = ThrottlingEvent::KEPT_WHOLE;
        // The last two come late: one too late to be shown, one just in time.
        for at in (0..300_u32).map(|at| f64::from(at) + 10.0).chain([5.0, 305.5]) {
            let mut signals = Signals { throttling_events: vec![event(at)], ..Signals::default() };
            history.absorb(&mut signals, 310.0);
        }
        let whole: Vec<f64> =
            history.throttling().iter().filter(|event| is_whole(event)).map(|event| event.at).collect();
        assert_eq!((history.throttling().len(), whole.len()), (302, kept));
        assert_eq!(whole, history.throttling().iter().skip(302 - kept).map(|event| event.at).collect::<Vec<_>>());
        assert!(history.throttling().iter().all(|event| event.detail.as_ref().unwrap().http_status == Some(429)));
    }

    fn is_whole(event: &ThrottlingEvent) -> bool {
        event.detail.as_ref().is_some_and(|detail| !detail.raw.is_null())
    }
}
