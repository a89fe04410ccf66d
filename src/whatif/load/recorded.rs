//! A load from a file: one JSON object a line, `{"at": 12.5, "seconds": 8, "role": "registered"}`, or a recording.
//!
//! `at` is when the task arrives, in seconds from any beginning; `seconds` how long it runs; `role` may be missing.

use serde::Deserialize;

use super::{Arrival, Arrivals, Load, ended};
use crate::base::text::one_line;
use crate::platform::facts::Role;
use crate::record::{Recording, RecordingError};

const ACCEPTED: &str = r#"accepted: the output of `kdcube-metrics record`, or lines {"at": SECONDS, "seconds": RUN TIME, "role": "anonymous|external|registered|paid|privileged"}"#;

/// Longest load: a month.
const LONGEST_SECONDS: f64 = 31.0 * 86_400.0;

/// Why a file holds no load.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error("{file}: line {line}: {problem}; {ACCEPTED}")]
    Line { file: String, line: usize, problem: String },
    #[error("{file}: {problem}")]
    Recording { file: String, problem: RecordingError },
    #[error("{0}: no task ended in this recording, nor in the hour before it: there is no load to take from it")]
    NothingEnded(String),
    #[error("{0}: holds no arrival; {ACCEPTED}")]
    Empty(String),
    #[error("{0}: its arrivals are more than 31 days apart")]
    TooLong(String),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    at: f64,
    seconds: f64,
    #[serde(default = "registered")]
    role: Role,
}

const fn registered() -> Role {
    Role::Registered
}

impl Load {
    /// Reads a load of the past: a recording, or a line for each arrival, in any order. `file` names it in errors.
    ///
    /// # Errors
    /// The first line that is no arrival or no tick; no arrival at all; more than a month of them.
    pub fn from_jsonl(text: &str, file: &str) -> Result<Self, LoadError> {
        let arrivals = match Recording::open(text.as_bytes()) {
            Ok(ticks) => of_recording(ticks, file)?,
            Err(RecordingError::NoHeader(_)) => of_lines(text, file)?,
            Err(problem) => return Err(LoadError::Recording { file: file.to_owned(), problem }),
        };
        Self::recorded(arrivals, file)
    }

    fn recorded(mut arrivals: Vec<Arrival>, file: &str) -> Result<Self, LoadError> {
        arrivals.sort_by(|a, b| a.at.total_cmp(&b.at));
        let (Some(first), Some(last)) = (arrivals.first().copied(), arrivals.last().copied()) else {
            return Err(LoadError::Empty(file.to_owned()));
        };
        if last.at - first.at > LONGEST_SECONDS {
            return Err(LoadError::TooLong(file.to_owned()));
        }
        arrivals.iter_mut().for_each(|arrival| arrival.at -= first.at);
        let seconds = last.at - first.at + last.seconds;
        Ok(Self { name: file.to_owned(), seconds, faults: Vec::new(), arrivals: Arrivals::Recorded(arrivals) })
    }
}

fn of_recording(ticks: Recording<&[u8]>, file: &str) -> Result<Vec<Arrival>, LoadError> {
    let recording = |problem| LoadError::Recording { file: file.to_owned(), problem };
    let arrivals = ended::arrivals(ticks).map_err(recording)?;
    if arrivals.is_empty() {
        return Err(LoadError::NothingEnded(file.to_owned()));
    }
    Ok(arrivals)
}

fn of_lines(text: &str, file: &str) -> Result<Vec<Arrival>, LoadError> {
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let arrivals = lines.map(|(index, line)| {
        arrival(line).map_err(|problem| LoadError::Line { file: file.to_owned(), line: index + 1, problem })
    });
    arrivals.collect()
}

fn arrival(line: &str) -> Result<Arrival, String> {
    // Without serde's own position: a line of JSON has one line.
    let Line { at, seconds, role } = serde_json::from_str(line).map_err(|error| {
        let text = error.to_string();
        // The names in it may hold anything.
        one_line(text.rsplit_once(" at line ").map_or(text.as_str(), |(problem, _)| problem))
    })?;
    match () {
        () if !at.is_finite() => Err("at: is not a finite number".to_owned()),
        () if !seconds.is_finite() || !(0.0..=LONGEST_SECONDS).contains(&seconds) => {
            Err("seconds: is not a number from 0 to 2678400".to_owned())
        }
        () => Ok(Arrival { at, role, seconds }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrivals_are_sorted_and_begin_at_zero() {
        let text = "{\"at\": 1030, \"seconds\": 8}\n\n{\"at\": 1000.5, \"seconds\": 2.5, \"role\": \"paid\"}\n";
        let load = Load::from_jsonl(text, "f").unwrap();
        let expected = [
            Arrival { at: 0.0, role: Role::Paid, seconds: 2.5 },
            Arrival { at: 29.5, role: Role::Registered, seconds: 8.0 },
        ];
        assert_eq!(load.arrivals(1).collect::<Vec<_>>(), expected);
        assert_eq!((load.seconds, load.name.as_str()), (37.5, "f"));
        assert!((load.initial_concurrency(0.0) - 10.5 / 37.5).abs() < 1e-9);
        assert!((load.initial_concurrency(1.0) - 11.5 / 37.5).abs() < 1e-9, "the first stays a second longer");
    }

    #[test]
    fn a_load_that_is_over_at_once_begins_with_nothing() {
        let load = Load::from_jsonl("{\"at\": 5, \"seconds\": 0}\n{\"at\": 5, \"seconds\": -0.0}", "f").unwrap();
        assert_eq!((load.seconds, load.initial_concurrency(0.0), load.initial_concurrency(1.0)), (0.0, 0.0, 0.0));
    }

    #[test]
    fn a_broken_file_is_one_line_that_names_the_place() {
        for (text, expected) in [
            ("", "f: holds no arrival; accepted: the output of `kdcube-metrics record`, or lines {"),
            ("{\"at\": 1, \"seconds\": 1}\n{\"at\": 1}", "f: line 2: missing field `seconds`; accepted: "),
            ("{\"at\": \"1\", \"seconds\": 1}", "f: line 1: invalid type: string \"1\", expected f64; "),
            ("{\"at\": 1, \"seconds\": -1}", "f: line 1: seconds: is not a number from 0 to 2678400; "),
            (
                "{\"at\": 1, \"seconds\": 1, \"role\": \"x\"}",
                "f: line 1: unknown variant `x`, expected one of `anonymous`",
            ),
            ("{\"at\": 1, \"seconds\": 1, \"rolle\": \"x\"}", "f: line 1: unknown field `rolle`, expected one of "),
            ("{\"at\": 1, \"\\u0000\\n\": 1}", "f: line 1: unknown field `\u{fffd}\u{fffd}`, expected one of "),
            ("at,seconds", "f: line 1: expected value; "),
            ("[1, 2", "f: line 1: "),
            ("{\"recording\": 9}", "f: line 1: "),
            (
                "{\"at\": 1, \"seconds\": 1}\n{\"at\": 9e9, \"seconds\": 1}",
                "f: its arrivals are more than 31 days apart",
            ),
        ] {
            let error = Load::from_jsonl(text, "f").unwrap_err().to_string();
            assert!(error.starts_with(expected) && !error.contains(char::is_control), "{error}");
        }
    }
}
