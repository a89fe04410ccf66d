//! The ticks of a chart: one line as segments that end where a value is missing, thinned to what a screen can show.

use std::sync::Arc;
use std::time::Duration;

use crate::base::clock::UnixSeconds;
use crate::base::number::{float, whole};
use crate::engine::recent::{Charted, Mark, ScalarPlace, TickRecord};

/// Columns of a chart: more than that no eye tells apart, and the page stays small.
const COLUMNS: f64 = 200.0;
/// The lengths that a chart may have, seconds.
const SPANS: [f64; 5] = [300.0, 600.0, 900.0, 1800.0, 3600.0];

/// What is kept, with the time that all charts share.
#[derive(Debug)]
pub(super) struct History<'a> {
    ticks: &'a [Arc<TickRecord>],
    marks: &'a [Mark],
    gap: f64,
    pub(super) from: UnixSeconds,
    pub(super) to: UnixSeconds,
}

/// A part of a line without a gap: time and value.
pub(super) type Segment = Vec<(UnixSeconds, f64)>;

/// What a line shows.
#[derive(Debug, Clone, Copy)]
pub(super) enum Shows {
    Scalar(ScalarPlace),
    Charted(Charted),
}

impl Shows {
    /// A scalar; `None` where the catalog has none of that key.
    pub(super) fn scalar(key: &str) -> Option<Self> {
        ScalarPlace::of(key).map(Self::Scalar)
    }

    fn read(self, tick: &TickRecord) -> Option<f64> {
        match self {
            Self::Scalar(place) => tick.at_place(place)?.value(),
            Self::Charted(charted) => tick.charted(charted),
        }
    }
}

impl<'a> History<'a> {
    pub(super) fn of(ticks: &'a [Arc<TickRecord>], marks: &'a [Mark], gap: Duration) -> Self {
        let to = ticks.last().map_or(0.0, |tick| tick.at);
        let covered = ticks.first().map_or(0.0, |tick| to - tick.at);
        let span = SPANS.into_iter().find(|span| *span >= covered).unwrap_or(3600.0);
        Self { ticks, marks, gap: gap.as_secs_f64(), from: to - span, to }
    }

    /// What happened within the time of the charts.
    pub(super) fn marks(&self) -> impl Iterator<Item = &'a Mark> {
        self.marks.iter().filter(|mark| (self.from..=self.to).contains(&mark.at))
    }

    pub(super) fn latest(&self) -> Option<&'a TickRecord> {
        self.ticks.last().map(|tick| &**tick)
    }

    /// The newest ticks first.
    pub(super) fn newest(&self) -> impl Iterator<Item = &'a TickRecord> {
        self.ticks.iter().rev().map(|tick| &**tick)
    }

    /// The length in minutes.
    pub(super) fn minutes(&self) -> i64 {
        whole(((self.to - self.from) / 60.0).round()).unwrap_or_default()
    }

    /// A line, each value multiplied by `scale`. Of several ticks in a column the greatest value is shown; where one of them
    /// has none, the line is interrupted.
    pub(super) fn line(&self, shows: Shows, scale: f64) -> Vec<Segment> {
        let width = (self.to - self.from) / COLUMNS;
        let mut lines = Line::default();
        for tick in self.ticks {
            let column = if width > 0.0 { ((tick.at - self.from) / width).floor() } else { 0.0 };
            lines.add(column, tick.at, shows.read(tick).map(|value| value * scale), self.gap);
        }
        lines.finish()
    }

    /// Where a time is in a chart, from 0 to 1.
    pub(super) fn place(&self, at: UnixSeconds) -> f64 {
        if self.to > self.from { (at - self.from) / (self.to - self.from) } else { 1.0 }
    }

    /// Times for the axis, a quarter of the span apart.
    pub(super) fn axis(&self) -> impl Iterator<Item = UnixSeconds> {
        let (from, span) = (self.from, self.to - self.from);
        (0..5).map(move |quarter| from + span * float(quarter) / 4.0)
    }
}

/// A line while it grows.
#[derive(Debug, Default)]
struct Line {
    done: Vec<Segment>,
    segment: Segment,
    /// The column that is being filled: its number, time and value.
    column: Option<(f64, UnixSeconds, Option<f64>)>,
    last: Option<UnixSeconds>,
}

impl Line {
    fn add(&mut self, column: f64, at: UnixSeconds, value: Option<f64>, gap: f64) {
        let is_gap = self.last.is_some_and(|last| at - last > gap);
        self.last = Some(at);
        match &mut self.column {
            Some((number, time, kept)) if *number == column && !is_gap => {
                *time = at;
                *kept = kept.zip(value).map(|(kept, value)| kept.max(value));
            }
            _ => {
                self.close_column();
                if is_gap {
                    self.close_segment();
                }
                self.column = Some((column, at, value));
            }
        }
    }

    fn close_column(&mut self) {
        match self.column.take() {
            Some((_, at, Some(value))) => self.segment.push((at, value)),
            Some((_, _, None)) => self.close_segment(),
            None => {}
        }
    }

    fn close_segment(&mut self) {
        if !self.segment.is_empty() {
            self.done.push(std::mem::take(&mut self.segment));
        }
    }

    fn finish(mut self) -> Vec<Segment> {
        self.close_column();
        self.close_segment();
        self.done
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn line(points: &[(f64, f64, Option<f64>)]) -> Vec<Segment> {
        let mut line = Line::default();
        points.iter().for_each(|(column, at, value)| line.add(*column, *at, *value, 15.0));
        line.finish()
    }

    #[test]
    fn a_column_shows_its_greatest_value_at_its_last_time() {
        let points = [(0.0, 1.0, Some(3.0)), (0.0, 2.0, Some(5.0)), (0.0, 3.0, Some(4.0)), (1.0, 4.0, Some(1.0))];
        assert_eq!(line(&points), [vec![(3.0, 5.0), (4.0, 1.0)]]);
    }

    #[test]
    fn a_missing_value_and_a_pause_interrupt_the_line_and_nothing_bridges_them() {
        let points = [(0.0, 1.0, Some(3.0)), (1.0, 5.0, None), (2.0, 9.0, Some(4.0)), (9.0, 30.0, Some(5.0))];
        assert_eq!(line(&points), [vec![(1.0, 3.0)], vec![(9.0, 4.0)], vec![(30.0, 5.0)]]);
        let within_a_column = [(0.0, 1.0, Some(3.0)), (0.0, 2.0, None), (0.0, 3.0, Some(4.0)), (1.0, 4.0, Some(1.0))];
        assert_eq!(line(&within_a_column), [vec![(4.0, 1.0)]]);
        assert_eq!(line(&[]), Vec::<Segment>::new());
    }

    proptest! {
        #[test]
        fn every_shown_value_was_a_value_and_no_segment_spans_a_pause(
            steps in proptest::collection::vec((0.1..40.0_f64, proptest::option::of(0.0..9.0_f64)), 0..80),
        ) {
            let mut at = 0.0;
            let points: Vec<_> = steps.iter().map(|(step, value)| { at += step; ((at / 10.0).floor(), at, *value) }).collect();
            for segment in line(&points) {
                for (time, value) in &segment {
                    prop_assert!(points.iter().any(|(_, _, known)| known == &Some(*value)), "{time}");
                }
                let absent = points.iter().filter(|(_, _, value)| value.is_none());
                for (_, missing, _) in absent {
                    prop_assert!(!(segment[0].0 < *missing && *missing < segment[segment.len() - 1].0), "bridged");
                }
            }
        }
    }
}
