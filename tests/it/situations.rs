//! The situations of docs/troubleshooting.md, each caused with real servers: the page, the problems, `check` and the log
//! name its cause and remedy, and the document shows the line that is really printed.

mod access;
mod inputs;
mod outlets;
mod source;
mod workers;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::redis_source::run;
use crate::support::{GATEWAY, RedisServer, Server, eventually, program, request};

const P: &str = "acme:chat:kdcube";
const LIMIT: Duration = Duration::from_secs(20);
const DOCUMENT: &str = include_str!("../../docs/troubleshooting.md");

/// A row of the document.
struct Situation<'a> {
    /// The row's first column.
    name: &'a str,
    code: &'a str,
    /// What subject and detail of the problem say, everywhere.
    words: &'a [&'a str],
    /// The bearer token that the server wants.
    token: Option<&'a str>,
}

impl<'a> Situation<'a> {
    fn new(name: &'a str, code: &'a str, words: &'a [&'a str]) -> Self {
        Self { name, code, words, token: None }
    }

    /// The page and the API name it with its remedy, the log with the line of the document.
    fn named_by(&self, server: &Server) {
        self.shown_by(server);
        let code = format!("problem code=\"{}\"", self.code);
        let parts = [&[code.as_str()], self.words].concat();
        documented(self.name, &log_line(server, &parts));
    }

    /// The page and the API name it with its remedy.
    fn shown_by(&self, server: &Server) {
        let is_it = |problem: &Value| {
            let text =
                [&problem["subject"], &problem["detail"]].map(|text| text.as_str().unwrap_or_default()).join(" ");
            problem["code"] == self.code && self.words.iter().all(|word| text.contains(word))
        };
        let find =
            || self.get(server, "/api/v1/problems").json()["problems"].as_array()?.iter().find(|p| is_it(p)).cloned();
        let what = format!("{} with {:?}", self.code, self.words);
        eventually(&what, LIMIT, || find().is_some());
        let remedy = remedy(self.code);
        eventually(&format!("{what} on the page"), LIMIT, || {
            let page = unescaped(&self.get(server, "/").text());
            self.words.iter().chain([&self.code, &remedy]).all(|word| page.contains(word))
        });
        assert!(find().is_none_or(|problem| problem["remedy"] == remedy));
    }

    /// `check` names it with its remedy, in the line that begins with `label`.
    fn checked(&self, label: &str, variables: &[(&str, &str)]) {
        let table = check(variables);
        let line = table.lines().position(|line| line.starts_with(&format!("{label} ")));
        let [line, after] =
            [0, 1].map(|next| table.lines().nth(line.unwrap_or(usize::MAX / 2) + next).unwrap_or_default());
        assert!(self.words.iter().all(|word| line.contains(word)), "no {label} with {:?} in\n{table}", self.words);
        assert!(after.contains(remedy(self.code)), "no remedy of {} in\n{table}", self.code);
    }

    fn get(&self, server: &Server, path: &str) -> crate::support::Answer {
        let token = self.token.map(|token| format!("Bearer {token}"));
        let headers: Vec<(&str, &str)> = token.iter().map(|token| ("Authorization", token.as_str())).collect();
        request(server.port(), "GET", path, &headers)
    }
}

fn remedy(code: &str) -> &'static str {
    kdcube_metrics::problems::code::all().find(|known| known.as_str() == code).unwrap().remedy()
}

/// What `check` prints, on a port that nobody has.
fn check(variables: &[(&str, &str)]) -> String {
    let variables = [&[GATEWAY, ("METRICS_PORT", "0")], variables].concat();
    let output = program(&variables, &["check"]).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

/// The first line of the log with all of these.
fn log_line(server: &Server, parts: &[&str]) -> String {
    let find = || server.log().lines().find(|line| parts.iter().all(|part| line.contains(part))).map(str::to_owned);
    eventually(&format!("{parts:?} in the log"), LIMIT, || find().is_some());
    find().unwrap()
}

fn unescaped(html: &str) -> String {
    html.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&")
}

/// The table: each situation with the line that names it.
fn rows() -> Vec<(&'static str, &'static str)> {
    let table = DOCUMENT.split("| situation |").nth(1).expect("the table of situations");
    let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    rows.map(|row| row.trim_matches(['|', ' ']).split_once(" | ").unwrap()).collect()
}

/// Asserts that the document shows this line, or the telling part of it, for a situation; numbers may differ.
fn documented(name: &str, line: &str) {
    let (_, shown) = *rows().iter().find(|(row, _)| *row == name).unwrap_or_else(|| panic!("no row {name}"));
    let shown = shown.trim_matches('`').trim_end_matches(" …");
    assert!(normalised(line).contains(&normalised(shown)), "{name}\n  shown:   {shown}\n  printed: {line}");
}

/// With N for each number, address and version.
fn normalised(text: &str) -> String {
    let mut plain = String::new();
    for (place, c) in text.char_indices() {
        let is_inner = c == '.' && text[place + 1..].starts_with(|next: char| next.is_ascii_digit());
        match c {
            '0'..='9' if plain.ends_with('N') => {}
            '0'..='9' => plain.push('N'),
            '.' if plain.ends_with('N') && is_inner => {}
            _ => plain.push(c),
        }
    }
    plain
}

/// The document's session: each command with what it prints.
fn session() -> Vec<(&'static str, String)> {
    let block = DOCUMENT.split("```console\n").nth(1).and_then(|rest| rest.split("```").next()).expect("a session");
    let commands = block.split("$ ").skip(1).map(|part| part.split_once('\n').unwrap());
    commands.map(|(command, output)| (command, output.to_owned())).collect()
}

#[test]
fn the_commands_of_the_document_print_what_it_shows() {
    let redis = RedisServer::start();
    run(&redis, &[&["SET", "Acme:chat:kdcube:circuit_breaker:authentication:state", "closed"]]);
    let url = redis.url();
    let server = Server::ready(&[("REDIS_URL", &url)]);
    let (port, folder) = (server.port().to_string(), Path::new(env!("CARGO_BIN_EXE_kdcube-metrics")).parent().unwrap());
    let path = format!("{}:{}", folder.display(), std::env::var_os("PATH").unwrap().display());
    let variables = [GATEWAY, ("REDIS_URL", &url), ("METRICS_PORT", &port), ("PATH", &path)];
    assert_eq!(session().len(), 4);
    for (command, shown) in session() {
        let command = command.replace("localhost:8090", &format!("localhost:{port}"));
        let output = Command::new("bash").args(["-c", &command]).env_clear().envs(variables).output().unwrap();
        let printed = String::from_utf8(output.stdout).unwrap();
        assert_eq!(normalised(&printed), normalised(&shown), "{command}");
    }
}

#[test]
fn numbers_and_addresses_are_alike_and_words_are_not() {
    assert_eq!(normalised("10.0.0.5:6379, -2.5 s. v1.2"), "N:N, -N s. vN");
    assert_ne!(normalised("ahead 1"), normalised("behind 1"));
}

/// Every row is caused by one of the tests here.
#[test]
fn every_situation_of_the_document_has_its_test() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/situations");
    let files = std::fs::read_dir(folder).unwrap().map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap());
    let tests: String = files.collect();
    let names: BTreeSet<&str> = rows().iter().map(|(name, _)| *name).collect();
    assert!(names.len() >= 20 && names.len() == rows().len(), "{names:?}");
    let missing: Vec<&&str> = names.iter().filter(|name| !tests.contains(&format!("\"{name}\""))).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
