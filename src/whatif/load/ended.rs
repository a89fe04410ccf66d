//! Arrivals from a recording: each task that ended in it, and when it must have arrived.
//!
//! When a task ends, its worker writes how long it ran and how long it had waited, in two series of one time. So it arrived that
//! long before. What a recording does not tell is left out: users who were turned away and did not come back, and tasks that
//! had not ended. Nor does it tell a task's role.

use std::iter::Peekable;

use super::Arrival;
use crate::platform::facts::{LatencySeries, Point, Role};
use crate::record::{RecordedTick, RecordingError};

/// The two samples of a task are written one after the other: at most this many seconds apart.
const TOGETHER_SECONDS: f64 = 1.0;

/// A millisecond, seconds.
const MS: f64 = 0.001;

pub(super) fn arrivals(
    ticks: impl Iterator<Item = Result<RecordedTick, RecordingError>>,
) -> Result<Vec<Arrival>, RecordingError> {
    let (mut runs, mut waits) = (Vec::new(), Vec::new());
    for tick in ticks {
        let mut latency = tick?.facts.latency;
        runs.extend(latency.remove(&LatencySeries::TaskExec).unwrap_or_default());
        waits.extend(latency.remove(&LatencySeries::QueueWait).unwrap_or_default());
    }
    Ok(of_points(possible(runs), possible(waits)))
}

/// Ordered by time, without what no worker measures.
fn possible(mut points: Vec<Point>) -> Vec<Point> {
    points.retain(|point| point.at.is_finite() && point.value.is_finite() && point.value >= 0.0);
    points.sort_by(|a, b| a.at.total_cmp(&b.at));
    points
}

fn of_points(runs: Vec<Point>, waits: Vec<Point>) -> Vec<Arrival> {
    let mut waits = waits.into_iter().peekable();
    let arrival = |run: Point| {
        let seconds = run.value * MS;
        let waited = waited(&mut waits, run.at).unwrap_or(0.0);
        Arrival { at: run.at - seconds - waited, role: Role::Registered, seconds }
    };
    runs.into_iter().map(arrival).collect()
}

/// How long the task that ended then had waited, seconds: the next wait of about that time.
fn waited(waits: &mut Peekable<impl Iterator<Item = Point>>, ended: f64) -> Option<f64> {
    while waits.next_if(|wait| wait.at < ended - TOGETHER_SECONDS).is_some() {}
    waits.next_if(|wait| wait.at <= ended + TOGETHER_SECONDS).map(|wait| wait.value * MS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(pairs: &[(f64, f64)]) -> Vec<Point> {
        possible(pairs.iter().copied().map(Point::from).collect())
    }

    fn found(runs: &[(f64, f64)], waits: &[(f64, f64)]) -> Vec<(f64, f64)> {
        of_points(points(runs), points(waits)).iter().map(|arrival| (arrival.at, arrival.seconds)).collect()
    }

    #[test]
    fn a_task_arrived_as_long_before_its_end_as_it_waited_and_ran() {
        assert_eq!(found(&[(100.0, 8_000.0)], &[(100.0, 2_000.0)]), [(90.0, 8.0)]);
        assert_eq!(found(&[(100.0, 8_000.0)], &[(100.4, 2_000.0)]), [(90.0, 8.0)], "written one after the other");
    }

    #[test]
    fn a_wait_belongs_to_one_task_of_its_time() {
        for (waits, expected, why) in [
            (&[][..], [(95.0, 5.0), (197.0, 3.0)], "no wait is known"),
            (&[(100.0, 1_000.0), (200.0, 7_000.0)], [(94.0, 5.0), (190.0, 3.0)], "one each"),
            (&[(200.0, 7_000.0)], [(95.0, 5.0), (190.0, 3.0)], "the first one's is missing"),
            (&[(50.0, 9_000.0), (100.0, 1_000.0)], [(94.0, 5.0), (197.0, 3.0)], "of a task that is not there"),
        ] {
            assert_eq!(found(&[(100.0, 5_000.0), (200.0, 3_000.0)], waits), expected, "{why}");
        }
    }

    #[test]
    fn what_cannot_be_is_no_arrival() {
        let runs = [(f64::NAN, 1.0), (1.0, f64::INFINITY), (1.0, -1.0)];
        assert!(found(&runs, &[(1.0, 1.0)]).is_empty());
    }
}
