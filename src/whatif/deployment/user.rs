//! A user with a task, from the first attempt on.

use fastrand::Rng;

use crate::base::clock::UnixSeconds;
use crate::platform::facts::Role;
use crate::whatif::load::Arrival;

/// A user who was refused tries again after this time, then after twice as long, and so on …
const FIRST_RETRY_SECONDS: f64 = 10.0;
/// … up to this, the platform's own `retry_after` …
const LONGEST_RETRY_SECONDS: f64 = 60.0;
/// … and gives up after this time.
pub(super) const PATIENCE_SECONDS: f64 = 600.0;

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct User {
    /// Tells users apart.
    pub(super) number: u64,
    pub(super) role: Role,
    /// How long the task runs.
    pub(super) seconds: f64,
    /// The first attempt.
    pub(super) first: UnixSeconds,
    pub(super) attempts: i32,
    /// When the task was admitted.
    pub(super) queued: UnixSeconds,
    /// When it last started to run.
    pub(super) started: UnixSeconds,
}

impl User {
    pub(super) const fn new(arrival: &Arrival, number: u64) -> Self {
        let Arrival { at, role, seconds } = *arrival;
        Self { number, role, seconds, first: at, attempts: 0, queued: at, started: at }
    }

    /// When the next attempt is, after one that was refused at `now`; `None` where the user gives up.
    pub(super) fn retry_at(&mut self, now: UnixSeconds, rng: &mut Rng) -> Option<UnixSeconds> {
        let pause = (FIRST_RETRY_SECONDS * 2_f64.powi(self.attempts)).min(LONGEST_RETRY_SECONDS);
        self.attempts += 1;
        let at = now + pause * (0.8 + 0.4 * rng.f64());
        (at - self.first <= PATIENCE_SECONDS).then_some(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_tries_again_ever_later_and_gives_up_after_ten_minutes() {
        let mut user = User::new(&Arrival { at: 0.0, role: Role::Paid, seconds: 1.0 }, 1);
        let (mut rng, mut now, mut pauses) = (Rng::with_seed(1), 0.0, Vec::new());
        while let Some(next) = user.retry_at(now, &mut rng) {
            pauses.push(next - now);
            now = next;
        }
        for (pause, expected) in pauses.iter().zip([10.0, 20.0, 40.0, 60.0, 60.0, 60.0]) {
            assert!((pause / expected - 1.0).abs() <= 0.2, "{pause} {expected}");
        }
        assert!((9..=14).contains(&pauses.len()) && now <= 600.0, "{} attempts in {now} s", pauses.len());
    }
}
