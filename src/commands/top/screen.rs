//! What `top` shows, as lines: for a terminal of any size, and as text.

use ratatui::Frame;
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use crate::outlets::page::overview::{DecisionText, NumberText, Overview, ProblemText, WorkerText};

/// Problems that are listed on a screen of 24 lines; the others are counted.
const MOST_PROBLEMS: usize = 3;
/// Numbers beside each other.
const NUMBERS_A_LINE: usize = 4;

/// Draws the newest answer.
pub(super) fn draw(frame: &mut Frame<'_>, answer: Option<&Result<Overview, String>>, colour: bool) {
    let area = frame.area();
    let width = usize::from(area.width);
    let mut lines = match answer {
        None => vec![Line::from("asking the server …")],
        Some(Err(error)) => wrapped(error, width).into_iter().map(|line| Line::styled(line, style("blind"))).collect(),
        Some(Ok(overview)) => lines(overview, width),
    };
    lines.truncate(usize::from(area.height).saturating_sub(1));
    lines.resize(usize::from(area.height).saturating_sub(1), Line::default());
    lines.push(Line::styled("q quits", style("info")));
    if !colour {
        lines.iter_mut().for_each(uncoloured);
    }
    frame.render_widget(Paragraph::new(lines), area);
}

/// The same as text, with every worker that the answer has.
pub(super) fn text(overview: &Overview, width: u16) -> String {
    let line = |line: &Line<'_>| line.to_string().trim_end().to_owned() + "\n";
    lines(overview, usize::from(width)).iter().map(line).collect()
}

/// Most important first: what does not fit is cut at the end.
fn lines(overview: &Overview, width: usize) -> Vec<Line<'static>> {
    let verdict = style(&overview.verdict.level).add_modifier(Modifier::BOLD);
    let sentence = format!("{} {}", shape(&overview.verdict.level), overview.verdict.text);
    let mut lines: Vec<Line<'_>> =
        wrapped(&sentence, width).into_iter().map(|line| Line::styled(line, verdict)).collect();
    let problems = overview.problems.iter().take(MOST_PROBLEMS).flat_map(|row| problem(row, width));
    lines.extend(problems);
    let more = overview.problems.len().saturating_sub(MOST_PROBLEMS);
    if more > 0 {
        lines.push(Line::from(format!("  {more} more problems: /api/v1/problems")));
    }
    lines.extend(overview.decisions.iter().flat_map(|row| decision(row, width)));
    lines.extend(overview.numbers.chunks(NUMBERS_A_LINE).map(|row| numbers(row, width)));
    lines.extend(workers(overview, width));
    lines.push(Line::styled(cut(&overview.standing, width), style("info")));
    lines
}

fn problem(problem: &ProblemText, width: usize) -> [Line<'static>; 2] {
    let ProblemText { code, severity, subject, detail, remedy, .. } = problem;
    let what = format!("{} {code} {subject} {detail}", shape(severity));
    let remedy = Line::styled(cut(&format!("  → {remedy}"), width), style("info"));
    [Line::styled(cut(&what, width), style(severity)), remedy]
}

fn decision(decision: &DecisionText, width: usize) -> [Line<'static>; 2] {
    let DecisionText { component, current, desired, hint, steps } = decision;
    let replicas = format!("{component:<8} {current} now → {desired} wanted");
    let rest = cut(&format!("   {hint}"), width.saturating_sub(replicas.chars().count()));
    let bold = Style::new().add_modifier(Modifier::BOLD);
    let steps = Line::styled(cut(&format!("  {steps}"), width), style("info"));
    [Line::from(vec![Span::styled(replicas, bold), Span::raw(rest)]), steps]
}

fn numbers(numbers: &[NumberText], width: usize) -> Line<'static> {
    let column = width / NUMBERS_A_LINE;
    let one = |number: &NumberText| format!("{:<column$}", cut(&format!("{} {}", number.label, number.text), column));
    Line::from(numbers.iter().map(one).collect::<String>())
}

fn workers(overview: &Overview, width: usize) -> Vec<Line<'static>> {
    let count = overview.workers.len() + overview.more_workers;
    let heading = format!("workers: {count}");
    let mut lines = vec![Line::styled(heading, Style::new().add_modifier(Modifier::BOLD))];
    lines.extend(overview.workers.iter().map(|row| worker(row, width)));
    if overview.more_workers > 0 {
        lines.push(Line::from(format!("  {} more, none worse than these", overview.more_workers)));
    }
    lines
}

