//! The clocks of the processes that heartbeat, as far as their heartbeats show them: a process writes its own time, and the
//! tick that first sees it knows between which moments that happened.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::base::clock::UnixSeconds;
use crate::base::ordered::Walk;
use crate::platform::facts::{Facts, Heartbeat};

/// Seconds that a heartbeat's key lives after it was written.
const KEY_SECONDS: f64 = 30.0;
/// Seconds by which a clock may be off.
const TOLERANCE: f64 = 2.0;

/// What the heartbeats of two ticks tell of each other.
#[derive(Debug, Default)]
pub(super) struct WriterClocks {
    /// In order.
    processes: Vec<(Process, Written)>,
    last_tick: Option<UnixSeconds>,
    offsets: BTreeMap<String, WriterOffset>,
}

/// Names a process: instance, process id and service.
type Process = (Arc<str>, Option<i64>, Arc<str>);

/// A process's last heartbeat.
#[derive(Debug, Clone, Copy)]
struct Written {
    at: UnixSeconds,
    /// By this heartbeat alone: written between two ticks where it is observed, otherwise within the life of its key.
    latest: Between,
    /// And by the one before: a write that was delayed once is no clock that is off.
    offset: Between,
    is_observed: bool,
}

/// By how much an instance's clock is off at least, seconds: ahead above 0, behind below.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WriterOffset {
    /// For certain. `None` where only the last heartbeat says that it is off, whose write may have been delayed.
    pub seconds: Option<f64>,
    /// By the last heartbeat alone, where it was seen to arrive and says so.
    pub arrived: Option<f64>,
}

/// Bounds of a writer's clock minus the clock that ticks go by, seconds.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Between {
    least: f64,
    most: f64,
}

impl WriterClocks {
    /// Takes the heartbeats that a tick of `now` saw.
    pub(super) fn absorb(&mut self, facts: &Facts, now: UnixSeconds) {
        let oldest = now - KEY_SECONDS;
        let last_tick = self.last_tick.replace(now).filter(|last| (oldest..=now).contains(last));
        let mut beats: Vec<(Process, UnixSeconds)> = facts.heartbeats.iter().map(beat).collect();
        beats.sort_by(|a, b| a.0.cmp(&b.0));
        let mut before = Walk::new(&self.processes);
        let mut written = |(process, at): (Process, UnixSeconds)| {
            let written = match (before.find(&process), last_tick) {
                (Some(known), _) if known.at.to_bits() == at.to_bits() => *known,
                (Some(known), Some(last_tick)) => Written::observed(at, *known, last_tick, now),
                _ => Written::first(at, oldest, now),
            };
            (process, written)
        };
        let processes: Vec<(Process, Written)> = beats.into_iter().map(&mut written).collect();
        let of_instances = processes.chunk_by(|((one, ..), _), ((other, ..), _)| one == other);
        self.offsets = of_instances.filter_map(offset).collect();
        self.processes = processes;
    }

    /// Instances whose clock is off, or may be.
    pub(super) const fn offsets(&self) -> &BTreeMap<String, WriterOffset> {
        &self.offsets
    }
}

fn beat(beat: &Heartbeat) -> (Process, UnixSeconds) {
    ((beat.instance_id.clone(), beat.process_id, beat.service_name.clone()), beat.last_heartbeat)
}

/// What the processes of one instance show together.
fn offset(processes: &[(Process, Written)]) -> Option<(String, WriterOffset)> {
    let (((instance, ..), first), others) = processes.split_first()?;
    let mut written = *first;
    others.iter().for_each(|(_, other)| written.narrow(*other));
    Some((instance.to_string(), written.found()?))
}

impl Written {
    /// A heartbeat that was written at some time since `oldest`.
    fn first(at: UnixSeconds, oldest: UnixSeconds, now: UnixSeconds) -> Self {
        let offset = Between { least: at - now, most: at - oldest };
        Self { at, latest: offset, offset, is_observed: false }
    }

    /// One that replaced another since the last tick.
    fn observed(at: UnixSeconds, before: Self, last_tick: UnixSeconds, now: UnixSeconds) -> Self {
        let latest = Between { least: at - now, most: at - last_tick };
        let before = before.latest;
        let offset = Between { least: latest.least.min(before.least), most: latest.most.max(before.most) };
        Self { at, latest, offset, is_observed: true }
    }

    /// Adds what another process of the instance, which has the same clock, shows.
    fn narrow(&mut self, other: Self) {
        self.offset.narrow(other.offset);
        self.latest.narrow(other.latest);
        self.is_observed |= other.is_observed;
    }

