//! The rooms' import order, as ARCHITECTURE.md states it: a room imports only rooms that stand before it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The rooms in import order: the line of ARCHITECTURE.md below "Import order".
fn order() -> Vec<String> {
    let page = std::fs::read_to_string(format!("{ROOT}/ARCHITECTURE.md")).unwrap();
    let (_, rest) = page.split_once("## Import order").expect("ARCHITECTURE.md states the import order");
    let block = rest.split("```").nth(1).expect("a fenced block holds it");
    block
        .split_whitespace()
        .filter(|word| word.starts_with(char::is_alphabetic) && *word != "text")
        .map(str::to_owned)
        .collect()
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let nested = entries.flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] });
    nested.filter(|path| path.extension().is_some_and(|extension| extension == "rs")).collect()
}

/// The room that a file belongs to; `None` for the crate's roots, which declare the rooms.
fn room(path: &Path) -> Option<String> {
    let relative = path.strip_prefix(format!("{ROOT}/src")).unwrap();
    let first = relative.components().next().unwrap().as_os_str().to_str().unwrap();
    let name = first.trim_end_matches(".rs");
    (!["lib", "main"].contains(&name)).then(|| name.to_owned())
}

/// The code of a file: without comments, and without its unit tests, which may use any room.
fn code(text: &str) -> String {
    let production = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    production.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// Rooms that the code names behind `crate::`, in a `use` or in a path.
fn imported(code: &str) -> BTreeSet<String> {
    let mut rooms = BTreeSet::new();
    for after in code.split("crate::").skip(1) {
        match after.strip_prefix('{') {
            Some(group) => rooms.extend(members(group)),
            None => rooms.extend(first_word(after)),
        }
    }
    rooms
}

fn first_word(text: &str) -> Option<String> {
    let word: String = text.chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect();
    (!word.is_empty()).then_some(word)
}

/// The first words of a `use crate::{…}` group; what is nested deeper is no room.
fn members(group: &str) -> Vec<String> {
    let (mut depth, mut members, mut member) = (1, Vec::new(), String::new());
    for c in group.chars() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 1 => members.extend(first_word(std::mem::take(&mut member).trim())),
            c if depth == 1 => member.push(c),
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    members.extend(first_word(member.trim()));
    members
}

#[test]
fn rooms_import_one_way() {
    let order = order();
    let place = |room: &str| order.iter().position(|known| known == room);
    let mut wrong = Vec::new();
    for path in sources(Path::new(&format!("{ROOT}/src"))) {
        let Some(own) = room(&path) else { continue };
        if path.file_name().is_some_and(|name| name == "tests.rs") || path.to_string_lossy().contains("/tests/") {
            continue;
        }
        let Some(own_place) = place(&own) else {
            wrong.push(format!("{}: {own} is not in ARCHITECTURE.md's import order", path.display()));
            continue;
        };
        let text = std::fs::read_to_string(&path).unwrap();
        for other in imported(&code(&text)) {
            if other != own && place(&other).is_none_or(|other| other > own_place) {
                wrong.push(format!("{}: {own} imports {other}, which stands behind it", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn lib_rs_declares_the_rooms_in_that_order() {
    let lib = std::fs::read_to_string(format!("{ROOT}/src/lib.rs")).unwrap();
    let declared: Vec<&str> = lib.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';')).collect();
    assert_eq!(declared, order());
}

#[test]
fn an_import_is_found_in_every_form() {
    let code =
        "use crate::base::{clock, files};\nuse crate::{catalog, engine::{tick, x}, tls};\nlet a = crate::app::run();";
    assert_eq!(imported(code).into_iter().collect::<Vec<_>>(), ["app", "base", "catalog", "engine", "tls"]);
}
