//! What a tail asks for, and what it makes of the replies: each member once, whatever a sorted set goes through.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use redis::{Cmd, Pipeline, Value};

use super::tail::{FEW_PAGES, HORIZON, MOST_PAGES, PAGE, Tail, Taken, Writer};

const NOW: f64 = 1_767_225_600.0;
const HOUR: f64 = 3600.0;

/// A sorted set that answers the commands of a tail as Redis does.
#[derive(Debug, Clone, Default)]
pub(super) struct SortedSet(BTreeMap<Vec<u8>, f64>);

impl SortedSet {
    pub(super) fn add(&mut self, name: impl ToString, score: f64) {
        self.0.insert(name.to_string().into_bytes(), score);
    }

    /// Members by score, then by name.
    fn ordered(&self) -> Vec<(&Vec<u8>, f64)> {
        let mut members: Vec<(&Vec<u8>, f64)> = self.0.iter().map(|(member, score)| (member, *score)).collect();
        members.sort_by(|a, b| a.1.total_cmp(&b.1).then(a.0.cmp(b.0)));
        members
    }

    pub(super) fn answer(&self, command: &Cmd) -> Value {
        let words: Vec<String> = words(command);
        let within = |score: f64| is_above(&words[2], score) && is_below(&words[3], score);
        let found = self.ordered().into_iter().filter(|(_, score)| within(*score));
        if words[0] == "ZCOUNT" {
            return Value::Int(i64::try_from(found.count()).unwrap());
        }
        assert_eq!((words[0].as_str(), words[5].as_str()), ("ZRANGEBYSCORE", "LIMIT"), "{words:?}");
        let (skip, most) = (words[6].parse().unwrap(), words[7].parse().unwrap());
        let pair = |(member, score): (&Vec<u8>, f64)| {
            [Value::BulkString(member.clone()), Value::BulkString(score.to_string().into_bytes())]
        };
        Value::Array(found.skip(skip).take(most).flat_map(pair).collect())
    }
}

fn is_above(bound: &str, score: f64) -> bool {
    match bound.strip_prefix('(') {
        Some(bound) => score > bound.parse().unwrap(),
        None => score >= bound.parse().unwrap(),
    }
}

fn is_below(bound: &str, score: f64) -> bool {
    match bound.strip_prefix('(') {
        Some(bound) => score < bound.parse().unwrap(),
        None => bound == "+inf" || score <= bound.parse().unwrap(),
    }
}

