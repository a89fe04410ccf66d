//! Which time a tick is of: that of the source's clock, so that ages, windows and trimming do not depend on this machine's.
//!
//! Also notices a clock that differs from the source's or jumps. Durations come from this machine's timer, which does not jump.

use tokio::time::Instant;

use crate::base::clock::UnixSeconds;
use crate::problems::code::code;
use crate::problems::{Problem, ProblemCode};
use crate::sources::ServerClock;

/// Seconds by which two clocks may differ, and by which one may be off what the timer measured.
const TOLERANCE: f64 = 2.0;
/// Seconds for which a jump stays reported.
const REPORTED_SECONDS: f64 = 900.0;

const CLOCK_SKEW_SERVER: ProblemCode = code("clock_skew_server");
const CLOCK_JUMP: ProblemCode = code("clock_jump");

/// What earlier ticks read from the clocks.
#[derive(Debug, Default)]
pub(super) struct TickClock {
    /// Whether the clocks are compared; not where the caller fixed the time of the tick.
    follows_source: bool,
    /// The time of the last tick.
    tick: Option<Shown>,
    /// This machine's clock at the last tick.
    local: Option<Shown>,
    /// This machine's clock minus the source's, and by how much that may be off.
    offset: Option<(f64, f64)>,
    jump: Option<Jump>,
}

/// What a clock showed, and when.
#[derive(Debug, Clone, Copy)]
struct Shown {
    time: UnixSeconds,
    at: Instant,
}

impl Shown {
    /// What it should show at another moment.
    fn at(self, moment: Instant) -> UnixSeconds {
        let later = moment.saturating_duration_since(self.at).as_secs_f64();
        self.time + later - self.at.saturating_duration_since(moment).as_secs_f64()
    }
}

#[derive(Debug, Clone, Copy)]
struct Jump {
    whose: &'static str,
    seconds: f64,
    noticed: Instant,
}

/// The time of one tick.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct TickTime {
    pub(super) now: UnixSeconds,
    /// The clock that `now` is of jumped since the last tick.
    pub(super) jumped: bool,
}

impl TickClock {
    /// Compares the clocks from now on.
    pub(super) const fn follow_source(&mut self) {
        self.follows_source = true;
    }

    /// The time to read the source by, before its clock is read again.
    pub(super) fn expected(&self, local: UnixSeconds, source: Option<ServerClock>) -> UnixSeconds {
        source.filter(|_| self.follows_source).map_or(local, |clock| clock.now())
    }

    /// The time of a tick that `began` when this machine's clock showed `local`, and in which the source's clock was read.
    pub(super) fn settle(&mut self, local: UnixSeconds, began: Instant, source: Option<ServerClock>) -> TickTime {
        if !self.follows_source {
            return TickTime { now: local, jumped: false };
        }
        let local = Shown { time: local, at: began };
        let read = source.map(|clock| (Shown { time: clock.at, at: clock.read }, clock.uncertainty));
        self.offset = read.map(|(shown, uncertainty)| (local.at(shown.at) - shown.time, uncertainty));
        let (tick, uncertainty) = read.unwrap_or((local, 0.0));
        self.notice("this server's clock", self.local, local, 0.0);
        let jumped = self.notice("Redis' clock", self.tick.filter(|_| read.is_some()), tick, uncertainty)
            || (read.is_none() && self.jump.is_some_and(|jump| jump.noticed == local.at));
        (self.tick, self.local) = (Some(tick), Some(local));
        TickTime { now: tick.time, jumped }
    }

    /// Whether a clock jumped between the two moments.
    fn notice(&mut self, whose: &'static str, before: Option<Shown>, now: Shown, uncertainty: f64) -> bool {
        let Some(before) = before else { return false };
        let seconds = now.time - before.at(now.at);
        let jumped = seconds.abs() > TOLERANCE + uncertainty;
        if jumped {
            self.jump = Some(Jump { whose, seconds, noticed: now.at });
        }
        jumped
    }

    /// This machine's clock minus the source's, seconds.
    pub(super) fn offset(&self) -> Option<f64> {
        self.offset.map(|(offset, _)| offset)
    }

