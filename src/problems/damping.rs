//! Damps the log of problems that come and go: one line for each in ten minutes, with the number of times.

use std::collections::BTreeMap;

use super::ProblemCode;
use crate::base::clock::UnixSeconds;

/// A problem of the same code and subject is logged again after this long at the earliest, however often it begins; seconds.
const QUIET: f64 = 600.0;

/// Most problems that are remembered: subjects such as processes come and go for as long as the server runs.
const MOST: usize = 2000;

/// What was logged when.
#[derive(Debug, Default)]
pub(super) struct Damping {
    logged: BTreeMap<(ProblemCode, String), Logged>,
}

#[derive(Debug)]
struct Logged {
    at: UnixSeconds,
    /// Times that it began since.
    unlogged: u64,
}

impl Damping {
    /// How often the problem began since it was last logged, this time included; `None` if it is not to be logged.
    pub(super) fn admit(&mut self, code: ProblemCode, subject: &str, now: UnixSeconds) -> Option<u64> {
        let key = (code, subject.to_owned());
        if let Some(logged) = self.logged.get_mut(&key)
            && is_recent(logged.at, now)
        {
            logged.unlogged += 1;
            return None;
        }
        self.make_room(now);
        let before = self.logged.insert(key, Logged { at: now, unlogged: 0 });
        Some(1 + before.map_or(0, |before| before.unlogged))
    }

    /// The same for one that lasts although its beginning was not logged.
    pub(super) fn admit_lasting(&mut self, code: ProblemCode, subject: &str, now: UnixSeconds) -> u64 {
        self.make_room(now);
        let before = self.logged.insert((code, subject.to_owned()), Logged { at: now, unlogged: 0 });
        before.map_or(1, |before| before.unlogged.max(1))
    }

    /// Forgets what may be logged again; if that is not enough, everything.
    fn make_room(&mut self, now: UnixSeconds) {
        if self.logged.len() >= MOST {
            self.logged.retain(|_, logged| is_recent(logged.at, now));
        }
        if self.logged.len() >= MOST {
            self.logged.clear();
        }
    }
}

/// A time in the future is one before the clock was set back.
fn is_recent(at: UnixSeconds, now: UnixSeconds) -> bool {
    (0.0..QUIET).contains(&(now - at))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problems::code::code;

    const SINK: ProblemCode = code("sink_failing");

    #[test]
    fn a_problem_that_flaps_is_logged_once_in_ten_minutes_with_its_number() {
        let mut damping = Damping::default();
        let admitted: Vec<Option<u64>> =
            [0.0, 1.0, 2.0, 599.0, 600.0, 601.0, 500.0].map(|now| damping.admit(SINK, "a", now)).to_vec();
        assert_eq!(
            admitted,
            [Some(1), None, None, None, Some(4), None, Some(2)],
            "the last one: the clock was set back"
        );
        assert_eq!(damping.admit(SINK, "b", 2.0), Some(1));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut damping = Damping::default();
        for number in 0..5000 {
            assert_eq!(damping.admit(SINK, &number.to_string(), 1.0), Some(1));
        }
        assert!(damping.logged.len() <= MOST);
    }
}
