//! One MGET instead of several, as long as it stays a short command.

use redis::{Arg, Cmd, Pipeline, Value};

use super::values::MGET_KEYS;

/// A pipeline in which the first MGET reads the keys of all.
pub(super) struct Merged {
    pub(super) pipeline: Pipeline,
    /// How many values of the list each MGET of the original has; `None` for another command.
    lists: Vec<Option<usize>>,
}

/// The same commands with one MGET; `None` where they have no two, or too many keys for one.
pub(super) fn merged(commands: &Pipeline) -> Option<Merged> {
    let lists: Vec<Option<usize>> = commands.cmd_iter().map(|command| keys(command).map(Iterator::count)).collect();
    let sizes: Vec<usize> = lists.iter().flatten().copied().collect();
    if sizes.len() < 2 || sizes.iter().sum::<usize>() > MGET_KEYS {
        return None;
    }
    let all: Vec<&[u8]> = commands.cmd_iter().filter_map(keys).flatten().collect();
    let mut all = Some(all);
    let mut pipeline = Pipeline::new();
    for command in commands.cmd_iter() {
        if keys(command).is_none() {
            pipeline.add_command(command.clone());
        } else if let Some(all) = all.take() {
            pipeline.cmd("MGET").arg(all);
        }
    }
    Some(Merged { pipeline, lists })
}

impl Merged {
    /// One reply for each command of the original. A list that was refused is refused for all of them.
    pub(super) fn split(self, replies: Vec<Value>) -> Vec<Value> {
        let mut replies = replies.into_iter();
        let mut list: Option<Value> = None;
        let mut reply = |size| match size {
            None => replies.next().unwrap_or(Value::Nil),
            Some(size) => part(list.get_or_insert_with(|| replies.next().unwrap_or(Value::Nil)), size),
        };
        self.lists.into_iter().map(&mut reply).collect()
    }
}

fn part(list: &mut Value, size: usize) -> Value {
    match list {
        Value::Array(values) => Value::Array(values.drain(..size.min(values.len())).collect()),
        refused => refused.clone(),
    }
}

/// The keys of an MGET.
fn keys(command: &Cmd) -> Option<impl Iterator<Item = &[u8]>> {
    let mut words = command.args_iter().filter_map(|argument| match argument {
        Arg::Simple(word) => Some(word),
        _ => None,
    });
    (words.next() == Some(b"MGET")).then_some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pipeline(sizes: &[usize]) -> Pipeline {
        let mut pipeline = Pipeline::new();
        for (number, size) in sizes.iter().enumerate() {
            pipeline.cmd("LLEN").arg(number);
            pipeline.cmd("MGET").arg((0..*size).map(|key| format!("{number}:{key}")).collect::<Vec<_>>());
        }
        pipeline
    }

    #[test]
    fn each_command_gets_its_own_part_of_the_list() {
        let merged = merged(&pipeline(&[2, 1, 3])).unwrap();
        assert_eq!(merged.pipeline.len(), 4);
        let list = |values: std::ops::Range<i64>| Value::Array(values.map(Value::Int).collect());
        let int = Value::Int;
        let split = merged.split(vec![int(10), list(0..6), int(11), int(12)]);
        assert_eq!(split, [int(10), list(0..2), int(11), list(2..3), int(12), list(3..6)]);
    }

    #[test]
    fn one_list_and_many_keys_stay_as_they_are() {
        for sizes in [&[][..], &[3], &[MGET_KEYS, 1]] {
            assert!(merged(&pipeline(sizes)).is_none(), "{sizes:?}");
        }
    }

    #[test]
    fn a_list_that_is_short_or_refused_shifts_no_other_reply() {
        let int = Value::Int;
        let split = |reply: Value| merged(&pipeline(&[2, 2])).unwrap().split(vec![int(10), reply, int(11)]);
        let short = split(Value::Array(vec![int(1)]));
        assert_eq!(short, [int(10), Value::Array(vec![int(1)]), int(11), Value::Array(vec![])]);
        assert_eq!(split(Value::Nil), [int(10), Value::Nil, int(11), Value::Nil]);
    }
}
