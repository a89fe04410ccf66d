//! The last readable value of each part of a sum, which stands in for a short while when the part cannot be read.

use std::collections::BTreeMap;

use crate::base::clock::UnixSeconds;
use crate::base::ordered::set_all;
use crate::platform::facts::{Facts, PerRole, QueueDepth, Role, WorkerId};

/// Seconds that a last good value holds: as long as a heartbeat by the platform's default.
const HOLD_SECONDS: f64 = 45.0;

/// When each part was last readable, and a queue's value then; SSE samples themselves are kept by the history.
#[derive(Debug, Default)]
pub(super) struct LastGood {
    queues: PerRole<Option<(UnixSeconds, QueueDepth)>>,
    sse: BTreeMap<WorkerId, UnixSeconds>,
}

impl LastGood {
    pub(super) fn absorb(&mut self, facts: &Facts, now: UnixSeconds) {
        for role in Role::ALL {
            if let Some(depth) = *facts.queues.get(role) {
                *self.queues.get_mut(role) = Some((now, depth));
            }
        }
        self.sse.retain(|_, read| holds(*read, now));
        set_all(&mut self.sse, facts.sse.iter().map(|sample| (&sample.worker, now)));
    }

    pub(super) fn queue(&self, role: Role, now: UnixSeconds) -> Option<QueueDepth> {
        let (read, depth) = (*self.queues.get(role))?;
        holds(read, now).then_some(depth)
    }

    pub(super) fn sse(&self, now: UnixSeconds) -> impl Iterator<Item = &WorkerId> {
        self.sse.iter().filter(move |(_, read)| holds(**read, now)).map(|(worker, _)| worker)
    }
}

fn holds(read: UnixSeconds, now: UnixSeconds) -> bool {
    (0.0..=HOLD_SECONDS).contains(&(now - read))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_last_good_value_holds_for_45_seconds() {
        let depth = QueueDepth { ready: 3, inflight: 0, continuations: 0 };
        let mut facts = Facts::default();
        *facts.queues.get_mut(Role::Paid) = Some(depth);
        let mut last_good = LastGood::default();
        last_good.absorb(&facts, 1000.0);
        last_good.absorb(&Facts::default(), 1010.0);
        for (now, expected) in [(1010.0, Some(depth)), (1045.0, Some(depth)), (1045.1, None), (999.0, None)] {
            assert_eq!(last_good.queue(Role::Paid, now), expected, "{now}");
            assert_eq!(last_good.queue(Role::Registered, now), None);
        }
    }
}
