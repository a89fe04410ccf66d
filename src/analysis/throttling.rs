//! Throttled requests over hours and over short windows, and how many were attempted.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::Value;

use super::state::{PerWindow, Reading, ThrottledWindow, Throttling, ThrottlingPeriod};
use super::unreadable;
use crate::base::clock::UnixSeconds;
use crate::base::number::{float, ratio, sum};
use crate::history::Window;
use crate::history::throttling::{Period, QUARTER_SECONDS, Tally, Throttling as ThrottlingHistory};
use crate::platform::facts::{Facts, Unreadable};
use crate::platform::keys::Keys;

const HOUR: f64 = 3600.0;
const RECENT_EVENTS: usize = 20;

/// All of it; absent where the events cannot be read. `zone` is that of the workers, who name hours by their local time.
pub(super) fn throttling(
    facts: &Facts,
    history: &ThrottlingHistory,
    keys: &Keys,
    zone: &TimeZone,
    now: UnixSeconds,
) -> Reading<Throttling> {
    if facts.unreadable.contains(&Unreadable::Throttling) {
        return Reading::absent(unreadable::reason(facts, [keys.throttling_events()]));
    }
    let requests = if facts.unreadable.contains(&Unreadable::HourlyRequests) {
        Reading::absent(unreadable::reason(facts, [keys.hourly_requests()]))
    } else {
        Reading::Value(&facts.hourly_requests)
    };
    Reading::Value(Throttling {
        periods: periods(history, &requests, zone, now),
        windows: windows(history),
        recent: recent(history, now),
    })
}

/// The periods as history counts them; `requests` are the hourly counters.
fn periods(
    throttling: &ThrottlingHistory,
    requests: &Reading<&BTreeMap<String, i64>>,
    zone: &TimeZone,
    now: UnixSeconds,
) -> Vec<ThrottlingPeriod> {
    let requests = |hours| requests.clone().map(|requests| requested(requests, hours, zone, now));
    throttling.periods().map(|counted| period(&counted, requests(counted.hours), zone)).collect()
}

fn period(counted: &Period, requests: Reading<i64>, zone: &TimeZone) -> ThrottlingPeriod {
    let Tally { total: throttled, rate_limit, backpressure } = counted.tally;
    let attempted = requests.clone().map(|requests| if requests > 0 { requests.max(throttled) } else { 0 });
    ThrottlingPeriod {
        hours: counted.hours,
        requests,
        throttled,
        rate_limit,
        backpressure,
        by_reason: counted.by_reason.iter().map(|(reason, count)| (reason.to_string(), *count)).collect(),
        by_hour: by_hour(counted.by_quarter, zone),
        top_sessions: counted.top_sessions.iter().map(|(session, count)| (session.to_string(), *count)).collect(),
        rate: attempted.clone().map(|attempted| ratio(throttled, attempted)),
        attempted,
    }
}

fn by_hour(quarters: &BTreeMap<i64, i64>, zone: &TimeZone) -> BTreeMap<String, i64> {
    let mut hours = BTreeMap::new();
    for (quarter, events) in quarters {
        if let Some(name) = hour_name(float(*quarter) * QUARTER_SECONDS, zone) {
            *hours.entry(name).or_default() += events;
        }
    }
    hours
}

/// `%Y-%m-%d_%H` in the zone, the key of the hourly counters.
#[expect(clippy::cast_possible_truncation, reason = "saturates, and what is out of range has no name")]
fn hour_name(at: UnixSeconds, zone: &TimeZone) -> Option<String> {
    let start = Timestamp::from_second(at.floor() as i64).ok()?;
    Some(zone.to_datetime(start).strftime("%Y-%m-%d_%H").to_string())
}

/// Requests of the last clock hours, the current one included. An hour that the clocks repeat is one counter.
fn requested(requests: &BTreeMap<String, i64>, hours: i64, zone: &TimeZone, now: UnixSeconds) -> i64 {
    let names: BTreeSet<String> = (0..hours).filter_map(|back| hour_name(now - float(back) * HOUR, zone)).collect();
    sum(names.iter().filter_map(|name| requests.get(name).copied()))
}

