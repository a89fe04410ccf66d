//! The entries of an env file: where each begins, and which of them can be read.

use crate::settings::table;

/// Lines that one value may span.
const MOST_LINES: usize = 2000;

/// Lines with a quote at which the end of a value is looked for: a quote that is missing must not make every line a begin
/// that is tried against all the others.
const MOST_ENDS: usize = 20;

/// One assignment, as it stands in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// The number of its first line, from 1.
    pub(super) line: usize,
    pub(super) text: String,
}

impl Entry {
    /// The name, also where the rest cannot be read.
    pub(super) fn name(&self) -> &str {
        let text = without_export(&self.text);
        text.split(|c: char| c == '=' || c.is_whitespace()).next().unwrap_or_default()
    }

    /// The value as it stands there, quotes and all; `None` without a `=`.
    pub(super) fn raw_value(&self) -> Option<&str> {
        self.text.split_once('=').map(|(_, value)| value.trim())
    }

    /// Name and value of a line such as `NAME={"a": 1}`, whose quotes a shell would remove.
    pub(super) fn json(&self) -> Option<(&str, &str)> {
        let (name, value) = without_export(&self.text).split_once('=')?;
        let (name, value) = (name.trim(), value.trim());
        let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        (is_name && value.starts_with(['{', '['])).then_some((name, value))
    }

    pub(super) fn is_readable(&self) -> bool {
        self.json().is_some() || is_readable(&self.text)
    }
}

fn without_export(text: &str) -> &str {
    let text = text.trim_start();
    text.strip_prefix("export ").map_or(text, str::trim_start)
}

/// All entries, readable or not. A value spans lines only if it begins with a quote: an apostrophe in somebody else's
/// value must not take in what follows.
pub(super) fn entries(text: &str) -> Vec<Entry> {
    let lines: Vec<&str> = text.lines().collect();
    let (mut entries, mut index) = (Vec::new(), 0);
    while let Some(rest) = lines.get(index..).filter(|rest| !rest.is_empty()) {
        let length = length(rest);
        let text = rest.get(..length).unwrap_or_default().join("\n");
        if !matches!(text.trim_start().chars().next(), None | Some('#')) {
            entries.push(Entry { line: index + 1, text });
        }
        index += length;
    }
    entries
}

/// The number of lines of the entry that begins here: more than one if only they can be read together.
fn length(lines: &[&str]) -> usize {
    let first = lines.first().copied().unwrap_or_default();
    let Some(quote) = first.split_once('=').and_then(|(_, value)| value.trim_start().chars().next()) else { return 1 };
    if first.trim_start().starts_with('#') || !matches!(quote, '\'' | '"') || is_readable(first) {
        return 1;
    }
    let continues = |line: &&&str| !line.split_once('=').is_some_and(|(name, _)| table::is_known(name.trim()));
    let more = lines.iter().skip(1).take(MOST_LINES).take_while(continues).count();
    let may_end = |length: &usize| lines.get(length - 1).is_some_and(|line| line.contains(quote));
    let ends = |length: &usize| lines.get(..*length).is_some_and(|lines| is_readable(&lines.join("\n")));
    (2..=1 + more).filter(may_end).take(MOST_ENDS).find(ends).unwrap_or(1)
}

fn is_readable(text: &str) -> bool {
    dotenvy::from_read_iter(text.as_bytes()).all(|read| read.is_ok())
}
