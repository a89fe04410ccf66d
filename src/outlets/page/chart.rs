//! One chart as SVG: lines with gaps, thresholds, marks. The scale's labels are HTML, so that they keep their size.

use std::fmt::Write;

use maud::{Markup, html};

use super::history::{History, Segment};
use crate::base::number::float;
use crate::catalog::Unit;
use crate::outlets::human;

/// The drawing's own coordinates.
const WIDTH: f64 = 1000.0;
const HEIGHT: f64 = 100.0;
/// A threshold that is farther above the data than this would flatten it: it is named, and not drawn.
const FAR: f64 = 4.0;

/// What a chart shows.
#[derive(Debug)]
pub(super) struct Chart {
    pub(super) title: &'static str,
    pub(super) unit: Unit,
    pub(super) lines: Vec<Line>,
    /// Whether values hold until the next one, as replicas do.
    pub(super) steps: bool,
}

/// One line.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) label: String,
    /// Where it is explained.
    pub(super) link: Option<String>,
    pub(super) segments: Vec<Segment>,
    pub(super) is_threshold: bool,
}

impl Line {
    /// The newest value, where the line reaches up to now.
    fn newest(&self, to: f64) -> Option<f64> {
        self.segments.last()?.last().filter(|(at, _)| *at >= to).map(|(_, value)| *value)
    }

    fn greatest(&self) -> f64 {
        self.segments.iter().flatten().map(|(_, value)| *value).fold(0.0, f64::max)
    }
}

impl Chart {
    /// The chart with its title, legend and scale.
    pub(super) fn figure(&self, history: &History<'_>) -> Markup {
        let top = self.top();
        html! {
            figure.chart data-top=(top) data-from=(history.from) data-to=(history.to) data-unit=(self.unit.word()) {
                figcaption {
                    b { (self.title) }
                    @for (place, line) in self.lines.iter().enumerate() { (self.legend(line, place, top, history)) }
                }
                div.plot {
                    (self.drawing(history, top))
                    span.top { (human::value(top, self.unit)) }
                    span.zero { "0" }
                    @if self.lines.iter().all(|line| line.segments.is_empty()) { span.empty { "no value in this time" } }
                }
                div.axis aria-hidden="true" { @for at in history.axis() { span { (short_time(at)) } } }
            }
        }
    }

    fn legend(&self, line: &Line, place: usize, top: f64, history: &History<'_>) -> Markup {
        let value = line.newest(history.to).map_or_else(|| "–".to_owned(), |value| human::value(value, self.unit));
        let beyond = if line.is_threshold && line.greatest() > top { " ↑" } else { "" };
        html! {
            span.key {
                i.{ "c" (place % 8) } .t[line.is_threshold] {}
                @match &line.link { Some(link) => a href=(link) { (line.label) }, None => (line.label) }
                " " b.v { (value) (beyond) }
            }
        }
    }

    /// The top of the scale: a round number that the data reaches, and a threshold that is near.
    fn top(&self) -> f64 {
        let of =
            |threshold: bool| self.lines.iter().filter(move |line| line.is_threshold == threshold).map(Line::greatest);
        let data = of(false).fold(0.0, f64::max);
        let near = of(true).filter(|threshold| data > 0.0 && *threshold <= data * FAR).fold(data, f64::max);
        round_up(if near > 0.0 { near } else { of(true).fold(0.0, f64::max) })
    }

    fn drawing(&self, history: &History<'_>, top: f64) -> Markup {
        let label = format!("{}, last {} minutes", self.title, history.minutes());
        html! {
            svg viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } preserveAspectRatio="none" role="img" aria-label=(label) {
                path.grid d="M0 50H1000M250 0V100M500 0V100M750 0V100" {}
                @for mark in history.marks() {
                    path.mark d=(format!("M{:.1} 0V100", history.place(mark.at) * WIDTH)) {
                        title { (human::time_of_day(mark.at)) " UTC " (mark.kind.as_str()) " " (mark.detail) }
                    }
                }
                @for (place, line) in self.lines.iter().enumerate().filter(|(_, line)| line.greatest() <= top) {
                    path.{ "c" (place % 8) } .t[line.is_threshold] data-label=(line.label) d=(self.path(line, history, top)) {}
                }
            }
        }
    }

    fn path(&self, line: &Line, history: &History<'_>, top: f64) -> String {
        let mut path = String::new();
        for segment in &line.segments {
            let mut before = None;
            for (at, value) in segment {
                let (x, y) = (history.place(*at) * WIDTH, HEIGHT - value / top * HEIGHT);
                // Writing to a String cannot fail.
                let _ = match before {
                    None => write!(path, "M{x:.1} {y:.1}"),
                    Some(level) if level == y => Ok(()),
                    Some(_) if self.steps => write!(path, "H{x:.1}V{y:.1}"),
                    Some(_) => write!(path, "L{x:.1} {y:.1}"),
                };
                // Of a level stretch only its ends are written.
                before = Some(y);
            }
            end(segment, history, &mut path);
        }
        path
    }
}

