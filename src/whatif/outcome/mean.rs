//! The mean of a policy's outcomes over several seeds: one seed's luck is not a result.

use super::Outcome;
use crate::base::number::{count, float};

impl Outcome {
    /// The mean of each number, counts rounded; the ticks are those of the first. `None` without outcomes.
    #[must_use]
    pub fn mean(outcomes: Vec<Self>) -> Option<Self> {
        let mean = |read: fn(&Self) -> f64| outcomes.iter().map(read).sum::<f64>() / float(count(outcomes.len()));
        let whole = |read: fn(&Self) -> f64| rounded(mean(read));
        let means = Self {
            arrived: whole(|outcome| exact(outcome.arrived)),
            gave_up: whole(|outcome| exact(outcome.gave_up)),
            refused: whole(|outcome| exact(outcome.refused)),
            restarted: whole(|outcome| exact(outcome.restarted)),
            actions: whole(|outcome| exact(outcome.actions)),
            oscillations: whole(|outcome| exact(outcome.oscillations)),
            replica_hours: mean(|outcome| outcome.replica_hours),
            recovery_seconds: mean(|outcome| outcome.recovery_seconds),
            waits: mean_waits(&outcomes),
            ..Self::default()
        };
        let first = outcomes.into_iter().next()?;
        Some(Self { load: first.load, policy: first.policy, ticks: first.ticks, ..means })
    }
}

/// Over the seeds that had users.
fn mean_waits(outcomes: &[Outcome]) -> Option<[f64; 3]> {
    let known: Vec<[f64; 3]> = outcomes.iter().filter_map(|outcome| outcome.waits).collect();
    let number = float(count(known.len()));
    let sums = known.into_iter().reduce(|[a, b, c], [x, y, z]| [a + x, b + y, c + z])?;
    Some(sums.map(|sum| sum / number))
}

fn exact(count: u64) -> f64 {
    crate::base::number::float_u64(count)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a mean of counts")]
fn rounded(mean: f64) -> u64 {
    mean.round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_number_is_the_mean_and_users_may_be_missing() {
        let one = Outcome {
            load: "a".to_owned(),
            arrived: 3,
            refused: 10,
            waits: Some([0.0, 10.0, 20.0]),
            replica_hours: 1.0,
            ..Outcome::default()
        };
        let two = Outcome { arrived: 6, waits: None, replica_hours: 2.0, ..one.clone() };
        let three = Outcome { refused: 13, waits: Some([2.0, 20.0, 40.0]), ..one.clone() };
        let mean = Outcome::mean(vec![one, two, three]).unwrap();
        assert_eq!((mean.load.as_str(), mean.arrived, mean.refused), ("a", 4, 11));
        assert_eq!((mean.waits, mean.replica_hours), (Some([1.0, 15.0, 30.0]), 4.0 / 3.0));
        assert_eq!(Outcome::mean(vec![]), None);
    }
}