fn worker(worker: &WorkerText, width: usize) -> Line<'static> {
    let WorkerText { name, level, state, heartbeat, load, capacity, pools } = worker;
    let load = format!("{load}/{capacity}");
    let row = format!("{:<28} {:<26} {heartbeat:>7} {load:>7}  {pools}", cut(name, 28), cut(state, 26));
    Line::styled(cut(&row, width), style(level))
}

/// In so many columns, the rest as an ellipsis; without control characters, which a terminal would obey.
fn cut(text: &str, width: usize) -> String {
    let text = plain(text);
    if text.chars().count() <= width {
        return text;
    }
    text.chars().take(width.saturating_sub(1)).chain(['…']).collect()
}

fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

/// Lines of so many columns, broken between words where there are some.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in plain(text).split(' ') {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// The page's shapes: colour is not all that tells levels apart.
fn shape(level: &str) -> &'static str {
    match level {
        "critical" => "■",
        "warning" => "▲",
        "blind" => "◆",
        _ => "●",
    }
}

fn style(level: &str) -> Style {
    match level {
        "critical" => Style::new().fg(Color::Red),
        "warning" => Style::new().fg(Color::Yellow),
        "fine" => Style::new().fg(Color::Green),
        "blind" => Style::new().fg(Color::Magenta),
        _ => Style::new().add_modifier(Modifier::DIM),
    }
}

fn uncoloured(line: &mut Line<'_>) {
    line.style.fg = None;
    line.spans.iter_mut().for_each(|span| span.style.fg = None);
}

#[cfg(test)]
mod tests {
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    use super::*;
    use crate::outlets::page::overview::VerdictText;

    /// As a server in a storm answered.
    fn storm() -> Overview {
        serde_json::from_str(include_str!("storm.json")).unwrap()
    }