    pub(super) fn problems(&self) -> Vec<Problem> {
        let skew = self.offset.filter(|(offset, uncertainty)| offset.abs() > TOLERANCE + uncertainty);
        let skew = skew.map(|(offset, _)| Problem::new(CLOCK_SKEW_SERVER, "", skew_detail(offset)));
        let jump = self.jump.filter(|jump| jump.noticed.elapsed().as_secs_f64() <= REPORTED_SECONDS);
        let jump = jump.map(|Jump { whose, seconds, .. }| {
            Problem::new(CLOCK_JUMP, "", format!("{whose} jumped by {seconds:+.1} s"))
        });
        skew.into_iter().chain(jump).collect()
    }
}

fn skew_detail(offset: f64) -> String {
    let direction = if offset > 0.0 { "ahead of" } else { "behind" };
    format!("this server's clock is {:.1} s {direction} Redis' clock; ages go by Redis'", offset.abs())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const NOW: f64 = 1_767_225_600.0;

    fn following() -> TickClock {
        let mut clock = TickClock::default();
        clock.follow_source();
        clock
    }

    /// A tick at this second of the timer.
    fn tick(clock: &mut TickClock, start: Instant, second: u64, local: f64, source: Option<f64>) -> TickTime {
        let began = start + Duration::from_secs(second);
        let read = began + Duration::from_millis(100);
        let source = source.map(|at| ServerClock { at: at + 0.1, read, uncertainty: 0.05 });
        clock.settle(local, began, source)
    }

    fn codes(clock: &TickClock) -> Vec<String> {
        clock.problems().iter().map(|problem| format!("{}: {}", problem.code.as_str(), problem.detail)).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn a_tick_goes_by_the_sources_clock_and_a_difference_is_reported() {
        for (local, expected) in [
            (90.0, vec!["clock_skew_server: this server's clock is 90.0 s ahead of Redis' clock; ages go by Redis'"]),
            (-90.0, vec!["clock_skew_server: this server's clock is 90.0 s behind Redis' clock; ages go by Redis'"]),
            (2.0, vec![]),
        ] {
            let mut clock = following();
            let time = tick(&mut clock, Instant::now(), 0, NOW + local, Some(NOW));
            assert_eq!(time, TickTime { now: NOW + 0.1, jumped: false });
            assert!((clock.offset().unwrap() - local).abs() < 1e-6);
            assert_eq!(codes(&clock), expected);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_jump_of_this_machines_clock_is_reported_and_moves_no_tick() {
        let (mut clock, start) = (following(), Instant::now());
        tick(&mut clock, start, 0, NOW, Some(NOW));
        let time = tick(&mut clock, start, 5, NOW + 4005.0, Some(NOW + 5.0));
        assert_eq!(time, TickTime { now: NOW + 5.1, jumped: false });
        assert!(codes(&clock).contains(&"clock_jump: this server's clock jumped by +4000.0 s".to_owned()));
        assert!(tick(&mut clock, start, 10, NOW + 10.0, Some(NOW + 10.0)).now < NOW + 11.0);
        assert_eq!(codes(&clock), ["clock_jump: this server's clock jumped by -4000.0 s"]);
        tokio::time::advance(Duration::from_secs(911)).await;
        assert!(codes(&clock).is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_jump_of_the_clock_that_ticks_go_by_marks_its_tick_alone() {
        for of_source in [true, false] {
            let (mut clock, start) = (following(), Instant::now());
            let mut jumps = |second: u64, jump: f64| {
                let time = NOW + second as f64;
                let source = of_source.then_some(time + jump);
                tick(&mut clock, start, second, if of_source { time } else { time + jump }, source).jumped
            };
            let jumped = [(0, 0.0), (5, 0.0), (10, -60.0), (15, -60.0), (20, 0.0)].map(|(at, by)| jumps(at, by));
            assert_eq!(jumped, [false, false, true, false, true], "{of_source}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_fixed_time_is_not_compared() {
        let mut clock = TickClock::default();
        let time = tick(&mut clock, Instant::now(), 0, NOW, Some(NOW + 500.0));
        assert_eq!((time.now, clock.offset(), codes(&clock).len()), (NOW, None, 0));
        let source = Some(ServerClock { at: NOW + 9.0, read: Instant::now(), uncertainty: 0.0 });
        assert_eq!((clock.expected(NOW, source), following().expected(NOW, source)), (NOW, NOW + 9.0));
    }
}
