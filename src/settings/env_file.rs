//! Reads an env file: `NAME=value` lines with the usual quotes and comments, and JSON without quotes around it.

mod entries;

use std::path::Path;

use self::entries::{Entry, entries};
use super::{EnvFile, SettingError, Variables, table};
use crate::base::files;

/// Reads an env file; `environment` is what a `$NAME` in it may refer to. A value that begins like JSON is taken literally.
/// Any other is read as by a shell: spaces and `$` need single quotes. Lines of other programs that cannot be read are
/// ignored with a warning.
///
/// # Errors
/// The file cannot be read, or a line that gives a setting is not an assignment.
pub fn read_env_file(path: &Path, environment: &Variables) -> Result<EnvFile, SettingError> {
    let at = |problem: String| format!("--env-file {}: {problem}", path.display());
    let read = std::fs::read(path).map_err(|cause| format!("cannot be read: {cause}"));
    let parsed =
        read.and_then(|bytes| parse(&bytes, environment)).map_err(|problem| SettingError::Other(at(problem)))?;
    let warnings = parsed.warnings.into_iter().map(at).collect();
    Ok(EnvFile { path: path.to_owned(), variables: parsed.variables, warnings })
}

#[derive(Debug, Default)]
struct Parsed {
    variables: Variables,
    warnings: Vec<String>,
}

fn parse(bytes: &[u8], environment: &Variables) -> Result<Parsed, String> {
    let text = std::str::from_utf8(files::without_mark(bytes)).map_err(|_| "is not UTF-8 text".to_owned())?;
    let (readable, unreadable): (Vec<Entry>, Vec<Entry>) = entries(text).into_iter().partition(Entry::is_readable);
    if let Some(entry) = unreadable.iter().find(|entry| gives_a_setting(entry)) {
        return Err(format!(
            "line {} is not NAME=value ({}); accepted: values with spaces, `$` or `#` in single quotes, JSON without quotes",
            entry.line,
            entry.name()
        ));
    }
    let mut warnings: Vec<String> = ignored(&unreadable).into_iter().collect();
    warnings.extend(readable.iter().enumerate().filter_map(|(index, entry)| {
        let earlier = readable.get(..index).unwrap_or_default();
        let is_set = |name: &str| environment.contains_key(name) || earlier.iter().any(|entry| entry.name() == name);
        lost_dollar(entry, is_set)
    }));
    Ok(Parsed { variables: variables(&readable)?, warnings })
}

/// Whether the entry is meant for this program. A name alone gives nothing: docker takes its value from the environment.
fn gives_a_setting(entry: &Entry) -> bool {
    table::is_known(entry.name()) && entry.text.trim() != entry.name()
}

fn ignored(entries: &[Entry]) -> Option<String> {
    let lines: Vec<String> = entries.iter().map(|entry| entry.line.to_string()).collect();
    let (line, verb) = if lines.len() == 1 { ("line", "is") } else { ("lines", "are") };
    (!lines.is_empty()).then(|| format!("{line} {} {verb} not NAME=value and {verb} ignored", lines.join(", ")))
}

/// A warning if a `$` of a setting's value leads to nothing. The name behind it may be a part of a password and is not shown.
fn lost_dollar(entry: &Entry, is_set: impl Fn(&str) -> bool) -> Option<String> {
    let name = entry.name();
    if entry.json().is_some() || !table::is_known(name) || references(entry.raw_value()?).into_iter().all(is_set) {
        return None;
    }
    Some(format!(
        "line {}: {name}: the name after a `$` is not set, and nothing stands in its place; a `$` that belongs to the value needs \
         single quotes around the value",
        entry.line
    ))
}

/// The names that a value refers to: `$name` and `${name}`, outside single quotes and not escaped.
fn references(value: &str) -> Vec<&str> {
    let (mut single, mut double, mut before) = (false, false, ' ');
    let mut names = Vec::new();
    let mut chars = value.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '\'' if !double => single = !single,
            '"' if !single => double = !double,
            '\\' if !single => drop(chars.next()),
            '#' if !single && !double && before.is_whitespace() => break,
            '$' if !single => names.push(name_of(value.get(at + 1..).unwrap_or_default())),
            _ => {}
        }
        before = c;
    }
    names
}

fn name_of(behind: &str) -> &str {
    match behind.strip_prefix('{') {
        Some(braced) => braced.split('}').next().unwrap_or_default(),
        None => behind.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default(),
    }
}

fn variables(entries: &[Entry]) -> Result<Variables, String> {
    let shell: Vec<&str> =
        entries.iter().filter(|entry| entry.json().is_none()).map(|entry| entry.text.as_str()).collect();
    // The text of dotenvy's errors would quote the whole line, which may hold a secret.
    let mut variables = dotenvy::from_read_iter(shell.join("\n").as_bytes())
        .collect::<Result<Variables, _>>()
        .map_err(|_| "cannot be parsed".to_owned())?;
    variables.extend(entries.iter().filter_map(Entry::json).map(|(name, value)| (name.to_owned(), value.to_owned())));
    Ok(variables)
}

#[cfg(test)]
mod tests;
