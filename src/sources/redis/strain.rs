//! How many commands are sent at a time to a server that closes connections instead of answering: one with a limit for what it
//! keeps for a client (`client-output-buffer-limit`).

use redis::Pipeline;

/// Round trips in parts before more commands are sent at a time again.
const CALM: u32 = 100;

/// 0: everything at once; each level sends a quarter of the commands of the one before.
#[derive(Debug, Default)]
pub(super) struct Strain {
    level: u32,
    answered: u32,
}

impl Strain {
    /// The server closed the connection instead of answering this many commands.
    pub(super) fn closed(&mut self, commands: usize) {
        if self.part(commands) > 1 {
            self.level += 1;
        }
        self.answered = 0;
    }

    /// Everything that was sent in parts has been answered.
    pub(super) fn answered(&mut self) {
        self.answered += 1;
        if self.answered >= CALM {
            (self.level, self.answered) = (self.level.saturating_sub(1), 0);
        }
    }

    /// The commands in parts, one for each round trip; `None` = all at once.
    pub(super) fn parts(&self, commands: &Pipeline) -> Option<Vec<Pipeline>> {
        let part = self.part(commands.len());
        if part >= commands.len() {
            return None;
        }
        let commands: Vec<&redis::Cmd> = commands.cmd_iter().collect();
        let pipeline = |part: &[&redis::Cmd]| {
            let mut pipeline = Pipeline::new();
            for command in part {
                pipeline.add_command((*command).clone());
            }
            pipeline
        };
        Some(commands.chunks(part).map(pipeline).collect())
    }

    fn part(&self, commands: usize) -> usize {
        commands.checked_shr(2 * self.level).unwrap_or(0).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The commands of each part.
    fn parts(strain: &Strain, commands: usize) -> Vec<usize> {
        let mut pipeline = Pipeline::new();
        for _ in 0..commands {
            pipeline.cmd("PING");
        }
        strain.parts(&pipeline).map_or(vec![commands], |parts| parts.iter().map(Pipeline::len).collect())
    }

    #[test]
    fn fewer_commands_are_sent_until_the_server_answers_and_more_again_later() {
        let mut strain = Strain::default();
        assert_eq!(parts(&strain, 10), [10]);
        strain.closed(10);
        assert_eq!(parts(&strain, 10), [2; 5]);
        strain.closed(10);
        assert_eq!(parts(&strain, 3), [1; 3]);
        strain.closed(3);
        assert_eq!(strain.level, 2, "one command cannot be divided");
        (0..CALM).for_each(|_| strain.answered());
        assert_eq!(parts(&strain, 10), [2; 5]);
        (0..CALM).for_each(|_| strain.answered());
        assert_eq!(parts(&strain, 10), [10]);
    }
}
