//! How fast tasks come and go, as this server measures it: by those that ended in the last minute.

use std::collections::VecDeque;

use crate::base::clock::UnixSeconds;
use crate::platform::facts::Point;

const MINUTE: f64 = 60.0;
/// The mean execution time is over this window.
const EXEC_SECONDS: f64 = 900.0;

#[derive(Debug, Default)]
pub(super) struct Flow {
    /// Times with the tasks that wait or run.
    inside: VecDeque<(UnixSeconds, u32)>,
    executions: VecDeque<Point>,
    sum_ms: f64,
}

/// What is known at one time.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Rates {
    /// Tasks that ended in a second, mean of the last minute.
    pub(super) throughput: f64,
    /// Tasks that arrived in a second, by those that ended and by how many more wait or run.
    pub(super) arrivals: f64,
    /// `None` where no task ended in the window.
    pub(super) mean_exec_seconds: Option<f64>,
}

impl Flow {
    /// Adds a tick: the tasks that wait or run, and the executions that ended.
    pub(super) fn add(&mut self, now: UnixSeconds, inside: u32, executions: &[Point]) {
        self.inside.push_back((now, inside));
        while self.inside.get(1).is_some_and(|(at, _)| *at <= now - MINUTE) {
            self.inside.pop_front();
        }
        self.executions.extend(executions);
        self.sum_ms += executions.iter().map(|point| point.value).sum::<f64>();
        while let Some(old) = self.executions.pop_front_if(|point| point.at < now - EXEC_SECONDS) {
            self.sum_ms -= old.value;
        }
        if self.executions.is_empty() {
            self.sum_ms = 0.0;
        }
    }

    pub(super) fn rates(&self, now: UnixSeconds) -> Rates {
        let first = self.executions.partition_point(|point| point.at < now - MINUTE);
        let ended = as_float(self.executions.len() - first);
        let inside = |entry: Option<&(UnixSeconds, u32)>| entry.map_or(0.0, |(_, count)| f64::from(*count));
        let growth = inside(self.inside.back()) - inside(self.inside.front());
        let count = as_float(self.executions.len());
        Rates {
            throughput: ended / MINUTE,
            arrivals: ((ended + growth) / MINUTE).max(0.0),
            mean_exec_seconds: (count > 0.0).then(|| self.sum_ms / count / 1000.0),
        }
    }
}

fn as_float(count: usize) -> f64 {
    crate::base::number::float(crate::base::number::count(count))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(times: &[f64]) -> Vec<Point> {
        times.iter().map(|at| Point { at: *at, value: 20_000.0 }).collect()
    }

    #[test]
    fn rates_are_of_the_last_minute() {
        let mut flow = Flow::default();
        assert_eq!(flow.rates(0.0), Rates::default());
        for tick in 0..24 {
            let now = 5.0 * f64::from(tick);
            flow.add(now, 10 + tick, &ended(&[now]));
        }
        // In the minute before 115 ended those of 55 to 115; 12 more wait or run.
        let rates = flow.rates(115.0);
        assert_eq!(rates, Rates { throughput: 13.0 / 60.0, arrivals: 25.0 / 60.0, mean_exec_seconds: Some(20.0) });
    }

    #[test]
    fn the_mean_execution_forgets_what_is_old() {
        let mut flow = Flow::default();
        flow.add(0.0, 0, &[Point { at: 0.0, value: 90_000.0 }]);
        flow.add(100.0, 0, &ended(&[100.0]));
        assert_eq!(flow.rates(100.0).mean_exec_seconds, Some(55.0));
        flow.add(950.0, 0, &[]);
        assert_eq!(flow.rates(950.0).mean_exec_seconds, Some(20.0));
        flow.add(1001.0, 0, &[]);
        assert_eq!(flow.rates(1001.0), Rates::default());
    }
}
