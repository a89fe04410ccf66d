//! Bounds, ties, clock hours and rates of throttled requests.

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
    periods(history.throttling(), &Reading::Value(requests), NOW)
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
    let windows = windows(events, NOW);
    assert_eq!((windows.one_minute.total.get(), windows.one_hour.total.get()), (Some(2), Some(4)));
    assert_eq!(recent(events, NOW).len(), 4);
}

#[test]
fn sessions_come_most_first_then_first_seen() {
    let names: Vec<String> = (0..30).map(|n| format!("s{n}")).collect();
    // s29 is the oldest; s3 and s7 are throttled twice, s7 first of the two.
    let mut events: Vec<_> = names.iter().enumerate().map(|(n, name)| event(n as f64, Some(name), Some(503))).collect();
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
fn hours_out_of_range_have_no_name() {
    assert_eq!(hour_name(0).unwrap(), "1970-01-01_00");
    assert_eq!(hour_name(i64::MAX), None);
    assert_eq!(requested(&BTreeMap::new(), 24, f64::MAX), 0);
}
