//! Reads an env file: `NAME=value` lines with the usual quotes and comments, and JSON without quotes around it.

use std::path::Path;

use super::{EnvFile, SettingError, Variables};

/// Reads an env file. A value that begins like JSON is taken literally. Any other is read as by a shell: spaces and `$`
/// need single quotes.
///
/// # Errors
/// The file cannot be read, or a line is not an assignment.
pub fn read_env_file(path: &Path) -> Result<EnvFile, SettingError> {
    let error = |problem: String| SettingError::Other(format!("--env-file {}: {problem}", path.display()));
    let bytes = std::fs::read(path).map_err(|cause| error(format!("cannot be read: {cause}")))?;
    let variables = parse(&bytes).map_err(error)?;
    Ok(EnvFile { path: path.to_owned(), variables })
}

fn parse(bytes: &[u8]) -> Result<Variables, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "is not UTF-8 text".to_owned())?;
    let json: Variables =
        text.lines().filter_map(json_line).map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let rest: String = text.lines().filter(|line| json_line(line).is_none()).flat_map(|line| [line, "\n"]).collect();
    let mut variables =
        dotenvy::from_read_iter(rest.as_bytes()).collect::<Result<Variables, _>>().map_err(|error| problem(&error))?;
    variables.extend(json);
    Ok(variables)
}

/// A line such as `NAME={"a": 1}`, whose quotes a shell would remove.
fn json_line(line: &str) -> Option<(&str, &str)> {
    let line = line.trim();
    let (name, value) = line.strip_prefix("export ").unwrap_or(line).split_once('=')?;
    let (name, value) = (name.trim(), value.trim());
    let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    (is_name && value.starts_with(['{', '['])).then_some((name, value))
}

/// The text of dotenvy would quote the whole line, which may hold a secret.
fn problem(error: &dotenvy::Error) -> String {
    match error {
        dotenvy::Error::LineParse(_, position) => format!(
            "a line is not NAME=value (at character {position}); accepted: values with spaces, `$` or `#` in single \
             quotes, JSON without quotes"
        ),
        dotenvy::Error::Io(error) => error.to_string(),
        _ => "cannot be parsed".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_problem_does_not_quote_the_line() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("env");
        std::fs::write(&path, "A=1\nPASSWORD 'hunter2\n").unwrap();
        assert!(!read_env_file(&path).unwrap_err().to_string().contains("hunter2"));
        std::fs::write(&path, "# comment\nA=1\nB=\"two words\"\n").unwrap();
        assert_eq!(read_env_file(&path).unwrap().variables.get("B").map(String::as_str), Some("two words"));
    }

    #[test]
    fn json_needs_no_quotes_and_may_have_them() {
        for line in
            [r#"A={"a": "b", "c": "$d #e"}"#, r#"A='{"a": "b", "c": "$d #e"}'"#, r#"export A={"a": "b", "c": "$d #e"}"#]
        {
            let layer = parse(format!("B='x$y z'\n{line}\r\nC=[1]").as_bytes()).unwrap();
            let read: Vec<_> = layer.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            assert_eq!(read, [("A", r#"{"a": "b", "c": "$d #e"}"#), ("B", "x$y z"), ("C", "[1]")], "{line}");
        }
    }

    proptest! {
        #[test]
        fn nothing_panics(text in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&text);
        }

        #[test]
        fn values_are_read_and_a_broken_line_is_not_shown(
            values in proptest::collection::vec("[a-zA-Z0-9:/@._-]{1,20}", 1..5), broken in "[a-z]{9} '[a-z]{9}"
        ) {
            let mut text: String = values.iter().enumerate().map(|(n, value)| format!("export NAME_{n}={value}  # why\n")).collect();
            let read = parse(text.as_bytes()).unwrap();
            prop_assert_eq!(read.into_values().collect::<Vec<_>>(), values);
            text.push_str(&broken);
            let problem = parse(text.as_bytes()).unwrap_err();
            prop_assert!(broken.split([' ', '\'']).filter(|word| !word.is_empty()).all(|word| !problem.contains(word)));
        }
    }
}