pub(super) fn words(command: &Cmd) -> Vec<String> {
    let word = |word| match word {
        redis::Arg::Simple(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        _ => String::new(),
    };
    command.args_iter().map(word).collect()
}

fn tail(writer: Writer) -> Tail {
    Tail::new("key".to_owned(), writer, HOUR, MOST_PAGES)
}

/// One read, and how many pages it asked for.
fn read(tail: &mut Tail, set: &SortedSet, now: f64) -> (Taken, usize) {
    let mut pipeline = Pipeline::new();
    let asked = tail.ask(now, &mut pipeline);
    let pages = pipeline.cmd_iter().filter(|command| words(command)[0] == "ZRANGEBYSCORE").count();
    let mut replies = pipeline.cmd_iter().map(|command| set.answer(command)).collect::<Vec<_>>().into_iter();
    let taken = tail.take(asked, now, &mut replies).unwrap();
    assert_eq!(replies.next(), None, "every reply was taken");
    (taken, pages)
}

fn names(taken: &Taken) -> Vec<String> {
    taken.members.iter().map(|(member, _)| String::from_utf8_lossy(member).into_owned()).collect()
}

#[test]
fn the_first_read_covers_the_retention_and_no_more() {
    let mut set = SortedSet::default();
    for (name, age) in [("old", HOUR + 0.1), ("oldest", HOUR), ("new", 0.0), ("soon", -2.0), ("ahead", -2.1)] {
        set.add(name, NOW - age);
    }
    let (taken, pages) = read(&mut tail(Writer::Workers), &set, NOW);
    assert_eq!(
        (names(&taken), taken.ahead, taken.restarted, pages),
        (["oldest", "new", "soon"].map(String::from).to_vec(), 1, false, 1)
    );
    let (taken, _) = read(&mut tail(Writer::Server), &set, NOW);
    assert_eq!(taken.ahead, 0, "this server's own points are not counted");
}

#[test]
fn a_long_history_is_read_in_pages_that_double_and_never_twice() {
    let mut set = SortedSet::default();
    let members = PAGE * 9;
    (0..members).for_each(|number| set.add(number, NOW - HOUR + 0.05 * number as f64));
    let mut tail = tail(Writer::Workers);
    let (mut found, mut asked, mut lags) = (0, Vec::new(), Vec::new());
    while asked.is_empty() || tail.is_behind() {
        let (taken, pages) = read(&mut tail, &set, NOW);
        found += taken.members.len();
        asked.push(pages);
        lags.push(tail.lag(NOW));
    }
    assert_eq!((found, &asked[..3]), (members, &[1, 2, FEW_PAGES][..]));
    assert!(lags.windows(2).all(|two| two[1] < two[0]) && lags.last() == Some(&0.0), "{lags:?}");
}

#[test]
fn members_of_one_score_that_fill_pages_are_all_read() {
    let mut set = SortedSet::default();
    (0..PAGE * 3 + 7).for_each(|number| set.add(number, NOW - 100.0));
    let (mut tail, mut found) = (tail(Writer::Workers), BTreeSet::new());
    for _ in 0..3 {
        found.extend(names(&read(&mut tail, &set, NOW).0));
    }
    assert_eq!((found.len(), tail.is_behind()), (PAGE * 3 + 7, false));
}

#[test]
fn a_late_member_within_the_horizon_is_read_by_the_tick_after_and_an_older_one_is_counted() {
    for (age, read_later, lost) in [(1.0, false, 0), (HORIZON - 2.0, true, 0), (HORIZON + 2.0, false, 1)] {
        let mut set = SortedSet::default();
        (0..20).for_each(|number| set.add(number, NOW - f64::from(number) * 100.0));
        let mut tail = tail(Writer::Workers);
        read(&mut tail, &set, NOW);
        set.add("late", NOW - age);
        let first = read(&mut tail, &set, NOW + 0.5).0;
        let second = read(&mut tail, &set, NOW + 1.0).0;
        let third = read(&mut tail, &set, NOW + 1.5).0;
        assert_eq!(names(&second), vec!["late"; usize::from(read_later)], "{age}");
        assert_eq!(names(&first).len() + names(&second).len(), usize::from(lost == 0), "{age}");
        assert_eq!((first.late, second.late, third.late), (0, lost, 0), "{age}: once");
    }
}

#[test]
fn a_set_that_was_emptied_is_read_again_as_a_whole() {
    let mut set = SortedSet::default();
    (0..50).for_each(|number| set.add(number, NOW - f64::from(number) * 10.0));
    let mut tail = tail(Writer::Workers);
    read(&mut tail, &set, NOW);
    set.0.clear();
    set.add("after", NOW - 50.0);
    let (taken, _) = read(&mut tail, &set, NOW + 5.0);
    assert!(tail.is_behind() && !taken.restarted, "it is noticed by its count");
    let (taken, _) = read(&mut tail, &set, NOW + 5.0);
    assert_eq!((names(&taken), taken.restarted), (vec!["after".to_owned()], true));
}

#[test]
fn a_point_of_our_own_is_not_returned_and_is_missed_only_if_its_write_was_confirmed() {
    for (written, in_redis) in [(true, true), (false, false), (false, true)] {
        let mut set = SortedSet::default();
        let mut tail = tail(Writer::Server);
        read(&mut tail, &set, NOW);
        tail.wrote(b"own", NOW);
        tail.confirm(written);
        if in_redis {
            set.add("own", NOW);
        }
        for second in 1..20 {
            let (taken, _) = read(&mut tail, &set, NOW + f64::from(second));
            assert!(names(&taken).is_empty() && !taken.restarted, "{written} {in_redis} {second}");
        }
    }
}

#[test]
fn a_reply_that_is_no_list_is_an_error_and_one_without_a_score_is_skipped() {
    let take = |reply: Value| {
        let mut tail = tail(Writer::Server);
        let asked = tail.ask(NOW, &mut Pipeline::new());
        tail.take(asked, NOW, &mut std::iter::once(reply)).map(|taken| names(&taken))
    };
    let text = |text: &str| Value::BulkString(text.as_bytes().to_vec());
    let refused = redis::parse_redis_value(b"-WRONGTYPE another type\r\n").unwrap();
    assert!(take(refused).is_err_and(|error| error.contains("another type")));
    assert!(take(Value::Int(1)).is_err());
    let items = [
        text("a"),
        text("nan"),
        text("b"),
        Value::Double(5.0),
        text("c"),
        text("inf"),
        Value::Nil,
        text("6"),
        text("d"),
    ];
    assert_eq!(take(Value::Array(items.to_vec())), Ok(vec!["b".to_owned()]));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Members arrive in any order, up to a minute late, and the clock of the ticks may stand still.
    #[test]
    fn each_member_is_returned_once(
        ticks in proptest::collection::vec((0_u32..6, proptest::collection::vec(0_u32..600, 0..12)), 1..40),
    ) {
        let (mut set, mut tail, mut now) = (SortedSet::default(), tail(Writer::Workers), NOW);
        let (mut returned, mut number) = (BTreeMap::new(), 0);
        for (pause, arrivals) in ticks {
            now += f64::from(pause);
            for tenths in arrivals {
                set.add(number, now - f64::from(tenths) / 10.0);
                number += 1;
            }
            let (taken, _) = read(&mut tail, &set, now);
            prop_assert!(!taken.restarted && taken.late == 0);
            names(&taken).into_iter().for_each(|name| *returned.entry(name).or_insert(0) += 1);
        }
        // A late member is noticed once the overlap has passed it, and read by the tick after that.
        for _ in 0..3 {
            now += 4.0;
            names(&read(&mut tail, &set, now).0).into_iter().for_each(|name| *returned.entry(name).or_insert(0) += 1);
        }
        prop_assert_eq!(returned.len(), number);
        prop_assert!(returned.values().all(|times| *times == 1));
    }
}
