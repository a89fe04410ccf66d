//! What windows need between ticks: latency samples, rolling points, throttling events, and the last SSE sample of each
//! worker. Written by `engine`, read by `analysis`; pure.

mod backlog;
mod buckets;
mod last_good;
pub mod latency;
mod losses;
pub mod rolling;
pub mod throttling;
mod writers;

use std::collections::BTreeMap;

use crate::base::clock::UnixSeconds;
use crate::base::ordered::{Walk, set_all};
use crate::platform::facts::{
    Facts, Heartbeat, LatencySeries, Point, QueueDepth, Role, RollingSeries, SeriesId, SseSample, ThrottlingEvent,
    WorkerId,
};

pub use backlog::Backlog;
pub use latency::LatencyStats;
pub use rolling::RollingStats;
pub use writers::WriterOffset;

/// What came too late is at least this old; how old is unknown.
const LATE_SECONDS: f64 = 300.0;

/// A time span up to now; both bounds are inclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Window {
    OneMinute,
    FifteenMinutes,
    OneHour,
}

impl Window {
    /// Shortest first.
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

    #[must_use]
    pub const fn seconds(self) -> f64 {
        match self {
            Self::OneMinute => 60.0,
            Self::FifteenMinutes => 900.0,
            Self::OneHour => 3600.0,
        }
    }
}

