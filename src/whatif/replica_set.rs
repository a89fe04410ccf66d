//! The replicas of one service: they start, take work, drain and stop; each counts from its start to its stop.

use crate::base::clock::UnixSeconds;

/// A replica's number; never used again.
pub(super) type ReplicaId = usize;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Starting,
    Ready,
    /// Takes no new work and finishes what it has.
    Draining,
    Stopped,
}

#[derive(Debug)]
pub(super) struct ReplicaSet {
    /// By number; stopped ones stay.
    phases: Vec<Phase>,
    /// Numbers of those that are to run (starting or ready), oldest first.
    kept: Vec<ReplicaId>,
    draining: u32,
    /// Replica-seconds until `counted_at`.
    seconds: f64,
    counted_at: UnixSeconds,
}

/// What a change of the wanted count does.
#[derive(Debug, PartialEq, Eq, Default)]
pub(super) struct Scaled {
    pub(super) started: Vec<ReplicaId>,
    /// They were ready, and drain.
    pub(super) drained: Vec<ReplicaId>,
}

impl ReplicaSet {
    /// `count` replicas that are ready.
    pub(super) fn new(count: u32, now: UnixSeconds) -> Self {
        let phases = vec![Phase::Ready; count as usize];
        Self { kept: (0..phases.len()).collect(), phases, draining: 0, seconds: 0.0, counted_at: now }
    }

    pub(super) fn phase(&self, id: ReplicaId) -> Phase {
        self.phases.get(id).copied().unwrap_or(Phase::Stopped)
    }

    /// Replicas that are to run.
    pub(super) fn wanted(&self) -> u32 {
        count(self.kept.len())
    }

    pub(super) fn ready(&self) -> u32 {
        count(self.kept.iter().filter(|id| self.phase(**id) == Phase::Ready).count())
    }

    pub(super) const fn draining(&self) -> u32 {
        self.draining
    }

    /// Hours that replicas ran until now, starting and draining ones included.
    pub(super) fn hours(&self, now: UnixSeconds) -> f64 {
        (self.seconds + f64::from(self.wanted() + self.draining) * (now - self.counted_at)) / 3600.0
    }

    /// Starts or drains replicas until `wanted` are to run. Those that are still starting go first, then the youngest.
    pub(super) fn scale(&mut self, wanted: u32, now: UnixSeconds) -> Scaled {
        self.count(now);
        let mut scaled = Scaled::default();
        while self.wanted() < wanted {
            scaled.started.push(self.start());
        }
        while self.wanted() > wanted {
            let Some(id) = self.remove_youngest() else { break };
            match self.phase(id) {
                Phase::Ready => {
                    self.set(id, Phase::Draining);
                    self.draining += 1;
                    scaled.drained.push(id);
                }
                _ => self.set(id, Phase::Stopped),
            }
        }
        scaled
    }

    /// A replica that started is up. `false` if it was stopped meanwhile.
    pub(super) fn up(&mut self, id: ReplicaId) -> bool {
        let is_starting = self.phase(id) == Phase::Starting;
        if is_starting {
            self.set(id, Phase::Ready);
        }
        is_starting
    }

    /// A draining replica has stopped.
    pub(super) fn stop(&mut self, id: ReplicaId, now: UnixSeconds) {
        if self.phase(id) == Phase::Draining {
            self.count(now);
            self.draining -= 1;
            self.set(id, Phase::Stopped);
        }
    }

    /// Kills a ready replica at once, and starts another in its place.
    pub(super) fn replace(&mut self, id: ReplicaId, now: UnixSeconds) -> ReplicaId {
        self.count(now);
        self.kept.retain(|kept| *kept != id);
        self.set(id, Phase::Stopped);
        self.start()
    }

    /// The ready ones, oldest first.
    pub(super) fn ready_ids(&self) -> Vec<ReplicaId> {
        self.kept.iter().copied().filter(|id| self.phase(*id) == Phase::Ready).collect()
    }

    fn start(&mut self) -> ReplicaId {
        let id = self.phases.len();
        self.phases.push(Phase::Starting);
        self.kept.push(id);
        id
    }

    fn remove_youngest(&mut self) -> Option<ReplicaId> {
        let starting = self.kept.iter().rposition(|id| self.phase(*id) == Phase::Starting);
        let at = starting.or_else(|| self.kept.len().checked_sub(1))?;
        Some(self.kept.remove(at))
    }

    fn set(&mut self, id: ReplicaId, phase: Phase) {
        if let Some(known) = self.phases.get_mut(id) {
            *known = phase;
        }
    }

    fn count(&mut self, now: UnixSeconds) {
        self.seconds = self.hours(now) * 3600.0;
        self.counted_at = now;
    }
}

fn count(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replica_starts_comes_up_drains_and_stops() {
        let mut set = ReplicaSet::new(1, 0.0);
        assert_eq!(set.scale(2, 0.0), Scaled { started: vec![1], drained: vec![] });
        assert_eq!((set.wanted(), set.ready()), (2, 1));
        assert!(set.up(1) && !set.up(1));
        assert_eq!(set.ready(), 2);
        assert_eq!(set.scale(1, 10.0), Scaled { started: vec![], drained: vec![1] });
        assert_eq!((set.wanted(), set.ready(), set.draining()), (1, 1, 1));
        set.stop(1, 20.0);
        set.stop(1, 20.0);
        assert_eq!((set.draining(), set.phase(1)), (0, Phase::Stopped));
    }

    #[test]
    fn those_that_still_start_are_stopped_first_and_then_the_youngest() {
        let mut set = ReplicaSet::new(2, 0.0);
        set.scale(4, 0.0);
        set.up(2);
        assert_eq!(set.scale(2, 0.0), Scaled { started: vec![], drained: vec![2] });
        assert!(!set.up(3), "it was stopped before it was up");
    }

    #[test]
    fn hours_are_counted_from_start_to_stop() {
        let mut set = ReplicaSet::new(1, 0.0);
        set.scale(3, 3600.0);
        assert_eq!(set.hours(3600.0), 1.0);
        set.up(1);
        set.up(2);
        set.scale(1, 7200.0);
        assert_eq!(set.hours(7200.0), 4.0, "one for two hours, two for one");
        set.stop(2, 10_800.0);
        assert_eq!(set.hours(10_800.0), 7.0, "two drained for an hour");
        assert_eq!(set.hours(14_400.0), 9.0);
    }

    #[test]
    fn one_that_is_killed_is_replaced() {
        let mut set = ReplicaSet::new(3, 0.0);
        assert_eq!(set.replace(0, 5.0), 3);
        assert_eq!((set.wanted(), set.ready(), set.ready_ids()), (3, 2, vec![1, 2]));
    }
}
