//! The table is sound: names are unique, groups stand together, every row is documented and every row is read.

use std::collections::BTreeSet;
use std::path::Path;

use super::*;

#[test]
fn variables_files_and_flags_are_unique() {
    let names: BTreeSet<String> =
        all().iter().flat_map(|row| [row.variable().to_owned(), row.file_variable()]).collect();
    assert_eq!(names.len(), all().len() * 2, "a variable may not be the file variable of another");
    let flags: BTreeSet<String> = all().iter().map(Setting::flag).collect();
    assert_eq!(flags.len(), all().len());
}

#[test]
fn groups_are_in_order() {
    assert!(all().is_sorted_by_key(Setting::group));
}

#[test]
fn every_row_is_documented() {
    for row in all() {
        assert!(!row.accepts().is_empty() && row.help().ends_with('.'), "{row:?}");
        for text in [row.accepts(), row.help(), row.default()] {
            assert!(!text.contains(['|', '\n']), "a cell of a Markdown table and one line of help: {row:?}");
        }
        let legal = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
        assert!(row.variable().chars().all(legal), "{row:?}");
    }
}

#[test]
fn a_variable_and_its_file_are_known_and_nothing_else() {
    for known in ["METRICS_PORT", "METRICS_PORT_FILE", "METRICS_TLS_CERT_FILE", "METRICS_TLS_CERT_FILE_FILE"] {
        assert!(is_known(known), "{known}");
    }
    for unknown in ["METRICS_TLS_CERT", "METRICS_PROT", "METRICS_PORT_FILE_FILE", "METRICS_", "_FILE", ""] {
        assert!(!is_known(unknown), "{unknown}");
    }
}

#[test]
fn lookup_compares_whole_names() {
    assert!(std::ptr::eq(setting("METRICS_PORT"), setting("METRICS_PORT")));
    for (one, other) in [("A", "AB"), ("AB", "A"), ("", "A"), ("AB", "AC")] {
        assert!(!is_same(one, other), "{one} {other}");
    }
    assert!(is_same("AB", "AB") && is_same("", ""));
}

/// Every source file outside this folder, without its tests.
fn sources(folder: &Path, found: &mut String) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("settings/table") {
            sources(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") && !path.ends_with("settings/table.rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            found.push_str(text.split("#[cfg(test)]").next().unwrap());
        }
    }
}

#[test]
fn every_row_is_read_through_a_constant() {
    let mut text = String::new();
    sources(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src")), &mut text);
    for row in all() {
        assert!(text.contains(&format!("setting(\"{}\")", row.variable())), "nothing reads {}", row.variable());
    }
    let joined = text.replace("=\n    setting(\"", "= setting(\"");
    for line in joined.lines().filter(|line| line.contains(" setting(\"") && !line.contains("///")) {
        assert!(line.contains("const ") && line.contains(": &Setting = "), "not looked up at compile time: {line}");
    }
}