#[derive(Debug)]
pub struct History {
    latency: BTreeMap<LatencySeries, latency::LatencySamples>,
    rolling: BTreeMap<RollingSeries, rolling::RollingPoints>,
    throttling: throttling::Throttling,
    sse: BTreeMap<WorkerId, SseSample>,
    last_good: last_good::LastGood,
    writers: writers::WriterClocks,
    backlogs: backlog::Backlogs,
    /// Samples that the source dropped.
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
            last_good: last_good::LastGood::default(),
            writers: writers::WriterClocks::default(),
            backlogs: backlog::Backlogs::default(),
            dropped_before_load: 0,
        }
    }

    /// Adds a tick's facts and drops what no window reaches any more. Moves the series out of the facts: the first tick
    /// may have millions of entries.
    pub fn absorb(&mut self, signals: &mut Facts, now: UnixSeconds) {
        let restarted = signals.series.iter().filter(|(_, facts)| facts.restarted);
        restarted.for_each(|(series, _)| self.forget(*series));
        for (series, points) in std::mem::take(&mut signals.latency) {
            if let Some(kept) = self.latency.get_mut(&series) {
                kept.extend(points);
            }
        }
        self.note_losses(signals, now);
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
        self.last_good.absorb(signals, now);
        self.writers.absorb(signals, now);
        self.dropped_before_load += signals.dropped_before_load;
    }

    /// Adds throttling events before the first tick: there may be a million, which take a tenth of the space here.
    pub fn absorb_events(&mut self, events: Vec<ThrottlingEvent>, now: UnixSeconds) {
        if !events.is_empty() {
            self.throttling.absorb(events, now);
        }
    }

    /// Takes what the source lost: entries beyond the limit, and those that came too late.
    fn note_losses(&mut self, signals: &Facts, now: UnixSeconds) {
        for (series, facts) in &signals.series {
            let losses = match series {
                SeriesId::Latency(series) => self.latency.get_mut(series).map(latency::LatencySamples::losses),
                SeriesId::Throttling => Some(self.throttling.losses()),
                SeriesId::Rolling(_) => None,
            };
            let Some(losses) = losses else { continue };
            losses.add(facts.dropped_up_to, facts.dropped);
            losses.add(now - LATE_SECONDS, facts.late);
        }
    }

    /// Drops what is kept of a series, which the facts bring again as far as it still exists.
    fn forget(&mut self, series: SeriesId) {
        match series {
            SeriesId::Latency(series) => {
                self.latency.get_mut(&series).into_iter().for_each(latency::LatencySamples::clear);
            }
            SeriesId::Rolling(series) => {
                self.rolling.get_mut(&series).into_iter().for_each(rolling::RollingPoints::clear);
            }
            SeriesId::Throttling => self.throttling.clear(),
        }
    }

    /// Adds the points that this tick computed, and trims their series to an hour, as the platform's writers do.
    pub fn record(&mut self, now: UnixSeconds, points: &[(RollingSeries, f64)]) {
        for &(series, value) in points {
            let series = self.rolling.entry(series).or_default();
            series.extend(&[Point { at: now, value }]);
            series.trim(now);
        }
    }

    /// Takes what a tick found to be waiting and worked on.
    pub fn observe(&mut self, now: UnixSeconds, found: &Backlog) {
        self.backlogs.observe(now, found);
    }

    /// Tasks per second by which waiting and active ones grew in the last minute; `None` until a minute was seen.
    #[must_use]
    pub fn growth_per_second(&self) -> Option<f64> {
        self.backlogs.growth_per_second()
    }

    /// Seconds since which something has been waiting all the time; `None` where nothing waits.
    #[must_use]
    pub fn waiting_seconds(&self, now: UnixSeconds) -> Option<f64> {
        self.backlogs.waiting_seconds(now)
    }

    /// Seconds since which the same tasks wait beside free slots.
    #[must_use]
    pub fn unclaimed_seconds(&self, now: UnixSeconds) -> Option<f64> {
        self.backlogs.unclaimed_seconds(now)
    }

    /// When the newest sample of a latency series was taken that is not in the future.
    #[must_use]
    pub fn newest(&self, series: LatencySeries) -> Option<UnixSeconds> {
        self.latency.get(&series)?.newest()
    }

    /// Percentiles of one latency series over one window, as of the last [`Self::absorb`].
    #[must_use]
    pub fn latency(&self, series: LatencySeries, window: Window) -> LatencyStats {
        self.latency.get(&series).map(|series| series.stats(window)).unwrap_or_default()
    }

    /// How full one window of a series is: less than 1 where samples were lost, or where a rolling series has no points.
    #[must_use]
    pub fn fill(&self, series: SeriesId, window: Window, now: UnixSeconds) -> f64 {
        match series {
            SeriesId::Latency(series) => self.latency.get(&series).map_or(1.0, |samples| samples.fill(window)),
            SeriesId::Rolling(series) => self.rolling.get(&series).map_or(0.0, |points| points.fill(window, now)),
            SeriesId::Throttling => self.throttling.fill(window, now),
        }
    }

    /// Means and maximum of one rolling series; points after `now` do not count.
    #[must_use]
    pub fn rolling(&self, series: RollingSeries, now: UnixSeconds) -> RollingStats {
        self.rolling.get(&series).map(|series| series.stats(now)).unwrap_or_default()
    }

    /// Throttling events of the last 24 hours.
    #[must_use]
    pub const fn throttling(&self) -> &throttling::Throttling {
        &self.throttling
    }

    /// The last sample of every ingress worker that heartbeats, including quiet ones, and of stopped ones until their
    /// sample expires.
    pub fn sse(&self) -> impl Iterator<Item = &SseSample> {
        self.sse.values()
    }

    /// A role's last readable depth, while it may stand in for one that cannot be read.
    #[must_use]
    pub fn held_queue(&self, role: Role, now: UnixSeconds) -> Option<QueueDepth> {
        self.last_good.queue(role, now)
    }

    /// The workers whose last sample may stand in for one that cannot be read.
    pub fn held_sse(&self, now: UnixSeconds) -> impl Iterator<Item = &WorkerId> {
        self.last_good.sse(now)
    }

    /// Instances whose clock is off, or may be, by their heartbeats.
    #[must_use]
    pub const fn writer_offsets(&self) -> &BTreeMap<String, WriterOffset> {
        self.writers.offsets()
    }

    /// Samples dropped because a series reached its limit.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        let latency: u64 = self.latency.values().map(latency::LatencySamples::dropped).sum();
        let rolling: u64 = self.rolling.values().map(rolling::RollingPoints::dropped).sum();
        self.dropped_before_load + latency + rolling + self.throttling.dropped()
    }

    /// A worker publishes only changes, so its last sample is valid while it heartbeats.
    fn absorb_sse(&mut self, signals: &Facts) {
        let beat = |beat: &Heartbeat| {
            Some((WorkerId { instance_id: beat.instance_id.clone(), process_id: beat.process_id? }, ()))
        };
        let mut beating: Vec<(WorkerId, ())> = signals.heartbeats.iter().filter_map(beat).collect();
        beating.sort();
        let mut beating = Walk::new(&beating);
        let is_published = |worker: &WorkerId| signals.sse.iter().any(|sample| sample.worker == *worker);
        self.sse.retain(|worker, _| {
            beating.find(worker).is_some() || signals.unreadable_workers.contains(worker) || is_published(worker)
        });
        set_all(&mut self.sse, signals.sse.iter().map(|sample| (&sample.worker, sample.clone())));
        for worker in &signals.sse_unknown {
            self.sse.remove(worker);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::facts::SeriesFacts;

    fn point(at: UnixSeconds) -> Point {
        Point { at, value: 1.0 }
    }

    fn event(at: UnixSeconds) -> ThrottlingEvent {
        ThrottlingEvent { at, detail: None }
    }

    #[test]
    fn dropped_samples_of_every_kind_are_counted() {
        let mut history = History::new(3);
        let times = || (0..5).map(f64::from);
        let points = || times().map(point).collect();
        let mut facts = Facts {
            latency: [(LatencySeries::QueueWait, points()), (LatencySeries::TaskExec, points())].into(),
            rolling: [(RollingSeries::QueueDepth, vec![point(1.0); rolling::MOST_POINTS + 4])].into(),
            throttling_events: times().map(event).collect(),
            dropped_before_load: 7,
            ..Facts::default()
        };
        history.absorb(&mut facts, 10.0);
        assert_eq!(history.dropped(), 2 * 2 + 4 + 2 + 7);
        history.absorb(&mut Facts { dropped_before_load: 1, ..Facts::default() }, 11.0);
        assert_eq!(history.dropped(), 18);
    }

    #[test]
    fn dropped_samples_are_counted_once_and_expired_ones_are_not() {
        let mut history = History::new(3);
        let times = || (0..5).map(f64::from);
        let latency = [(LatencySeries::TaskExec, times().map(point).collect())].into();
        history
            .absorb(&mut Facts { latency, throttling_events: times().map(event).collect(), ..Facts::default() }, 10.0);
        assert_eq!(history.dropped(), 2 + 2);
        history.absorb(&mut Facts::default(), 200_000.0);
        assert_eq!(history.dropped(), 4);
    }

    #[test]
    fn a_clock_that_is_set_back_hides_the_future_until_it_comes_again() {
        let mut history = History::new(100);
        let series = RollingSeries::QueueDepth;
        for now in [1000.0, 1010.0, 1020.0] {
            history.absorb(&mut Facts::default(), now);
            history.record(now, &[(series, now)]);
        }
        assert_eq!(history.rolling(series, 1020.0).one_minute, Some(1010.0));
        // Set back: the two later points are in the future.
        history.absorb(&mut Facts::default(), 1005.0);
        assert_eq!(history.rolling(series, 1005.0).one_minute, Some(1000.0));
        history.record(1005.0, &[(series, 1005.0)]);
        assert_eq!(history.rolling(series, 1005.0).max, Some(1005.0));
        assert_eq!(history.rolling(series, 1020.0).max, Some(1020.0));
        let newest: Vec<f64> = {
            let mut facts = Facts { throttling_events: vec![event(1020.0), event(1001.0)], ..Facts::default() };
            history.absorb(&mut facts, 1005.0);
            history.throttling().newest(1005.0).map(|(at, _)| *at).collect()
        };
        assert_eq!(newest, [1001.0]);
    }

    #[test]
    fn a_window_is_less_full_by_what_a_limit_or_lateness_cost_it() {
        let (series, id) = (LatencySeries::TaskExec, SeriesId::Latency(LatencySeries::TaskExec));
        let mut history = History::new(3);
        let fill = |history: &History, now| Window::ALL.map(|window| history.fill(id, window, now));
        let points = |times: [f64; 5]| Facts {
            latency: [(series, times.map(point).into())].into(),
            throttling_events: times.map(event).into(),
            ..Facts::default()
        };
        assert_eq!(fill(&history, 0.0), [1.0; 3]);
        history.absorb(&mut points([10.0, 20.0, 3000.0, 3001.0, 3002.0]), 3010.0);
        assert_eq!(fill(&history, 3010.0), [1.0, 1.0, 0.6], "the two oldest were dropped");
        assert_eq!(history.fill(SeriesId::Throttling, Window::OneHour, 3010.0), 0.6);
        history.absorb(&mut Facts::default(), 3625.0);
        assert_eq!(fill(&history, 3625.0), [1.0; 3], "they would have expired by now");
        let lost = SeriesFacts { dropped: 6, dropped_up_to: 3620.0, late: 1, ..SeriesFacts::default() };
        history.absorb(&mut Facts { series: [(id, lost)].into(), ..Facts::default() }, 3630.0);
        assert_eq!(fill(&history, 3630.0), [0.0, 0.3, 0.3]);
    }

    #[test]
    fn a_series_that_starts_over_forgets_what_it_held() {
        let (latency, rolling) = (LatencySeries::TaskExec, RollingSeries::QueueDepth);
        let facts = |at: f64, restarted| Facts {
            latency: [(latency, vec![point(at)])].into(),
            rolling: [(rolling, vec![point(at)])].into(),
            throttling_events: vec![event(at)],
            series: [SeriesId::Latency(latency), SeriesId::Rolling(rolling), SeriesId::Throttling]
                .map(|series| (series, SeriesFacts { restarted, ..SeriesFacts::default() }))
                .into(),
            ..Facts::default()
        };
        let mut history = History::new(10);
        let mut counts = |at, restarted| {
            history.absorb(&mut facts(at, restarted), 1000.0);
            let rolling = history.rolling.values().map(|points| points.len()).sum::<usize>();
            (history.latency(latency, Window::OneHour).count, rolling, history.throttling().len())
        };
        assert_eq!(
            [counts(990.0, false), counts(991.0, false), counts(992.0, true)],
            [(1, 1, 1), (2, 2, 2), (1, 1, 1)]
        );
    }

    #[test]
    fn a_quiet_worker_keeps_its_sample_while_it_heartbeats() {
        let worker = WorkerId { instance_id: "i".into(), process_id: 1 };
        let sample = SseSample { worker, count: 3, sessions: 3, max: 9, at: None };
        let mut history = History::new(10);
        history.absorb(&mut Facts { sse: vec![sample.clone()], ..Facts::default() }, 1.0);
        assert_eq!(history.sse().collect::<Vec<_>>(), [&sample]);
        history.absorb(&mut Facts::default(), 2.0);
        assert_eq!(history.sse().count(), 0, "neither heartbeat nor sample");
    }
}
