//! Outcomes of one load as a picture: arrivals, replicas and the longest wait over time, a line a policy.

use std::fmt::Write;

use crate::whatif::outcome::{Outcome, TickPoint};

const WIDTH: f64 = 720.0;
/// Left of the axes.
const MARGIN: f64 = 60.0;
const PANEL: f64 = 120.0;
const GAP: f64 = 34.0;
/// Points of a line: more cannot be seen.
const COLUMNS: usize = 240;

/// Distinct also without colour vision, on light and dark ground (Okabe and Ito).
const COLOURS: [&str; 7] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7f7f7f"];

/// A panel: what it shows of a tick, and how ticks of one column become a point.
struct Panel {
    title: &'static str,
    read: fn(&TickPoint) -> f64,
    join: fn(&[f64]) -> f64,
}

const ARRIVALS: Panel = Panel { title: "users a second", read: |tick| f64::from(tick.arrived) / 5.0, join: mean };
const READY: Panel = Panel { title: "replicas that are ready", read: |tick| f64::from(tick.ready), join: greatest };
const OLDEST: Panel = Panel { title: "longest wait, seconds", read: |tick| tick.oldest_wait, join: greatest };

/// The picture of outcomes of one load.
#[must_use]
pub fn svg(outcomes: &[Outcome]) -> String {
    let name = outcomes.first().map_or("", |outcome| &outcome.load);
    let legend_at = 3.0 * (PANEL + GAP) + 34.0;
    let height = legend_at + 18.0 * rows(outcomes.len());
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = write!(
        text,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 14 {WIDTH} {}\" font-family=\"sans-serif\" \
         font-size=\"11\" fill=\"#7f7f7f\">\n<title>{}</title>\n",
        height - 14.0,
        escaped(name)
    );
    panel(&mut text, 0.0, &ARRIVALS, outcomes.get(..1).unwrap_or_default(), &["#7f7f7f"]);
    panel(&mut text, PANEL + GAP, &READY, outcomes, &COLOURS);
    panel(&mut text, 2.0 * (PANEL + GAP), &OLDEST, outcomes, &COLOURS);
    for (index, (outcome, colour)) in outcomes.iter().zip(COLOURS.iter().cycle()).enumerate() {
        let (x, y) = (MARGIN + 330.0 * column(index), legend_at + 18.0 * (rows(index + 1) - 1.0));
        let label = escaped(&outcome.policy);
        let _ = writeln!(
            text,
            "<path d=\"M{x} {y}h18\" stroke=\"{colour}\" stroke-width=\"3\"/><text x=\"{}\" y=\"{}\">{label}</text>",
            x + 24.0,
            y + 4.0
        );
    }
    text.push_str("</svg>\n");
    text
}

fn panel(text: &mut String, top: f64, panel: &Panel, outcomes: &[Outcome], colours: &[&str]) {
    let lines: Vec<Vec<(f64, f64)>> = outcomes.iter().map(|outcome| points(&outcome.ticks, panel)).collect();
    let end = outcomes.iter().filter_map(|outcome| outcome.ticks.last()).map(|tick| tick.at).fold(1.0, f64::max);
    let most = round_up(lines.iter().flatten().map(|(_, value)| *value).fold(0.0, f64::max));
    let (left, right, bottom) = (MARGIN, WIDTH - 10.0, top + GAP + PANEL - 10.0);
    let height = PANEL - 10.0;
    let _ = writeln!(text, "<text x=\"{left}\" y=\"{}\" font-weight=\"bold\">{}</text>", top + GAP - 8.0, panel.title);
    for share in [0.0, 0.5, 1.0] {
        let y = bottom - share * height;
        let _ = writeln!(
            text,
            "<path d=\"M{left} {y}H{right}\" stroke=\"#7f7f7f\" stroke-opacity=\"0.3\"/><text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>",
            left - 6.0,
            y + 4.0,
            most * share
        );
    }
    hours(text, end, bottom);
    for (line, colour) in lines.iter().zip(colours.iter().cycle()) {
        let place = |(at, value): &(f64, f64)| (left + at / end * (right - left), bottom - value / most * height);
        let _ = writeln!(
            text,
            "<path d=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.5\"/>",
            path(line.iter().map(place))
        );
    }
}

/// Marks of whole hours, at most twelve.
fn hours(text: &mut String, end: f64, bottom: f64) {
    let total = end / 3600.0;
    let step = [0.25, 0.5, 1.0, 2.0, 4.0, 12.0, 24.0].into_iter().find(|step| total / step <= 12.0).unwrap_or(168.0);
    let mut hour = step;
    while hour <= total {
        let x = MARGIN + hour / total * (WIDTH - 10.0 - MARGIN);
        let _ = writeln!(text, "<text x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\">{hour} h</text>", bottom + 13.0);
        hour += step;
    }
}

/// One point a column.
fn points(ticks: &[TickPoint], panel: &Panel) -> Vec<(f64, f64)> {
    let size = ticks.len().div_ceil(COLUMNS).max(1);
    let point = |ticks: &[TickPoint]| {
        let values: Vec<f64> = ticks.iter().map(panel.read).collect();
        ticks.last().map(|tick| (tick.at, (panel.join)(&values)))
    };
    ticks.chunks(size).filter_map(point).collect()
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / crate::base::number::float(crate::base::number::count(values.len().max(1)))
}

fn greatest(values: &[f64]) -> f64 {
    values.iter().copied().fold(0.0, f64::max)
}

