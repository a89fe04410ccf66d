//! The result as text: what differs without a known reason first, then the known deviations, each named.

use std::fmt::Write;

use serde_json::Value;

use super::leaves::Path;
use super::tally::{Finding, Findings};

/// Longest value that is printed, in characters.
const LONGEST: usize = 60;
/// Keys whose values may hold secrets.
const SECRET: [&str; 2] = ["redis_url", "data_bus"];

/// How the comparison went, for the first and the last lines.
#[derive(Debug)]
pub(super) struct Summary {
    pub(super) theirs: String,
    pub(super) own: String,
    pub(super) polls: u32,
    pub(super) failed: u32,
    /// Metrics that only we have.
    pub(super) additional: usize,
}

/// A value for people: on one line, short, without control characters and secrets; `–` where there is none.
pub(super) fn shown(path: &Path, value: Option<&Value>) -> String {
    let Some(value) = value else { return "–".to_owned() };
    let text = value.to_string();
    let has_credentials = text.contains("://") && text.contains('@');
    if has_credentials || SECRET.iter().any(|key| path.has(key)) {
        return "(not shown)".to_owned();
    }
    let cut = text.chars().nth(LONGEST).is_some();
    let short: String = text.chars().take(LONGEST).filter(|character| !character.is_control()).collect();
    if cut { format!("{short}…") } else { short }
}

/// The whole report.
pub(super) fn render(result: &Findings, summary: &Summary) -> String {
    // Writing to a String cannot fail.
    let mut text = String::new();
    let _ = writeln!(text, "theirs {} · own {}: {}", summary.theirs, summary.own, polls(summary));
    section(&mut text, "different, without a known reason", &result.unexplained, summary.polls);
    for (known, findings) in &result.known {
        let heading = format!("known: {} ({})", known.reason(), known.id());
        section(&mut text, &heading, findings, summary.polls);
    }
    let known: usize = result.known.values().map(Vec::len).sum();
    let _ = writeln!(
        text,
        "\n{} different without a known reason, {known} with one, {} now and then (timing); {} metrics are here only",
        result.unexplained.len(),
        result.transient,
        summary.additional
    );
    if known > 0 {
        let _ = writeln!(text, "docs/migrating.md explains the known deviations under their names");
    }
    text
}

fn polls(summary: &Summary) -> String {
    let plural = if summary.polls == 1 { "" } else { "s" };
    let failed = if summary.failed == 0 { String::new() } else { format!(", {} failed", summary.failed) };
    format!("{} poll{plural}{failed}", summary.polls)
}

fn section(text: &mut String, heading: &str, findings: &[(String, Finding)], polls: u32) {
    if findings.is_empty() {
        return;
    }
    let _ = writeln!(text, "\n{heading}");
    for (path, finding) in findings {
        let _ =
            writeln!(text, "  {path}: theirs {}, own {} ({} of {polls})", finding.theirs, finding.own, finding.polls());
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::difference::Difference;
    use super::super::known::Known;
    use super::super::tally::Tally;
    use super::*;

    #[test]
    fn a_value_is_short_printable_and_no_secret() {
        let table = [
            ("a", json!(1.5), "1.5"),
            ("a", json!("b\u{1b}[2J\u{9b}c"), "\"b\\u001b[2Jc\""),
            ("a", json!("redis://:hunter2@h/0"), "(not shown)"),
            ("gateway_config_raw.redis_url", json!("hunter2"), "(not shown)"),
            ("gateway_config_raw.data_bus.key", json!("hunter2"), "(not shown)"),
            ("a", json!(null), "null"),
        ];
        for (path, value, expected) in table {
            assert_eq!(shown(&Path::of(path), Some(&value)), expected);
        }
        assert_eq!(shown(&Path::of("a"), None), "–");
        assert_eq!(shown(&Path::of("a"), Some(&json!("é".repeat(99)))).chars().count(), LONGEST + 1);
    }

    #[test]
    fn what_is_unexplained_comes_first_and_everything_is_counted() {
        let mut tally = Tally::default();
        tally.polls = 2;
        for (path, known) in [("a", Some(Known::Draining)), ("z", None)] {
            let difference = Difference { path: Path::of(path), theirs: Some(json!(1)), own: Some(json!(2)) };
            tally.payload(&difference, known);
            tally.payload(&difference, known);
        }
        let summary =
            Summary { theirs: "http://a/".into(), own: "http://b/".into(), polls: 2, failed: 1, additional: 3 };
        assert_eq!(
            render(&tally.result(), &summary),
            "theirs http://a/ · own http://b/: 2 polls, 1 failed\n\n\
             different, without a known reason\n  z: theirs 1, own 2 (2 of 2)\n\n\
             known: processes that stopped a moment ago are shown as stale here; the Python service hides them (draining)\n  \
             a: theirs 1, own 2 (2 of 2)\n\n\
             1 different without a known reason, 1 with one, 0 now and then (timing); 3 metrics are here only\n\
             docs/migrating.md explains the known deviations under their names\n"
        );
    }
}