/// The newest events of the last hour, as consoles show them; one that cannot be shown takes a place
/// all the same.
fn recent(throttling: &ThrottlingHistory, now: UnixSeconds) -> Vec<Value> {
    let newest = throttling.newest(now).take_while(|(at, _)| *at >= now - HOUR).take(RECENT_EVENTS);
    newest.filter_map(|(_, shown)| shown.clone()).collect()
}

fn windows(throttling: &ThrottlingHistory) -> PerWindow<ThrottledWindow> {
    PerWindow::from_fn(|window: Window| {
        let Tally { total, rate_limit, backpressure } = throttling.window(window);
        ThrottledWindow {
            total: Reading::Value(total),
            rate_limit: Reading::Value(rate_limit),
            backpressure: Reading::Value(backpressure),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::History;
    use crate::platform::facts::{Facts, ThrottlingDetail, ThrottlingEvent};

    /// 2026-01-01 00:30:00 UTC.
    const NOW: f64 = 1_767_227_400.0;

    fn event(age: f64, session: Option<&str>, http_status: Option<i64>) -> ThrottlingEvent {
        let detail = ThrottlingDetail {
            reason: None,
            http_status,
            session_id: session.map(str::to_owned),
            shown: Some(Value::String(format!("{age}"))),
        };
        ThrottlingEvent { at: NOW - age, detail: Some(detail) }
    }

    fn per(history: &History, requests: &BTreeMap<String, i64>) -> Vec<ThrottlingPeriod> {
        periods(history.throttling(), &Reading::Value(requests), &TimeZone::UTC, NOW)
    }

    fn kept(events: Vec<ThrottlingEvent>) -> History {
        let mut history = History::new(1000);
        history.absorb(&mut Facts { throttling_events: events, ..Facts::default() }, NOW);
        history
    }

    #[test]
    fn bounds_are_inclusive_and_the_future_does_not_count() {
        let ages = [-1.0, 0.0, 60.0, 60.5, 3600.0, 3600.5, 86400.0, 86400.5];
        let history = kept(ages.iter().map(|age| event(*age, None, Some(429))).collect());
        let events = history.throttling();
        let totals: Vec<_> = per(&history, &BTreeMap::new()).iter().map(|period| period.throttled).collect();
        assert_eq!(totals, [4, 5, 5, 5, 6]);
        let windows = windows(events);
        assert_eq!((windows.one_minute.total.get(), windows.one_hour.total.get()), (Some(2), Some(4)));
        assert_eq!(recent(events, NOW).len(), 4);
    }

    #[test]
    fn sessions_come_most_first_then_first_seen() {
        let names: Vec<String> = (0..30).map(|n| format!("s{n}")).collect();
        // s29 is the oldest; s3 and s7 are throttled twice, s7 first of the two.
        let mut events: Vec<_> =
            names.iter().enumerate().map(|(n, name)| event(n as f64, Some(name), Some(503))).collect();
        events.extend([event(100.0, Some("s7"), None), event(90.0, Some("s3"), None)]);
        let top = &per(&kept(events), &BTreeMap::new())[0].top_sessions;
        let order: Vec<&str> = top.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(order, ["s7", "s3", "s29", "s28", "s27", "s26", "s25", "s24", "s23", "s22"]);
    }

    #[test]
    fn requests_are_those_of_the_last_clock_hours() {
        let requests = [("2026-01-01_00", 3), ("2025-12-31_23", 100), ("2025-12-31_22", 50), ("2025-12-31_21", 1000)];
        let requests = requests.map(|(hour, count)| (hour.to_owned(), count)).into();
        let periods = per(&kept(vec![event(1.0, None, None); 7]), &requests);
        let (one, three) = (&periods[0], &periods[1]);
        assert_eq!((one.requests.get(), one.attempted.get(), one.rate.get()), (Some(3), Some(7), Some(1.0)));
        let rate = Some(7.0 / 153.0);
        assert_eq!((three.requests.get(), three.attempted.get(), three.rate.get()), (Some(153), Some(153), rate));
        assert_eq!(one.by_reason["unknown"], 7);
    }

    #[test]
    fn without_requests_nothing_was_attempted() {
        let periods = per(&kept(vec![event(1.0, None, None)]), &BTreeMap::new());
        assert_eq!((periods[0].attempted.get(), periods[0].rate.get()), (Some(0), Some(0.0)));
        assert_eq!((periods[4].hours, periods[4].by_hour["2026-01-01_00"]), (24, 1));
    }

    #[test]
    fn an_unreadable_event_counts_without_reason() {
        let history = kept(vec![ThrottlingEvent { at: NOW, detail: None }]);
        let events = history.throttling();
        let period = &per(&history, &BTreeMap::new())[0];
        assert_eq!((period.throttled, period.by_reason.len()), (1, 0));
        assert!(recent(events, NOW).is_empty());
    }

    #[test]
    fn only_the_newest_twenty_are_shown_and_one_that_cannot_be_takes_a_place() {
        let mut events: Vec<_> = (0..30).map(|n| event(f64::from(n), None, None)).collect();
        events[1].detail = None;
        let history = kept(events);
        let shown = recent(history.throttling(), NOW);
        assert_eq!((shown.len(), shown[0].as_str(), shown[18].as_str()), (19, Some("0"), Some("19")));
    }

    #[test]
    fn hours_are_those_of_the_zone_whose_offset_may_be_no_whole_hour() {
        for (zone, current, earlier) in [
            ("Asia/Kolkata", "2026-01-01_06", "2026-01-01_05"),
            ("America/New_York", "2025-12-31_19", "2025-12-31_18"),
            ("Asia/Kathmandu", "2026-01-01_06", "2026-01-01_05"),
        ] {
            let zone = TimeZone::get(zone).unwrap();
            let requests = [(current.to_owned(), 3), (earlier.to_owned(), 4), ("2026-01-01_00".to_owned(), 100)].into();
            assert_eq!(requested(&requests, 2, &zone, NOW), 7, "{current}");
            let history = kept(vec![event(0.0, None, None), event(3600.0, None, None)]);
            let periods = periods(history.throttling(), &Reading::Value(&requests), &zone, NOW);
            assert_eq!((periods[4].by_hour[current], periods[4].by_hour[earlier]), (1, 1), "{:?}", periods[4].by_hour);
        }
    }

    #[test]
    fn an_hour_that_the_clocks_repeat_counts_once_and_one_that_they_skip_costs_none() {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        let at = |text: &str| text.parse::<Timestamp>().unwrap().as_duration().as_secs_f64();
        let requests: BTreeMap<String, i64> = [("2026-10-25_01", 1), ("2026-10-25_02", 10), ("2026-10-25_03", 100)]
            .map(|(name, n)| (name.to_owned(), n))
            .into();
        // 03:30, 02:30, 02:30 again, 01:30.
        let counts = [1, 2, 3, 4].map(|hours| requested(&requests, hours, &zone, at("2026-10-25T02:30:00Z")));
        assert_eq!(counts, [100, 110, 110, 111]);
        let requests = [("2026-03-29_01", 1), ("2026-03-29_03", 10)].map(|(name, n)| (name.to_owned(), n)).into();
        assert_eq!(requested(&requests, 2, &zone, at("2026-03-29T01:30:00Z")), 11);
    }

    #[test]
    fn an_hour_begins_with_its_first_moment_and_ends_before_the_next() {
        let name = |at: f64| hour_name(at, &TimeZone::UTC).unwrap();
        // 2026-01-01 01:00:00 UTC.
        let hour = 1_767_229_200.0;
        assert_eq!(
            [hour - 0.1, hour, hour + 0.9, hour + 3599.9].map(name),
            ["2026-01-01_00", "2026-01-01_01", "2026-01-01_01", "2026-01-01_01"]
        );
        assert_eq!(name(-0.5), "1969-12-31_23");
    }

    #[test]
    fn a_single_request_is_attempted_and_fewer_than_none_are_none() {
        let attempted = |requests: i64| {
            let requests = [("2026-01-01_00".to_owned(), requests)].into();
            let periods = per(&kept(vec![event(1.0, None, None)]), &requests);
            (periods[0].attempted.get(), periods[0].rate.get())
        };
        assert_eq!([1, 2, -3].map(attempted), [(Some(1), Some(1.0)), (Some(2), Some(0.5)), (Some(0), Some(0.0))]);
    }

    #[test]
    fn hours_out_of_range_have_no_name() {
        assert_eq!(hour_name(0.0, &TimeZone::UTC).unwrap(), "1970-01-01_00");
        assert_eq!(hour_name(f64::MAX, &TimeZone::UTC), None);
        assert_eq!(requested(&BTreeMap::new(), 24, &TimeZone::UTC, f64::MAX), 0);
    }
}
