//! What was found in deployments in the field and misled earlier versions: Redis contents in, what must be exported, absent
//! or reported out, through the real binary and a real redis-server. Those of the leading signals are of the same form.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use crate::cases::{self, Input, TOLERANCE};
use crate::support::RedisServer;

#[derive(Deserialize)]
struct Case {
    #[serde(flatten)]
    input: Input,
    expected: Expected,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Expected {
    scalars: BTreeMap<String, f64>,
    /// Scalars.
    absent: Vec<String>,
    /// Sample of the text format → value.
    families: BTreeMap<String, f64>,
    families_absent: Vec<String>,
    /// Codes, as logged.
    problems: Vec<String>,
    /// Texts that no output holds.
    nowhere: Vec<String>,
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn check_scalars(expected: &Expected, scalars: &Value, found: &mut Vec<String>) {
    for (key, value) in &expected.scalars {
        if scalars[key].as_f64().is_none_or(|own| (own - value).abs() > TOLERANCE) {
            found.push(format!("{key}: expected {value}, got {}", scalars[key]));
        }
    }
    for key in expected.absent.iter().filter(|key| !scalars[key.as_str()].is_null()) {
        found.push(format!("{key}: expected to be absent, got {}", scalars[key]));
    }
}

fn check_families(expected: &Expected, exposition: &str, found: &mut Vec<String>) {
    let value = |sample: &str| {
        let line =
            exposition.lines().find(|line| line.strip_prefix(sample).is_some_and(|rest| rest.starts_with(' ')))?;
        line.rsplit_once(' ')?.1.parse::<f64>().ok()
    };
    for (sample, expected) in &expected.families {
        if value(sample) != Some(*expected) {
            found.push(format!("{sample}: expected {expected}, got {:?}", value(sample)));
        }
    }
    for sample in expected.families_absent.iter().filter(|sample| value(sample).is_some()) {
        found.push(format!("{sample}: expected to be absent"));
    }
}

fn check(path: &Path, server: &RedisServer) -> Vec<String> {
    let case: Case = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    case.input.load(&mut server.connection());
    let [scalars, system, exposition] =
        ["scalars", "system", "prometheus"].map(|format| case.input.snapshot(server, &["--format", format]));
    let (log, exported) = (text(&scalars.stderr), text(&exposition.stdout));
    let mut found = Vec::new();
    check_scalars(&case.expected, &serde_json::from_slice(&scalars.stdout).unwrap(), &mut found);
    check_families(&case.expected, &exported, &mut found);
    for code in case.expected.problems.iter().filter(|code| !log.contains(code.as_str())) {
        found.push(format!("the problem {code} is not reported: {log}"));
    }
    let outputs = [&log, &exported, &text(&system.stdout), &text(&scalars.stdout)];
    for secret in case.expected.nowhere.iter().filter(|secret| outputs.iter().any(|out| out.contains(secret.as_str())))
    {
        found.push(format!("{secret} is shown"));
    }
    found
}

#[test]
fn every_case_of_the_field_is_told_as_it_is() {
    let server = RedisServer::start();
    let cases = cases::files("tests/field/cases");
    assert_eq!(cases.len(), 14);
    cases::assert_each(cases, |path| check(path, &server));
}

/// Worked out by hand; each description has the arithmetic.
#[test]
fn every_case_of_the_leading_signals_gives_what_was_worked_out() {
    let server = RedisServer::start();
    let cases = cases::files("tests/signals/cases");
    assert_eq!(cases.len(), 8);
    cases::assert_each(cases, |path| check(path, &server));
}
