use std::collections::{BTreeSet, HashMap};

use proptest::prelude::*;

use super::*;

fn event(at: f64, session: &str) -> ThrottlingEvent {
    let session_id = Some(session.to_owned());
    let detail = ThrottlingDetail { reason: None, http_status: Some(429), session_id, shown: Some(at.into()) };
    ThrottlingEvent { at, detail: Some(detail) }
}

fn times(throttling: &Throttling) -> Vec<f64> {
    throttling.events.iter().map(|event| event.at).collect()
}

#[test]
fn a_day_is_kept_in_order_of_time() {
    let mut throttling = Throttling::new(10);
    throttling.absorb(vec![event(90_000.0, "a"), event(3600.0, "a"), event(3599.0, "a")], 90_000.0);
    assert_eq!((times(&throttling), throttling.dropped()), (vec![3600.0, 90_000.0], 0));
}

#[test]
fn beyond_the_limit_the_oldest_are_dropped_and_counted() {
    let mut throttling = Throttling::new(2);
    throttling.absorb((1..=5).map(|second| event(f64::from(second), "a")).collect(), 5.0);
    assert_eq!((times(&throttling), throttling.dropped()), (vec![4.0, 5.0], 3));
}

#[test]
fn only_the_newest_keep_their_shown_part_and_future_ones_wait() {
    let mut throttling = Throttling::new(10_000);
    throttling.absorb((0..1600).map(|second| event(f64::from(second), "a")).collect(), 1500.0);
    assert_eq!(throttling.shown.len(), SHOWN);
    let newest: Vec<f64> = throttling.newest(1500.0).map(|(at, _)| *at).take(2).collect();
    assert_eq!(newest, [1500.0, 1499.0]);
}

#[test]
fn an_event_is_small() {
    assert_eq!(size_of::<Event>(), 16);
}

/// Everything that is counted at `now` of what is kept, worked out anew from every event.
fn counted_anew(kept: &[ThrottlingEvent], now: f64) -> Vec<String> {
    let within = |seconds: f64| kept.iter().filter(move |event| (now - seconds..=now).contains(&event.at));
    let windows = Window::ALL.map(|window| format!("{:?}", tally(within(window.seconds()))));
    let periods = PERIODS.map(|hours| {
        let events: Vec<&ThrottlingEvent> = within(f64::from(hours) * HOUR).collect();
        let details = || events.iter().filter_map(|event| event.detail.as_ref());
        let (mut reasons, mut quarters) = (BTreeMap::<&str, i64>::new(), BTreeMap::<i64, i64>::new());
        details().for_each(|detail| *reasons.entry(detail.reason.as_deref().unwrap_or(UNKNOWN)).or_default() += 1);
        events.iter().for_each(|event| *quarters.entry((event.at / 900.0).floor() as i64).or_default() += 1);
        let mut sessions: HashMap<&str, (i64, usize)> = HashMap::new();
        for (place, detail) in details().enumerate() {
            sessions.entry(detail.session_id.as_deref().unwrap_or(UNKNOWN)).or_insert((0, place)).0 += 1;
        }
        let mut sessions: Vec<_> = sessions.into_iter().collect();
        sessions.sort_by_key(|(_, (count, place))| (-count, *place));
        let top: Vec<_> = sessions.into_iter().take(10).map(|(name, (count, _))| (name, count)).collect();
        format!("{:?} {reasons:?} {quarters:?} {top:?}", tally(events.iter().copied()))
    });
    windows.into_iter().chain(periods).collect()
}

fn tally<'a>(events: impl Iterator<Item = &'a ThrottlingEvent>) -> Tally {
    let statuses: Vec<_> = events.map(|event| event.detail.as_ref().and_then(|detail| detail.http_status)).collect();
    let of = |status| number::count(statuses.iter().filter(|known| **known == Some(status)).count());
    Tally { total: number::count(statuses.len()), rate_limit: of(429), backpressure: of(503) }
}

fn counted(throttling: &Throttling) -> Vec<String> {
    let windows = Window::ALL.map(|window| format!("{:?}", throttling.window(window)));
    let periods = throttling.periods().map(|period| {
        format!("{:?} {:?} {:?} {:?}", period.tally, period.by_reason, period.by_quarter, period.top_sessions)
    });
    windows.into_iter().chain(periods).collect()
}

/// What is kept of all events: a day's, in order of time, the newest `most` of them.
fn kept(events: &mut Vec<ThrottlingEvent>, come: Vec<ThrottlingEvent>, most: usize, now: f64) {
    for event in come {
        let place = events.partition_point(|kept| kept.at <= event.at);
        events.insert(place, event);
    }
    events.retain(|event| event.at >= now - KEPT_SECONDS);
    events.drain(..events.len().saturating_sub(most));
}

prop_compose! {
    /// An event some seconds before or after the tick that it comes with; ages repeat, so that times tie.
    fn some_event()(
        age in prop_oneof![(-3_i32..60).prop_map(f64::from), (-1_i32..50).prop_map(|half| f64::from(half) * 1800.0)],
        detail in proptest::option::weighted(0.9, (
            proptest::option::of(0..3_u32),
            proptest::sample::select(vec![Some(429), Some(503), Some(500), None]),
            proptest::option::weighted(0.9, prop_oneof![0..3_u32, 0..40_u32, 0..10_000_u32]),
        )),
    ) -> (f64, Option<ThrottlingDetail>) {
        (age, detail.map(|(reason, http_status, session)| ThrottlingDetail {
            reason: reason.map(|reason| format!("reason-{reason}")),
            http_status,
            session_id: session.map(|session| format!("session-{session}")),
            shown: None,
        }))
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn what_moved_with_the_events_is_what_counting_anew_gives(
        most in 1..300_usize,
        ticks in proptest::collection::vec((
            prop_oneof![0..10_i32, 0..20_000_i32, -4000..0_i32],
            proptest::collection::vec(some_event(), 0..60),
        ), 1..25),
    ) {
        let (mut throttling, mut events, mut now) = (Throttling::new(most), Vec::new(), 1_000_000.0);
        for (step, come) in ticks {
            now += f64::from(step);
            let come: Vec<_> = come.into_iter().map(|(age, detail)| ThrottlingEvent { at: now - age, detail }).collect();
            kept(&mut events, come.clone(), most, now);
            throttling.absorb(come, now);
            prop_assert_eq!(counted(&throttling), counted_anew(&events, now));
        }
        let sessions: BTreeSet<_> = throttling.events.iter().map(|event| event.session).collect();
        prop_assert!(sessions.len() <= events.len());
    }
}

#[test]
fn a_window_lacks_what_was_dropped_and_has_what_lies_on_its_ends() {
    let mut throttling = Throttling::new(2);
    throttling.absorb(vec![event(40.0, "a"), event(40.0, "b"), event(100.0, "c")], 100.0);
    assert_eq!(throttling.fill(Window::OneMinute, 100.0), 2.0 / 3.0);
    assert_eq!(throttling.fill(Window::OneMinute, 101.0), 1.0, "what was dropped is out of its reach");
}