/// Draws a level stretch up to its end; a lone point becomes a dot.
fn end(segment: &Segment, history: &History<'_>, path: &mut String) {
    let Some((at, _)) = segment.last() else { return };
    let _ = if segment.len() == 1 { write!(path, "h0.1") } else { write!(path, "H{:.1}", history.place(*at) * WIDTH) };
}

/// The least of 1, 2, 5 × 10ⁿ that is not below.
fn round_up(value: f64) -> f64 {
    if value <= 0.0 || !value.is_finite() {
        return 1.0;
    }
    let power = 10_f64.powf(value.log10().floor());
    let steps = [1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0];
    steps.into_iter().map(|step| step * power).find(|top| *top >= value * 0.999_999).unwrap_or(power * 10.0)
}

fn short_time(at: f64) -> String {
    human::time_of_day(at).rsplit_once(':').map(|(minutes, _)| minutes.to_owned()).unwrap_or_default()
}

/// A bar of a value against a whole, with the places where something happens.
pub(super) fn bullet(value: f64, whole: f64, places: &[(f64, String)]) -> Markup {
    let end = places.iter().map(|(place, _)| *place).fold(whole.max(value), f64::max).max(1e-9);
    let share = |value: f64| format!("{:.1}", (value / end * 100.0).clamp(0.0, 100.0));
    let over = places.iter().filter(|(place, _)| value >= *place).count();
    let level = float(crate::base::number::count(over)) > 0.0;
    html! {
        svg.bullet viewBox="0 0 100 10" preserveAspectRatio="none" role="img" aria-label=(format!("{} of {}", human::digits(value), human::digits(whole))) {
            rect.all width=(share(whole)) height="10" {}
            rect.part .over[level] y="2.5" width=(share(value)) height="5" {}
            @for (place, label) in places {
                path.place d=(format!("M{} 0V10", share(*place))) { title { (label) " " (human::digits(*place)) } }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scale_ends_at_a_round_number_that_is_not_below_the_data() {
        for (value, top) in
            [(0.0, 1.0), (0.8, 0.8), (1.0, 1.0), (1.01, 1.5), (42.0, 50.0), (99.0, 100.0), (438.0, 500.0), (1e-9, 1e-9)]
        {
            let found = round_up(value);
            assert!((found - top).abs() <= top * 1e-9, "{value}: {found}");
        }
    }

    fn line(values: &[(f64, f64)], is_threshold: bool) -> Line {
        Line { label: "a".to_owned(), link: None, segments: vec![values.to_vec()], is_threshold }
    }

    #[test]
    fn a_threshold_that_is_near_is_on_the_scale_and_one_that_is_far_is_not() {
        for (threshold, top) in [(30.0, 30.0), (40.0, 40.0), (41.0, 10.0)] {
            let lines = vec![line(&[(0.0, 10.0)], false), line(&[(0.0, threshold)], true)];
            let chart = Chart { title: "t", unit: Unit::Count, lines, steps: false };
            assert_eq!(chart.top(), top, "{threshold}");
        }
    }

    fn path(values: &[(f64, f64)], steps: bool) -> String {
        let mut history = History::of(&[], &[], std::time::Duration::from_secs(1));
        (history.from, history.to) = (0.0, 100.0);
        let chart = Chart { title: "t", unit: Unit::Count, lines: Vec::new(), steps };
        chart.path(&line(values, false), &history, 10.0)
    }

    #[test]
    fn a_line_begins_bends_and_ends_where_its_values_are() {
        assert_eq!(path(&[(0.0, 10.0), (50.0, 5.0), (100.0, 0.0)], false), "M0.0 0.0L500.0 50.0L1000.0 100.0H1000.0");
        assert_eq!(path(&[(0.0, 10.0), (50.0, 5.0)], true), "M0.0 0.0H500.0V50.0H500.0");
        assert_eq!(path(&[(50.0, 5.0)], false), "M500.0 50.0h0.1", "a dot");
    }
}