    fn drawn(
        answer: Option<&Result<Overview, String>>,
        (width, height): (u16, u16),
        colour: bool,
    ) -> Terminal<TestBackend> {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| draw(frame, answer, colour)).unwrap();
        terminal
    }

    fn shown(answer: Option<&Result<Overview, String>>, size: (u16, u16)) -> String {
        drawn(answer, size, true).backend().to_string()
    }

    #[test]
    fn a_storm_fits_a_terminal_of_80_by_24_with_all_that_counts() {
        let screen = shown(Some(&Ok(storm())), (80, 24));
        for part in
            ["■ OVERLOADED", "sink_failing", "→ Check that it runs", "2 now → 4 wanted", "scale out", "queued 40"]
        {
            assert!(screen.contains(part), "{part} in\n{screen}");
        }
        assert!(
            screen.contains("workers: 4") && screen.contains("silent for 40 s") && screen.contains("q quits"),
            "{screen}"
        );
        assert_eq!(screen.lines().count(), 24);
    }

    #[test]
    fn a_small_terminal_shows_the_verdict_first_and_nothing_panics() {
        let narrow = shown(Some(&Ok(storm())), (30, 6));
        assert!(narrow.contains("■ OVERLOADED since") && narrow.contains("q quits"), "{narrow}");
        for size in [(1, 1), (2, 2), (300, 100)] {
            shown(Some(&Ok(storm())), size);
            shown(Some(&Ok(Overview::default())), size);
        }
    }

    #[test]
    fn before_the_first_answer_and_without_one_it_says_so() {
        assert!(shown(None, (80, 24)).contains("asking the server"));
        let error = Err("http://127.0.0.1:8090/: Connection refused; is the server running there?".to_owned());
        assert!(shown(Some(&error), (80, 24)).contains("Connection refused"));
    }

    #[test]
    fn without_colour_no_cell_has_one() {
        let answer = Ok(storm());
        let has_colour = |colour| {
            let terminal = drawn(Some(&answer), (80, 24), colour);
            terminal.backend().buffer().content().iter().any(|cell| cell.fg != Color::Reset)
        };
        assert!(has_colour(true) && !has_colour(false));
    }

    #[test]
    fn text_from_outside_cannot_control_the_terminal() {
        let text = "OK \u{1b}[2J \u{7}bell".to_owned();
        let overview = Overview { verdict: VerdictText { level: "fine".to_owned(), text }, ..Overview::default() };
        let printed = super::text(&overview, 80);
        assert!(!printed.contains(['\u{1b}', '\u{7}']) && printed.contains("● OK ?[2J ?bell"), "{printed:?}");
    }

    /// An answer of so many problems, and of so many workers beside the two that it lists.
    fn crowd(problems: usize, more_workers: usize) -> String {
        let problem = |number| ProblemText { code: format!("code-{number}"), ..ProblemText::default() };
        let worker = |name: &str| WorkerText { name: name.to_owned(), ..WorkerText::default() };
        let overview = Overview {
            problems: (0..problems).map(problem).collect(),
            workers: vec![worker("proc a 1"), worker("proc b 2")],
            more_workers,
            standing: "this server records".to_owned(),
            ..Overview::default()
        };
        super::text(&overview, 80)
    }

    #[test]
    fn what_is_not_listed_is_counted() {
        for (problems, listed, more) in [(0, 0, None), (3, 3, None), (4, 3, Some("1 more")), (9, 3, Some("6 more"))] {
            let text = crowd(problems, 0);
            let line = more.map(|more| format!("  {more} problems: /api/v1/problems"));
            assert_eq!(text.matches("code-").count(), listed, "{text}");
            assert_eq!(text.lines().find(|line| line.contains("more problems")), line.as_deref());
        }
        let all = crowd(0, 0);
        assert!(all.contains("workers: 2\n") && !all.contains("none worse"), "{all}");
        assert!(all.contains("proc a 1") && all.contains("proc b 2"), "{all}");
        assert!(crowd(0, 5).contains("workers: 7\n") && crowd(0, 5).contains("  5 more, none worse than these\n"));
        assert!(all.ends_with("\nthis server records\n"), "{all}");
    }

    #[test]
    fn the_last_line_says_how_to_quit_however_much_there_is_to_show() {
        for (answer, height) in [(None, 10), (Some(Ok(storm())), 6)] {
            let screen = shown(answer.as_ref(), (80, height));
            let lines: Vec<&str> = screen.lines().collect();
            assert_eq!(lines.len(), usize::from(height));
            assert!(lines[usize::from(height) - 1].contains("q quits"), "{screen}");
        }
    }

    #[test]
    fn texts_are_cut_and_broken_at_the_width_and_not_before_it() {
        for (text, width, expected) in
            [("abc", 3, "abc"), ("abcd", 3, "ab…"), ("größer", 5, "größ…"), ("a\tb", 3, "a?b"), ("", 0, "")]
        {
            assert_eq!(cut(text, width), expected);
        }
        for (text, width, expected) in [
            ("ab cd ef", 5, vec!["ab cd", "ef"]),
            ("ab cd", 4, vec!["ab", "cd"]),
            ("abcdefgh x", 3, vec!["abcdefgh", "x"]),
        ] {
            assert_eq!(wrapped(text, width), expected, "{width}");
        }
    }

    #[test]
    fn a_screen_shows_as_many_lines_as_there_are_above_its_last() {
        let overview = Overview { standing: "this server records".to_owned(), ..Overview::default() };
        // The verdict, the heading of the workers, and the standing.
        for (height, fits) in [(5, true), (4, true), (3, false)] {
            let screen = shown(Some(&Ok(overview.clone())), (80, height));
            assert_eq!((screen.contains("this server records"), screen.contains("q quits")), (fits, true), "{screen}");
        }
    }

    #[test]
    fn numbers_are_four_a_line_in_columns_of_one_width() {
        let number =
            |label: &str| NumberText { label: label.to_owned(), text: "1,204".to_owned(), ..NumberText::default() };
        let numbers = ["a", "bcd", "much too long", "e", "f"].map(number);
        let overview = Overview { numbers: numbers.into(), ..Overview::default() };
        let text = super::text(&overview, 40);
        assert_eq!(
            text.lines().skip(1).take(2).collect::<Vec<_>>(),
            ["a 1,204   bcd 1,204 much too …e 1,204", "f 1,204"]
        );
    }

    #[test]
    fn no_line_is_longer_than_the_width() {
        for width in [60_u16, 80, 100] {
            let text = super::text(&storm(), width);
            let longest = text.lines().map(|line| line.chars().count()).max();
            assert!(longest.is_some_and(|longest| longest <= usize::from(width)), "{longest:?} of {width} in\n{text}");
        }
    }
}