    fn found(self) -> Option<WriterOffset> {
        let seconds = self.offset.least_offset();
        let arrived = self.latest.least_offset().filter(|_| self.is_observed);
        seconds.or(arrived).map(|_| WriterOffset { seconds, arrived })
    }
}

impl Between {
    const fn narrow(&mut self, other: Self) {
        self.least = self.least.max(other.least);
        self.most = self.most.min(other.most);
    }

    fn least_offset(self) -> Option<f64> {
        if self.least > TOLERANCE { Some(self.least) } else { Some(self.most).filter(|most| *most < -TOLERANCE) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::facts::HealthWord;

    fn beat(instance: &str, pid: i64, at: f64) -> Heartbeat {
        Heartbeat {
            instance_id: instance.into(),
            service_type: "chat".into(),
            service_name: "proc".into(),
            process_id: Some(pid),
            port: None,
            load: 0,
            capacity: 1,
            last_heartbeat: at,
            health: HealthWord::Healthy,
            draining: false,
            processor: None,
            pools: Arc::default(),
        }
    }

    /// A tick's time, and its heartbeats: instance, process and time.
    type TickOf<'a> = (f64, &'a [(&'a str, i64, f64)]);

    /// The offsets after these ticks: for certain, and by what arrived last.
    fn after(ticks: &[TickOf<'_>]) -> Vec<(String, Option<f64>, Option<f64>)> {
        let mut clocks = WriterClocks::default();
        for (now, beats) in ticks {
            let heartbeats = beats.iter().map(|(instance, pid, at)| beat(instance, *pid, *at)).collect();
            clocks.absorb(&Facts { heartbeats, ..Facts::default() }, *now);
        }
        clocks.offsets().iter().map(|(instance, offset)| (instance.clone(), offset.seconds, offset.arrived)).collect()
    }

    #[test]
    fn a_clock_ahead_shows_at_once_and_one_behind_with_the_second_heartbeat_that_arrives() {
        let off = |seconds: Option<f64>, arrived: Option<f64>| vec![("a".to_owned(), seconds, arrived)];
        for (ticks, expected) in [
            (&[(1000.0, &[("a", 1, 1060.0)][..])][..], off(Some(60.0), None)),
            (&[(1000.0, &[("a", 1, 1001.5)])], vec![]),
            // 60 s behind: after one look it could have written it up to 30 s before.
            (&[(1000.0, &[("a", 1, 940.0)])], off(Some(-30.0), None)),
            (&[(1000.0, &[("a", 1, 940.0)]), (1005.0, &[("a", 1, 944.0)])], off(Some(-30.0), Some(-56.0))),
            (&[(1000.0, &[("a", 1, 980.0)])], vec![]),
            // Perhaps only delayed, as the next one shows or does not.
            (&[(1000.0, &[("a", 1, 980.0)]), (1005.0, &[("a", 1, 990.0)])], off(None, Some(-10.0))),
            (
                &[(1000.0, &[("a", 1, 980.0)]), (1005.0, &[("a", 1, 990.0)]), (1010.0, &[("a", 1, 993.0)])],
                off(Some(-10.0), Some(-12.0)),
            ),
            (&[(1000.0, &[("a", 1, 980.0)]), (1005.0, &[("a", 1, 990.0)]), (1010.0, &[("a", 1, 1009.0)])], vec![]),
            // Written late once.
            (
                &[(1000.0, &[("a", 1, 999.0)]), (1005.0, &[("a", 1, 1004.0)]), (1010.0, &[("a", 1, 1000.0)])],
                off(None, Some(-5.0)),
            ),
            // A process that stopped writing is old, not behind.
            (&[(1000.0, &[("a", 1, 995.0)]), (1005.0, &[("a", 1, 995.0)]), (1022.0, &[("a", 1, 995.0)])], vec![]),
            // A new process was perhaps written long before it was seen.
            (&[(1000.0, &[]), (1005.0, &[("a", 1, 980.0)])], vec![]),
        ] {
            assert_eq!(after(ticks), expected, "{ticks:?}");
        }
    }

    #[test]
    fn the_processes_of_an_instance_narrow_it_down_and_a_good_clock_clears_it() {
        let two = after(&[(1000.0, &[("a", 1, 1003.0), ("a", 2, 1008.0), ("b", 1, 999.0)])]);
        assert_eq!(two, [("a".to_owned(), Some(8.0), None)]);
        let corrected = [(1000.0, &[("a", 1, 1060.0)][..]), (1005.0, &[("a", 1, 1004.0)])];
        assert_eq!(after(&corrected), []);
    }
}
