//! Throttled requests over hours and over short windows, and how many were attempted.

use std::collections::{BTreeMap, HashMap, VecDeque};

use jiff::Timestamp;
use serde_json::Value;

use crate::base::clock::UnixSeconds;
use crate::base::number::{count, float, round, sum};
use crate::history::Window;
use crate::history::throttling::{Throttled, Throttling};
use crate::payload::shapes::{ThrottlingPeriod, ThrottlingWindow, ThrottlingWindows};

const HOUR: f64 = 3600.0;
const PERIODS: [i64; 5] = [1, 3, 6, 12, 24];
const TOP_SESSIONS: usize = 10;
const RECENT_EVENTS: usize = 20;
const UNKNOWN: &str = "unknown";

/// The periods by name; `requests` are the hourly counters, where they can be read. All from one pass from the newest event to the oldest.
pub(super) fn periods(
    throttling: &Throttling,
    requests: Option<&BTreeMap<String, i64>>,
    now: UnixSeconds,
) -> BTreeMap<String, ThrottlingPeriod> {
    let mut counts = PeriodCounts::default();
    let mut newest_first = between(throttling.events(), f64::NEG_INFINITY, now).rev().peekable();
    let mut periods = BTreeMap::new();
    for hours in PERIODS {
        let start = now - float(hours) * HOUR;
        while let Some(event) = newest_first.next_if(|event| event.at >= start) {
            counts.add(event);
        }
        periods.insert(
            format!("{hours}h"),
            counts.period(hours, requests.map(|requests| requested(requests, hours, now))),
        );
    }
    periods
}

/// Events from `start` to `end`, both included, oldest first.
fn between(
    events: &VecDeque<Throttled>,
    start: UnixSeconds,
    end: UnixSeconds,
) -> impl DoubleEndedIterator<Item = &Throttled> {
    let last = events.partition_point(|event| event.at <= end);
    let first = events.partition_point(|event| event.at < start).min(last);
    events.range(first..last)
}

/// Counts so far, from the newest event back.
#[derive(Debug, Default)]
struct PeriodCounts<'a> {
    total: usize,
    rate_limit: i64,
    backpressure: i64,
    reasons: BTreeMap<&'a str, i64>,
    hours: BTreeMap<i64, i64>,
    /// Session → its events, and the number of its oldest one: the higher, the earlier it was first seen.
    sessions: HashMap<&'a str, (i64, usize)>,
}

impl<'a> PeriodCounts<'a> {
    fn add(&mut self, event: &'a Throttled) {
        self.total += 1;
        *self.hours.entry(hour(event.at)).or_default() += 1;
        let Some(detail) = &event.detail else { return };
        match detail.http_status {
            Some(429) => self.rate_limit += 1,
            Some(503) => self.backpressure += 1,
            _ => {}
        }
        *self.reasons.entry(detail.reason.as_deref().unwrap_or(UNKNOWN)).or_default() += 1;
        let session = self.sessions.entry(detail.session_id.as_deref().unwrap_or(UNKNOWN)).or_default();
        *session = (session.0 + 1, self.total);
    }

    fn period(&self, hours: i64, requests: Option<i64>) -> ThrottlingPeriod {
        let throttled = count(self.total);
        let attempted = requests.map(|requests| {
            if requests > 0 { requests.saturating_sub(throttled).max(0).saturating_add(throttled) } else { 0 }
        });
        let rate = |attempted| if attempted > 0 { float(throttled) / float(attempted) * 100.0 } else { 0.0 };
        ThrottlingPeriod {
            total_requests: requests,
            total_throttled: throttled,
            rate_limit_429: self.rate_limit,
            backpressure_503: self.backpressure,
            throttled_by_reason: self.reasons.iter().map(|(reason, count)| ((*reason).to_owned(), *count)).collect(),
            hourly_stats: self.hours.iter().filter_map(|(hour, count)| Some((hour_name(*hour)?, *count))).collect(),
            top_throttled_sessions: self.top_sessions(),
            throttle_rate: attempted.map(|attempted| round(rate(attempted), 2)),
            total_attempted: attempted,
            events_per_hour: float(throttled) / float(hours),
            recent_events_count: None,
        }
    }

    /// Most events first, then the first seen. Picked before sorting: there may be many sessions.
    fn top_sessions(&self) -> Vec<(String, i64)> {
        let mut sessions: Vec<_> = self.sessions.iter().map(|(session, rank)| (*rank, *session)).collect();
        if sessions.len() > TOP_SESSIONS {
            sessions.select_nth_unstable_by(TOP_SESSIONS, |left, right| right.cmp(left));
            sessions.truncate(TOP_SESSIONS);
        }
        sessions.sort_unstable_by(|left, right| right.cmp(left));
        sessions.into_iter().map(|((count, _), session)| (session.to_owned(), count)).collect()
    }
}

/// Clock hours since the epoch.
#[expect(clippy::cast_possible_truncation, reason = "saturates; hour_name refuses what is out of range")]
fn hour(at: UnixSeconds) -> i64 {
    (at / HOUR).floor() as i64
}

/// `%Y-%m-%d_%H` in UTC, the key of the hourly counters.
fn hour_name(hour: i64) -> Option<String> {
    let start = Timestamp::from_second(hour.checked_mul(3600)?).ok()?;
    Some(start.strftime("%Y-%m-%d_%H").to_string())
}

/// Requests of the last clock hours, the current one included.
fn requested(requests: &BTreeMap<String, i64>, hours: i64, now: UnixSeconds) -> i64 {
    let current = hour(now);
    let counted = |back: i64| hour_name(current.saturating_sub(back)).and_then(|name| requests.get(&name).copied());
    sum((0..hours).filter_map(counted))
}

/// The newest events of the last hour, as consoles show them; one that cannot be shown takes a place
/// all the same.
pub(super) fn recent(throttling: &Throttling, now: UnixSeconds) -> Vec<Value> {
    let newest = throttling.newest(now).take_while(|(at, _)| *at >= now - HOUR).take(RECENT_EVENTS);
    newest.filter_map(|(_, shown)| shown.clone()).collect()
}

/// `throttling_windows`.
pub(super) fn windows(throttling: &Throttling, now: UnixSeconds) -> ThrottlingWindows {
    let over = |window: Window| {
        let (mut total_throttled, mut rate_limit, mut backpressure) = (0, 0, 0);
        for event in between(throttling.events(), now - window.seconds(), now) {
            total_throttled += 1;
            match event.detail.as_ref().and_then(|detail| detail.http_status) {
                Some(429) => rate_limit += 1,
                Some(503) => backpressure += 1,
                _ => {}
            }
        }
        Some(ThrottlingWindow {
            total_throttled,
            rate_limit_429: Some(rate_limit),
            backpressure_503: Some(backpressure),
            events_per_min: round(float(total_throttled) / (window.seconds() / 60.0), 2),
        })
    };
    ThrottlingWindows {
        one_minute: over(Window::OneMinute),
        fifteen_minutes: over(Window::FifteenMinutes),
        one_hour: over(Window::OneHour),
    }
}

#[cfg(test)]
mod tests;
