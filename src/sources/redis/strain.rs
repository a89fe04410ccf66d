//! How much is asked at a time of a server that closes connections instead of answering: one with a limit for what it keeps for
//! a client (`client-output-buffer-limit`). First fewer commands are sent in a round trip, then commands with long answers are
//! divided.

use redis::{Arg, Cmd, Pipeline, Value};

/// Requests in parts before more is asked at a time again.
const CALM: u32 = 100;
/// Each level asks for a quarter of the one before; commands are divided into 4^this at the most.
const MOST_DIVIDED: u32 = 4;

/// 0 and 0: everything at once.
#[derive(Debug, Default)]
pub(super) struct Strain {
    /// Commands are spread over more round trips.
    spread: u32,
    /// Single commands are divided.
    divided: u32,
    answered: u32,
}

impl Strain {
    /// The server closed the connection instead of answering this many commands.
    pub(super) fn closed(&mut self, commands: usize) {
        if self.part(commands) > 1 {
            self.spread += 1;
        } else {
            self.divided = (self.divided + 1).min(MOST_DIVIDED);
        }
        self.answered = 0;
    }

    /// Everything that was sent in parts has been answered.
    pub(super) fn answered(&mut self) {
        self.answered += 1;
        if self.answered >= CALM {
            self.answered = 0;
            let level = if self.divided > 0 { &mut self.divided } else { &mut self.spread };
            *level = level.saturating_sub(1);
        }
    }

    /// The commands in parts; `None` = all at once.
    pub(super) fn parts(&self, commands: &Pipeline) -> Option<Parts> {
        let part = self.part(commands.len());
        if part >= commands.len() && self.divided == 0 {
            return None;
        }
        let divided: Vec<Vec<Cmd>> =
            commands.cmd_iter().map(|command| divide(command, 4_usize.pow(self.divided))).collect();
        let pieces = divided.iter().map(Vec::len).collect();
        let divided: Vec<Cmd> = divided.into_iter().flatten().collect();
        let pipeline = |part: &[Cmd]| {
            let mut pipeline = Pipeline::new();
            for command in part {
                pipeline.add_command(command.clone());
            }
            pipeline
        };
        Some(Parts { pipelines: divided.chunks(part).map(pipeline).collect(), pieces })
    }

    fn part(&self, commands: usize) -> usize {
        commands.checked_shr(2 * self.spread).unwrap_or(0).max(1)
    }
}

/// Commands for several round trips.
#[derive(Debug)]
pub(super) struct Parts {
    pub(super) pipelines: Vec<Pipeline>,
    /// Into how many pieces each command is divided.
    pieces: Vec<usize>,
}

impl Parts {
    /// One reply for each command that was asked for.
    pub(super) fn join(self, replies: Vec<Value>) -> Vec<Value> {
        let mut replies = replies.into_iter();
        let whole = |pieces: usize| join(replies.by_ref().take(pieces)).unwrap_or(Value::Nil);
        self.pieces.into_iter().map(whole).collect()
    }
}

/// Lists one after the other; the first reply that is none, such as an error, counts for all.
fn join(mut replies: impl Iterator<Item = Value>) -> Option<Value> {
    let mut whole = replies.next()?;
    for reply in replies {
        match (&mut whole, reply) {
            (Value::Array(items), Value::Array(more)) => items.extend(more),
            (Value::Array(_), other) => whole = other,
            _ => {}
        }
    }
    Some(whole)
}

