//! What the reader of all series makes of the replies: each series' entries in its own facts, once, and what was lost of them.

use std::collections::BTreeMap;

use redis::{Pipeline, Value};

use super::replies::Replies;
use super::series::{SeriesQuery, SeriesReader};
use super::tail_tests::{SortedSet, words};
use crate::history::throttling::SHOWN;
use crate::platform::facts::{Facts, InputKind, LatencySeries, RollingSeries, SeriesId, Unreadable};
use crate::platform::keys::Keys;

const NOW: f64 = 1_767_225_600.0;
const WAIT: LatencySeries = LatencySeries::QueueWait;
const DEPTH: RollingSeries = RollingSeries::QueueDepth;

fn keys() -> Keys {
    Keys::sample()
}

/// The sorted sets of a Redis, and the keys that are of another type.
#[derive(Default)]
struct Store {
    sets: BTreeMap<String, SortedSet>,
    foreign: Vec<String>,
}

impl Store {
    fn add(&mut self, key: String, name: impl ToString, score: f64) {
        self.sets.entry(key).or_default().add(name, score);
    }

    fn answers(&self, pipeline: &Pipeline) -> Vec<Value> {
        let answer = |command: &redis::Cmd| {
            let key = words(command).swap_remove(1);
            if self.foreign.contains(&key) {
                return redis::parse_redis_value(b"-WRONGTYPE not a sorted set\r\n").unwrap();
            }
            self.sets.get(&key).unwrap_or(&SortedSet::default()).answer(command)
        };
        pipeline.cmd_iter().map(answer).collect()
    }
}

fn reader(most: usize) -> SeriesReader {
    SeriesReader::new(&keys(), most)
}

/// One read of all series; the keys that it asked for.
fn read(reader: &mut SeriesReader, store: &Store, now: f64, is_alone: bool) -> Vec<String> {
    let mut pipeline = Pipeline::new();
    let query = reader.ask(now, is_alone, &mut pipeline);
    take(reader, query, store, &pipeline, now);
    asked_keys(&pipeline)
}

/// One more of those that are behind; the same.
fn read_behind(reader: &mut SeriesReader, store: &Store, now: f64) -> Vec<String> {
    let mut pipeline = Pipeline::new();
    let query = reader.ask_behind(now, &mut pipeline);
    take(reader, query, store, &pipeline, now);
    asked_keys(&pipeline)
}

fn asked_keys(pipeline: &Pipeline) -> Vec<String> {
    let mut keys: Vec<String> = pipeline.cmd_iter().map(|command| words(command).swap_remove(1)).collect();
    keys.dedup();
    keys
}

fn take(reader: &mut SeriesReader, query: SeriesQuery, store: &Store, pipeline: &Pipeline, now: f64) {
    let mut replies = Replies::new(store.answers(pipeline));
    reader.take(query, now, &mut replies);
    assert_eq!(replies.next(), None, "every reply was taken");
}

/// One tick: its facts, and the keys that its first read asked for.
fn tick(reader: &mut SeriesReader, store: &Store, now: f64, is_alone: bool) -> (Facts, Vec<String>) {
    let asked = read(reader, store, now, is_alone);
    while reader.is_behind() {
        read_behind(reader, store, now);
    }
    let mut facts = Facts::default();
    reader.drain_into(&mut facts);
    (facts, asked)
}

fn values(facts: &Facts, series: LatencySeries) -> Vec<f64> {
    facts.latency.get(&series).into_iter().flatten().map(|point| point.value).collect()
}

