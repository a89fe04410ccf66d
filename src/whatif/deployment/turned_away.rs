//! Users whom backpressure turned away within the last minute, as the throttling events tell them apart by session.

use std::collections::{HashMap, VecDeque};

use crate::base::clock::UnixSeconds;

const WINDOW_SECONDS: f64 = 60.0;

#[derive(Debug, Default)]
pub(super) struct TurnedAway {
    events: VecDeque<(UnixSeconds, u64)>,
    /// Events of each user.
    users: HashMap<u64, u32>,
}

impl TurnedAway {
    pub(super) fn add(&mut self, at: UnixSeconds, user: u64) {
        self.events.push_back((at, user));
        *self.users.entry(user).or_default() += 1;
    }

    pub(super) fn count(&mut self, now: UnixSeconds) -> u32 {
        while let Some((_, user)) = self.events.pop_front_if(|(at, _)| *at < now - WINDOW_SECONDS) {
            if let Some(events) = self.users.get_mut(&user) {
                *events -= 1;
            }
            if self.users.get(&user) == Some(&0) {
                self.users.remove(&user);
            }
        }
        u32::try_from(self.users.len()).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_counts_once_until_a_minute_after_the_last_refusal() {
        let mut turned_away = TurnedAway::default();
        [(0.0, 1), (10.0, 2), (30.0, 1)].into_iter().for_each(|(at, user)| turned_away.add(at, user));
        assert_eq!([30.0, 70.0, 71.0, 90.0, 91.0].map(|now| turned_away.count(now)), [2, 2, 1, 1, 0]);
    }
}