/// An MGET by its keys and a range by its LIMIT; any other command stays whole.
fn divide(command: &Cmd, pieces: usize) -> Vec<Cmd> {
    let words: Vec<&[u8]> = command.args_iter().filter_map(word).collect();
    let whole = || vec![command.clone()];
    match words.as_slice() {
        _ if pieces == 1 => whole(),
        [b"MGET", keys @ ..] if keys.len() > 1 => {
            let pieces = keys.chunks(keys.len().div_ceil(pieces));
            pieces.map(|keys| of_words(&[&[&b"MGET"[..]], keys].concat())).collect()
        }
        [range @ .., limit @ b"LIMIT", offset, count] => match (number(offset), number(count)) {
            (Some(offset), Some(count)) => {
                let step = count.div_ceil(pieces).max(1);
                let piece = |first: usize| {
                    let (offset, count) = ((offset + first).to_string(), step.min(count - first).to_string());
                    of_words(&[range, &[*limit, offset.as_bytes(), count.as_bytes()]].concat())
                };
                (0..count).step_by(step).map(piece).collect()
            }
            _ => whole(),
        },
        _ => whole(),
    }
}

const fn word(argument: Arg<&[u8]>) -> Option<&[u8]> {
    match argument {
        Arg::Simple(word) => Some(word),
        _ => None,
    }
}

fn of_words(words: &[&[u8]]) -> Cmd {
    let mut command = Cmd::new();
    for word in words {
        command.arg(*word);
    }
    command
}

fn number(word: &[u8]) -> Option<usize> {
    std::str::from_utf8(word).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The commands of each round trip.
    fn parts(strain: &Strain, commands: &[&str]) -> Vec<Vec<String>> {
        let mut pipeline = Pipeline::new();
        for command in commands {
            pipeline.add_command(of_words(&command.split(' ').map(str::as_bytes).collect::<Vec<_>>()));
        }
        let text = |command: &Cmd| {
            let words = command.args_iter().filter_map(word).map(|word| String::from_utf8_lossy(word).into_owned());
            words.collect::<Vec<_>>().join(" ")
        };
        let texts = |pipeline: &Pipeline| pipeline.cmd_iter().map(text).collect();
        strain
            .parts(&pipeline)
            .map_or_else(|| vec![texts(&pipeline)], |parts| parts.pipelines.iter().map(texts).collect())
    }

    fn sizes(strain: &Strain, commands: usize) -> Vec<usize> {
        parts(strain, &vec!["PING"; commands]).iter().map(Vec::len).collect()
    }

    #[test]
    fn less_is_asked_at_a_time_until_the_server_answers_and_more_again_later() {
        let mut strain = Strain::default();
        assert_eq!(sizes(&strain, 10), [10]);
        strain.closed(10);
        assert_eq!(sizes(&strain, 10), [2; 5]);
        strain.closed(10);
        assert_eq!(sizes(&strain, 3), [1; 3]);
        strain.closed(3);
        let range = "ZRANGEBYSCORE k 1 2 WITHSCORES LIMIT 7 5";
        let expected = ["LIMIT 7 2", "LIMIT 9 2", "LIMIT 11 1"].map(|limit| vec![range.replace("LIMIT 7 5", limit)]);
        assert_eq!(parts(&strain, &[range]), expected);
        assert_eq!(parts(&strain, &["MGET a b c d e", "LLEN q"]), [["MGET a b"], ["MGET c d"], ["MGET e"], ["LLEN q"]]);
        for expected in [vec![1, 1], vec![1, 1], vec![2]] {
            (0..CALM).for_each(|_| strain.answered());
            assert_eq!(sizes(&strain, 2), expected);
        }
    }

    #[test]
    fn pieces_are_joined_and_an_error_counts_for_all() {
        let list = |numbers: &[i64]| Value::Array(numbers.iter().map(|number| Value::Int(*number)).collect());
        let parts = Parts { pipelines: Vec::new(), pieces: vec![2, 1, 2] };
        let refusal = redis::parse_redis_value(b"-WRONGTYPE x\r\n").unwrap();
        let replies = vec![list(&[1]), list(&[2, 3]), Value::Int(7), list(&[4]), refusal.clone()];
        assert_eq!(parts.join(replies), [list(&[1, 2, 3]), Value::Int(7), refusal]);
    }
}