#[test]
fn each_series_has_its_own_entries_and_each_entry_comes_once() {
    let (mut store, mut reader) = (Store::default(), reader(100));
    for (number, series) in (1_u8..).zip(LatencySeries::ALL) {
        store.add(keys().latency(series), format!("m:{number}"), NOW - 10.0);
    }
    store.add(keys().rolling(DEPTH), "p:40", NOW - 9.0);
    store.add(keys().throttling_events(), r#"{"http_status": 429, "session_id": "s"}"#, NOW - 8.0);
    let (facts, _) = tick(&mut reader, &store, NOW, false);
    assert_eq!(LatencySeries::ALL.map(|series| values(&facts, series)), [[1.0], [2.0], [3.0]]);
    let depth: Vec<(f64, f64)> = facts.rolling[&DEPTH].iter().map(|point| (point.at, point.value)).collect();
    assert_eq!((facts.rolling.len(), depth), (1, vec![(NOW - 9.0, 40.0)]));
    let event = &facts.throttling_events[0];
    let detail = event.detail.as_ref().unwrap();
    assert_eq!((event.at, detail.http_status, detail.session_id.as_deref()), (NOW - 8.0, Some(429), Some("s")));
    let (facts, _) = tick(&mut reader, &store, NOW + 5.0, false);
    assert!(facts.latency.is_empty() && facts.rolling.is_empty() && facts.throttling_events.is_empty());
}

#[test]
fn members_that_cannot_be_read_are_listed_up_to_a_bound_and_the_others_counted() {
    let mut store = Store::default();
    (0..1003).for_each(|number| store.add(keys().latency(WAIT), format!("no value {number}"), NOW - 1.0));
    store.add(keys().latency(WAIT), "m:7", NOW - 1.0);
    store.add(keys().throttling_events(), "no object", NOW - 1.0);
    let mut reader = reader(10_000);
    let (facts, _) = tick(&mut reader, &store, NOW, false);
    assert_eq!((facts.malformed.len(), values(&facts, WAIT)), (1000, vec![7.0]));
    assert_eq!(facts.malformed[0].key, keys().latency(WAIT));
    assert_eq!(facts.malformed[0].kind, InputKind::SeriesMember);
    assert_eq!(facts.malformed_unlisted, [(InputKind::SeriesMember, 3), (InputKind::ThrottlingEvent, 1)].into());
    // It happened all the same.
    assert_eq!((facts.throttling_events.len(), facts.throttling_events[0].detail.is_none()), (1, true));
    let (facts, _) = tick(&mut reader, &store, NOW + 5.0, false);
    assert!(facts.malformed.is_empty() && facts.malformed_unlisted.is_empty(), "said once");
}

#[test]
fn a_key_of_another_type_is_unreadable_until_it_is_a_series_again() {
    let foreign = vec![keys().latency(WAIT), keys().throttling_events(), keys().rolling(DEPTH)];
    let mut store = Store { foreign, ..Store::default() };
    let mut reader = reader(100);
    let (facts, _) = tick(&mut reader, &store, NOW, false);
    // The points of a rolling series that this server took are known, whatever the key holds.
    assert_eq!(facts.unreadable, [Unreadable::Latency(WAIT), Unreadable::Throttling].into());
    let kinds: Vec<InputKind> = facts.malformed.iter().map(|malformed| malformed.kind).collect();
    assert_eq!(kinds, [InputKind::SeriesMember, InputKind::SeriesMember, InputKind::ThrottlingEvent]);
    assert!(facts.malformed[0].problem.starts_with("WRONGTYPE"), "{:?}", facts.malformed[0]);
    store.foreign = vec![keys().throttling_events()];
    let (facts, _) = tick(&mut reader, &store, NOW + 5.0, false);
    assert_eq!(facts.unreadable, [Unreadable::Throttling].into());
}

#[test]
fn of_more_entries_than_history_holds_the_oldest_are_dropped_counted_and_dated() {
    let mut store = Store::default();
    for number in 0..5_u8 {
        store.add(keys().latency(WAIT), format!("m:{number}"), NOW - 10.0 + f64::from(number));
        store.add(keys().throttling_events(), format!(r#"{{"n": {number}}}"#), NOW - 20.0 + f64::from(number));
    }
    store.add(keys().latency(LatencySeries::TaskExec), "m:1", NOW - 1.0);
    let (facts, _) = tick(&mut reader(3), &store, NOW, false);
    assert_eq!(values(&facts, WAIT), [2.0, 3.0, 4.0]);
    let lost = |series| facts.series.get(&series).map(|facts| (facts.dropped, facts.dropped_up_to));
    assert_eq!(lost(SeriesId::Latency(WAIT)), Some((2, NOW - 9.0)));
    assert_eq!(lost(SeriesId::Throttling), Some((2, NOW - 19.0)));
    assert_eq!(lost(SeriesId::Latency(LatencySeries::TaskExec)), Some((0, 0.0)));
    assert_eq!((facts.throttling_events[0].at, facts.dropped_before_load), (NOW - 18.0, 4));
}

#[test]
fn a_server_that_is_alone_reads_its_own_series_once_a_minute() {
    let (store, mut reader) = (Store::default(), reader(100));
    let mut reads_own = |at: f64, is_alone| {
        let (_, asked) = tick(&mut reader, &store, NOW + at, is_alone);
        assert!(asked.contains(&keys().latency(WAIT)), "what workers write is read in every tick");
        asked.contains(&keys().rolling(DEPTH))
    };
    for (at, is_alone, expected, why) in [
        (0.0, true, true, "nothing is known"),
        (5.0, true, false, "its own points are known"),
        (59.9, true, false, "its own points are known"),
        (60.0, true, true, "a minute is over"),
        (65.0, true, false, "read just before"),
        (70.0, false, true, "another may write"),
        (75.0, true, false, "read just before"),
        (20.0, true, true, "the clock was set back"),
    ] {
        assert_eq!(reads_own(at, is_alone), expected, "at {at}: {why}");
    }
}

#[test]
fn a_point_of_somebody_else_makes_a_server_that_thought_itself_alone_look_for_five_minutes() {
    let (mut store, mut reader) = (Store::default(), reader(100));
    let mut reads_own =
        |store: &Store, at: f64| tick(&mut reader, store, NOW + at, true).1.contains(&keys().rolling(DEPTH));
    assert!(reads_own(&store, 0.0));
    store.add(keys().rolling(DEPTH), "other:4", NOW + 58.0);
    assert_eq!([5.0, 60.0, 65.0, 359.0].map(|at| reads_own(&store, at)), [false, true, true, true]);
    assert_eq!([360.0, 419.0].map(|at| reads_own(&store, at)), [false, true]);
}

#[test]
fn its_own_points_do_not_come_back_to_the_server_that_wrote_them() {
    let (mut store, mut reader) = (Store::default(), reader(100));
    tick(&mut reader, &store, NOW, false);
    reader.wrote(DEPTH, "own:4", NOW + 5.0);
    reader.confirm(true);
    store.add(keys().rolling(DEPTH), "own:4", NOW + 5.0);
    store.add(keys().rolling(DEPTH), "other:5", NOW + 6.0);
    let (facts, _) = tick(&mut reader, &store, NOW + 7.0, false);
    let found: Vec<f64> = facts.rolling[&DEPTH].iter().map(|point| point.value).collect();
    assert_eq!((found, facts.series.contains_key(&SeriesId::Rolling(DEPTH))), (vec![5.0], false));
}

#[test]
fn only_the_newest_events_keep_what_consoles_show_however_many_reads_they_came_in() {
    let event = |number: usize| {
        let fields = ["event_id", "session_id", "user_type", "fingerprint", "endpoint", "retry_after"];
        let mut event: serde_json::Map<String, serde_json::Value> =
            fields.into_iter().map(|name| (name.to_owned(), "x".into())).collect();
        event.insert("reason".to_owned(), "hourly_rate_limit".into());
        event.insert("http_status".to_owned(), 429.into());
        event.insert("timestamp".to_owned(), number.into());
        serde_json::Value::Object(event).to_string()
    };
    let (mut store, mut reader) = (Store::default(), reader(10_000));
    let more = |store: &mut Store, numbers: std::ops::Range<usize>| {
        numbers.for_each(|number| store.add(keys().throttling_events(), event(number), NOW + number as f64 / 100.0));
    };
    more(&mut store, 0..250);
    read(&mut reader, &store, NOW + 5.0, false);
    more(&mut store, 250..300);
    let (facts, _) = tick(&mut reader, &store, NOW + 10.0, false);
    let shown: Vec<bool> = facts
        .throttling_events
        .iter()
        .map(|event| event.detail.as_ref().is_some_and(|detail| detail.shown.is_some()))
        .collect();
    let first = shown.iter().position(|shown| *shown);
    assert_eq!((shown.len(), first, shown.iter().filter(|shown| **shown).count()), (300, Some(100), SHOWN));
}

#[test]
fn what_is_read_again_takes_the_place_of_what_was_kept() {
    let (mut store, mut reader) = (Store::default(), reader(100));
    store.add(keys().latency(WAIT), "m:1", NOW - 10.0);
    tick(&mut reader, &store, NOW, false);
    store.add(keys().latency(WAIT), "m:2", NOW + 1.0);
    read(&mut reader, &store, NOW + 2.0, false);
    reader.read_again();
    let (facts, _) = tick(&mut reader, &store, NOW + 5.0, false);
    assert_eq!((values(&facts, WAIT), facts.series[&SeriesId::Latency(WAIT)].restarted), (vec![1.0, 2.0], true));
}

#[test]
fn how_far_reading_is_behind_is_told_of_what_workers_write() {
    let mut store = Store::default();
    (0..5001).for_each(|number| {
        store.add(keys().latency(WAIT), format!("{number}:1"), NOW - 600.0 + f64::from(number) / 10.0)
    });
    let mut reader = reader(100_000);
    read(&mut reader, &store, NOW, false);
    let mut facts = Facts::default();
    reader.drain_into(&mut facts);
    let lag = |facts: &Facts| facts.series.get(&SeriesId::Latency(WAIT)).and_then(|facts| facts.lag_seconds);
    assert!(reader.is_behind() && (lag(&facts).unwrap() - 100.1).abs() < 1e-3, "{:?}", lag(&facts));
    let asked = read_behind(&mut reader, &store, NOW + 1.0);
    assert_eq!(asked, [keys().latency(WAIT)], "the others are read to their end");
    reader.drain_into(&mut facts);
    assert_eq!((reader.is_behind(), lag(&facts), values(&facts, WAIT).len()), (false, Some(0.0), 1));
}
