//! Env files as people and other programs write them.

use proptest::prelude::*;

use super::*;

fn read(text: &str) -> Result<Parsed, String> {
    let environment = Variables::from([("HOME".to_owned(), "/root".to_owned())]);
    parse(text.as_bytes(), &environment)
}

fn value(text: &str, name: &str) -> Option<String> {
    read(text).unwrap().variables.get(name).cloned()
}

#[test]
fn a_problem_does_not_quote_the_line() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("env");
    std::fs::write(&path, "A=1\nREDIS_PASSWORD='hunter2\n").unwrap();
    let problem = read_env_file(&path, &Variables::new()).unwrap_err().to_string();
    assert!(problem.contains("line 2 is not NAME=value (REDIS_PASSWORD)") && !problem.contains("hunter2"), "{problem}");
    std::fs::write(&path, "# comment\nA=1\nB=\"two words\"\n").unwrap();
    let file = read_env_file(&path, &Variables::new()).unwrap();
    assert_eq!((file.variables.get("B").map(String::as_str), file.warnings.len()), (Some("two words"), 0));
}

#[test]
fn json_needs_no_quotes_and_may_have_them() {
    for line in
        [r#"A={"a": "b", "c": "$d #e"}"#, r#"A='{"a": "b", "c": "$d #e"}'"#, r#"export A={"a": "b", "c": "$d #e"}"#]
    {
        let layer = read(&format!("B='x$y z'\n{line}\r\nC=[1]")).unwrap().variables;
        let read: Vec<_> = layer.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(read, [("A", r#"{"a": "b", "c": "$d #e"}"#), ("B", "x$y z"), ("C", "[1]")], "{line}");
    }
}

#[test]
fn lines_of_other_programs_are_ignored_with_one_warning_and_take_in_nothing() {
    let others = "OTHER=two words\nTHEIRS=it's\nNAME\nmy-var=1\nC:\\data\nTIS='tis\n";
    let parsed = read(&format!("METRICS_PORT=1\n{others}METRICS_BIND='::1'\nMETRICS_MODE\nZ='z'\n")).unwrap();
    let names: Vec<&str> = parsed.variables.keys().map(String::as_str).collect();
    assert_eq!(names, ["METRICS_BIND", "METRICS_PORT", "Z"]);
    assert_eq!(parsed.warnings, ["lines 2, 3, 4, 5, 6, 7, 9 are not NAME=value and are ignored"]);
    assert_eq!(read("A=1\n\nC D=3\n").unwrap().warnings, ["line 3 is not NAME=value and is ignored"]);
}

#[test]
fn a_line_that_gives_a_setting_and_cannot_be_read_is_an_error_with_its_number() {
    for line in ["METRICS_PROM_JOB_NAME=two words", "export REDIS_URL=it's", "METRICS_PORT 8090", "REDIS_URL_FILE='x"] {
        let problem = read(&format!("# why\nA=1\n{line}\n")).unwrap_err();
        assert!(problem.starts_with("line 3 is not NAME=value"), "{line}: {problem}");
    }
}

#[test]
fn a_quoted_value_may_span_lines() {
    let json = "{\n  \"tenant\": \"acme\",\n  \"project\": \"chat\"\n}";
    for quoted in [format!("'{json}'"), format!("\"{}\"", json.replace('"', "\\\""))] {
        let text = format!("GATEWAY_CONFIG_JSON={quoted}\nB=2\nbad line\n");
        assert_eq!(
            (value(&text, "GATEWAY_CONFIG_JSON").as_deref(), value(&text, "B").as_deref()),
            (Some(json), Some("2"))
        );
        assert_eq!(read(&text).unwrap().warnings, ["line 6 is not NAME=value and is ignored"]);
    }
}

#[test]
fn a_mark_at_the_beginning_is_skipped() {
    assert_eq!(value("\u{feff}A=1\nB=2\n", "A").as_deref(), Some("1"));
    assert_eq!(value("\u{feff}A={\"a\": 1}\n", "A").as_deref(), Some("{\"a\": 1}"));
}

#[test]
fn a_dollar_that_leads_to_nothing_is_a_warning_without_the_name() {
    for (line, warns) in [
        ("REDIS_URL=redis://:pa$hunter2@x", true),
        ("REDIS_URL=\"redis://:pa$hunter2@x\"", true),
        ("REDIS_URL=redis://:pa${hunter2}@x", true),
        ("REDIS_PASSWORD=pa$-hunter2", true),
        ("REDIS_PASSWORD=$HOME$hunter2", true),
        ("REDIS_PASSWORD='pa$hunter2'", false),
        ("REDIS_PASSWORD=pa\\$hunter2", false),
        ("REDIS_PASSWORD=$HOME${A}", false),
        ("REDIS_PASSWORD=x # costs $hunter2", false),
        ("OTHER=$hunter2", false),
        ("METRICS_MAPPING_JSON={\"a\": \"$hunter2\"}", false),
    ] {
        let warnings = read(&format!("A=1\n{line}\n")).unwrap().warnings;
        assert_eq!(warnings.len(), usize::from(warns), "{line}: {warnings:?}");
        assert!(
            warnings.iter().all(|text| text.starts_with("line 2: REDIS_") && !text.contains("hunter2")),
            "{warnings:?}"
        );
    }
}

proptest! {
    #[test]
    fn nothing_panics(text in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse(&text, &Variables::new());
    }

    #[test]
    fn no_line_panics(text in "([A-C]=|REDIS_URL=|[ '\"$\\\\{}#\n=a-c]){0,40}") {
        let _ = parse(text.as_bytes(), &Variables::new());
    }

    #[test]
    fn values_are_read_and_a_broken_line_is_not_shown(
        values in proptest::collection::vec("[a-zA-Z0-9:/@._-]{1,20}", 1..5), broken in "[a-z]{9} '[a-z]{9}"
    ) {
        let mut text: String = values.iter().enumerate().map(|(n, value)| format!("export NAME_{n}={value}  # why\n")).collect();
        let parsed = read(&text).unwrap();
        prop_assert_eq!(parsed.variables.into_values().collect::<Vec<_>>(), values);
        text.push_str(&format!("REDIS_URL={broken}"));
        let problem = read(&text).unwrap_err();
        prop_assert!(broken.split([' ', '\'']).filter(|word| !word.is_empty()).all(|word| !problem.contains(word)));
    }
}
