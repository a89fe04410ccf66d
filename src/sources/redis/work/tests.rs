use super::*;

const NOW: f64 = 1_767_225_600.0;

fn keys() -> Keys {
    Keys::sample()
}

fn text(text: &str) -> Value {
    Value::BulkString(text.as_bytes().to_vec())
}

fn task(created_at: f64) -> Value {
    text(&format!(r#"{{"meta": {{"created_at": {created_at}}}}}"#))
}

fn error(line: &str) -> Value {
    redis::parse_redis_value(format!("-{line}\r\n").as_bytes()).unwrap()
}

fn group(name: &str, pending: i64, lag: Option<i64>) -> Value {
    let lag = lag.map_or(Value::Nil, Value::Int);
    Value::Array(vec![text("name"), text(name), text("pending"), Value::Int(pending), text("lag"), lag])
}

/// A tick's facts where the paid queue and stream are answered so, and all others are empty; `None` where it fails.
fn tick(reader: &mut WorkReader, answers: Option<(&Value, &Value)>) -> Option<(Facts, Vec<String>)> {
    let mut pipeline = Pipeline::new();
    let asked = reader.ask(&keys(), |_| false, &mut pipeline);
    assert_eq!(asked, 0..pipeline.len());
    let (queue, stream) = answers?;
    let reply = |command: &redis::Cmd| {
        let words: Vec<_> = command
            .args_iter()
            .map(|arg| match arg {
                redis::Arg::Simple(bytes) => String::from_utf8_lossy(bytes).into_owned(),
                _ => String::new(),
            })
            .collect();
        match words[0].as_str() {
            "LRANGE" if words[1] == keys().queue(Role::Paid) => queue.clone(),
            "LRANGE" => Value::Array(Vec::new()),
            _ if words[2] == keys().jobs(Role::Paid) => stream.clone(),
            _ => error("ERR no such key"),
        }
    };
    let mut replies = Replies::new(pipeline.cmd_iter().map(reply).collect());
    let mut facts = Facts::default();
    reader.take(&keys(), NOW, &mut replies, &mut facts);
    assert_eq!(replies.next(), None, "every reply was taken");
    Some((facts, replies.malformed.into_iter().map(|malformed| malformed.problem).collect()))
}

fn front(queue: Value) -> (Option<QueueFront>, Vec<String>) {
    let (facts, problems) = tick(&mut WorkReader::default(), Some((&queue, &error("ERR no such key")))).unwrap();
    assert_eq!(facts.queue_fronts.registered, Some(QueueFront::Empty));
    (facts.queue_fronts.paid, problems)
}

#[test]
fn the_oldest_of_the_next_tasks_counts_and_one_without_a_time_makes_it_unknown() {
    let oldest = front(Value::Array(vec![task(NOW - 3.0), task(NOW - 9.5), task(NOW - 5.0)]));
    assert_eq!(oldest, (Some(QueueFront::Created(NOW - 9.5)), vec![]));
    assert_eq!(front(Value::Array(vec![])), (Some(QueueFront::Empty), vec![]));
    for (odd, problem) in [
        (text("{}"), "field meta.created_at is missing"),
        (text("nope"), "is not JSON (line 1, column 2)"),
        (task(NOW + 2.5), "field meta.created_at is dated ahead of Redis' clock"),
        (text(r#"{"meta": {"created_at": "now"}}"#), "field meta.created_at is not a number"),
    ] {
        let found = front(Value::Array(vec![task(NOW - 3.0), odd]));
        assert_eq!(found, (Some(QueueFront::Unreadable), vec![problem.to_owned()]));
    }
    let (unknown, problems) = front(error("WRONGTYPE of another type"));
    assert_eq!((unknown, problems), (None, vec![]), "its length is refused too");
    assert_eq!(front(error("NOPERM no permissions")), (None, vec!["NOPERM no permissions".to_owned()]));
}

#[test]
fn a_backlog_is_that_of_the_platforms_group() {
    let of = |stream: Value| {
        let (facts, problems) = tick(&mut WorkReader::default(), Some((&Value::Array(vec![]), &stream))).unwrap();
        assert_eq!(facts.jobs[&Role::Registered], JobBacklog { lag: Some(0), pending: 0 }, "no stream, no jobs");
        (facts.jobs.get(&Role::Paid).copied(), problems)
    };
    let groups = Value::Array(vec![group("other", 9, Some(9)), group(GROUP, 2, Some(5))]);
    assert_eq!(of(groups), (Some(JobBacklog { lag: Some(5), pending: 2 }), vec![]));
    let fields = [("name", text(GROUP)), ("pending", Value::Int(1)), ("lag", Value::Nil)];
    let map = Value::Map(fields.into_iter().map(|(name, value)| (text(name), value)).collect());
    assert_eq!(of(Value::Array(vec![map])), (Some(JobBacklog { lag: None, pending: 1 }), vec![]));
    for (stream, problem) in [
        (Value::Array(vec![]), "has no group kdcube-background-jobs.v1"),
        (error("WRONGTYPE Operation against a key"), "WRONGTYPE Operation against a key"),
        (error("NOPERM no permissions"), "NOPERM no permissions"),
        (Value::Int(3), "is not of the expected type"),
        (Value::Array(vec![Value::Array(vec![text("name"), text(GROUP)])]), "has a group without pending"),
    ] {
        assert_eq!(of(stream), (None, vec![problem.to_owned()]));
    }
}

#[test]
fn tasks_that_are_too_long_are_read_now_and_then() {
    let (mut reader, none) = (WorkReader::default(), error("ERR no such key"));
    let mut long = br#"{"meta": {"created_at": 1767225590.5}, "history": ""#.to_vec();
    long.resize(TRUNCATED_BYTES, b'x');
    let queue = Value::Array(vec![Value::BulkString(long)]);
    let mut read = 0;
    for turn in 0..25 {
        let (facts, problems) = tick(&mut reader, Some((&queue, &none))).unwrap();
        let is_read = facts.queue_fronts.paid == Some(QueueFront::Created(1_767_225_590.5));
        assert!(is_read || problems.iter().all(|problem| problem.contains("too long")), "{turn} {problems:?}");
        read += u32::from(is_read);
    }
    assert_eq!(read, 3, "of 25 ticks");
}

#[test]
fn ticks_that_fail_with_tasks_are_followed_by_some_without_unless_those_fail_too() {
    let (mut reader, none) = (WorkReader::default(), error("ERR no such key"));
    let empty = Value::Array(vec![]);
    let mut is_read = |fails: bool| {
        let tick = tick(&mut reader, (!fails).then_some((&empty, &none)));
        tick.map(|(facts, _)| facts.queue_fronts.paid == Some(QueueFront::Empty))
    };
    // Once is a connection that was closed.
    assert_eq!([false, true, false].map(&mut is_read), [Some(true), None, Some(true)]);
    assert_eq!([true, true, false, false].map(&mut is_read), [None, None, Some(false), Some(true)]);
    // An outage is not the tasks' fault.
    assert_eq!([true, true, true, false].map(&mut is_read), [None, None, None, Some(true)]);
}

#[test]
fn a_queue_that_was_empty_is_read_when_it_may_not_be_any_more() {
    let (mut reader, mut pipeline) = (WorkReader::default(), Pipeline::new());
    let others = reader.ask(&keys(), |key| key == keys().queue(Role::Paid), &mut pipeline);
    let replies = others.map(|place| if place < 4 { Value::Array(Vec::new()) } else { error("ERR no such key") });
    let (mut replies, mut facts) = (Replies::new(replies.collect()), Facts::default());
    reader.take(&keys(), NOW, &mut replies, &mut facts);
    assert_eq!((facts.queue_fronts.paid, replies.next()), (Some(QueueFront::Empty), None));
    assert_eq!(reader.ask_empty(&keys(), &mut Pipeline::new()), 0..1);
    reader.take_empty(&keys(), NOW, &mut Replies::new(vec![Value::Array(vec![task(NOW - 3.0)])]), &mut facts);
    assert_eq!(facts.queue_fronts.paid, Some(QueueFront::Created(NOW - 3.0)));
}