/// A path in steps of a tenth; points on a horizontal line are left out.
fn path(points: impl Iterator<Item = (f64, f64)>) -> String {
    let mut text = String::new();
    let mut points = points.map(|(x, y)| (tenths(x), tenths(y))).peekable();
    let mut last_y = None;
    while let Some((x, y)) = points.next() {
        let is_between = last_y == Some(y) && points.peek().is_some_and(|(_, next)| *next == y);
        if !is_between {
            let command = if last_y.is_none() { 'M' } else { 'L' };
            let _ = write!(text, "{command}{x} {y}");
        }
        last_y = Some(y);
    }
    text
}

fn tenths(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

/// The next of 1, 2, 5, 10, 20, 50 …
fn round_up(value: f64) -> f64 {
    let power = 10_f64.powf(value.max(1.0).log10().floor());
    [1.0, 2.0, 5.0, 10.0].into_iter().map(|step| step * power).find(|step| *step >= value).unwrap_or(10.0 * power)
}

/// Which of two columns of the legend.
fn column(index: usize) -> f64 {
    if index.is_multiple_of(2) { 0.0 } else { 1.0 }
}

/// Rows of the legend.
fn rows(entries: usize) -> f64 {
    crate::base::number::float(crate::base::number::count(entries.div_ceil(2)))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::whatif::report::table::tests::outcome;

    #[test]
    fn a_picture_has_a_line_a_policy_in_two_panels_and_the_arrivals() {
        let text = svg(&[outcome("<a>", "x & y"), outcome("<a>", "z")]);
        assert!(text.starts_with("<svg ") && text.ends_with("</svg>\n") && text.contains("<title>&lt;a&gt;</title>"));
        assert_eq!(text.matches("stroke-width=\"1.5\"").count(), 5);
        assert!(text.contains(">x &amp; y</text>") && !text.contains("NaN"));
        assert_eq!(text.matches("#0072b2").count(), 3, "two lines and the legend");
    }

    #[test]
    fn without_outcomes_or_ticks_a_picture_is_empty() {
        let none = Outcome { ticks: vec![], ..outcome("a", "x") };
        assert!([svg(&[]), svg(&[none])].iter().all(|text| text.ends_with("</svg>\n") && !text.contains("NaN")));
    }

    #[test]
    fn axes_end_at_round_numbers() {
        let ends = [0.0, 0.7, 1.0, 1.1, 4.0, 5.1, 99.0, 600.0].map(round_up);
        assert_eq!(ends, [1.0, 1.0, 1.0, 2.0, 5.0, 10.0, 100.0, 1000.0]);
    }

    #[test]
    fn points_on_a_level_line_are_left_out() {
        let points = [(0.0, 1.0), (1.0, 1.0), (2.0, 1.0), (3.0, 2.04)];
        assert_eq!(path(points.into_iter()), "M0 1L2 1L3 2");
    }

    /// The marks of an axis of so many hours: the number of hours of each, and its place.
    fn marks(hours: f64) -> Vec<(f64, f64)> {
        let mut text = String::new();
        super::hours(&mut text, hours * 3600.0, 0.0);
        let mark = |line: &str| {
            let x = line.split('"').nth(1)?.parse().ok()?;
            Some((line.strip_suffix(" h</text>")?.rsplit('>').next()?.parse().ok()?, x))
        };
        text.lines().map(|line| mark(line).unwrap()).collect()
    }

    #[test]
    fn an_axis_has_at_most_twelve_marks_of_whole_steps_and_one_at_its_end() {
        assert_eq!(marks(1.0), [(0.25, 222.5), (0.5, 385.0), (0.75, 547.5), (1.0, 710.0)]);
        for (hours, count, step, last) in [
            (3.0, 12, 0.25, 3.0),
            (3.01, 6, 0.5, 3.0),
            (6.0, 12, 0.5, 6.0),
            (12.0, 12, 1.0, 12.0),
            (12.5, 6, 2.0, 12.0),
            (48.0, 12, 4.0, 48.0),
            (288.0, 12, 24.0, 288.0),
            (400.0, 2, 168.0, 336.0),
        ] {
            let marks = marks(hours);
            assert_eq!((marks.len(), marks[0].0, marks[count - 1].0), (count, step, last), "{hours}");
        }
        assert_eq!(marks(0.2), []);
    }

    #[test]
    fn many_ticks_share_a_column_with_the_mean_of_arrivals_and_the_greatest_wait_at_its_last_time() {
        let tick = |n: u32| TickPoint { at: f64::from(n), arrived: 10 * n, ready: 1, oldest_wait: f64::from(n % 2) };
        let ticks: Vec<TickPoint> = (1..=480).map(tick).collect();
        assert_eq!(points(&ticks[..240], &OLDEST).len(), 240);
        assert_eq!(points(&ticks[..241], &OLDEST).len(), 121);
        assert_eq!(points(&ticks, &ARRIVALS)[..2], [(2.0, 3.0), (4.0, 7.0)]);
        assert_eq!(points(&ticks, &OLDEST)[..2], [(2.0, 1.0), (4.0, 1.0)]);
    }

    #[test]
    fn a_legend_has_two_columns_and_a_row_more_for_an_odd_entry() {
        assert_eq!([0, 1, 2, 3, 4].map(rows), [0.0, 1.0, 1.0, 2.0, 2.0]);
        assert_eq!([0, 1, 2, 3].map(column), [0.0, 1.0, 0.0, 1.0]);
        let text = svg(&["x", "y", "z"].map(|policy| outcome("a", policy)));
        // The first row is at 496, and rows are 18 apart.
        for place in ["M60 496h18", "M390 496h18", "M60 514h18"] {
            assert_eq!(text.matches(place).count(), 1, "{place} in {text}");
        }
    }
}
