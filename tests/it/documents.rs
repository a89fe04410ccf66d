//! What the documents and the deployment files name exists: series with their labels, problem codes, and the tests of the
//! guarantees.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use kdcube_metrics::catalog::{self, Metric, own};
use kdcube_metrics::outlets::names::{platform_name, prometheus_name};
use kdcube_metrics::problems::code;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Labels that Prometheus and its operators add.
const SCRAPER_LABELS: [&str; 7] = ["job", "instance", "namespace", "pod", "service", "tenant", "project"];

/// Whether a name looks like a series and is an example: a job, a beginning, or the name of a mapped metric.
fn is_example(name: &str) -> bool {
    ["kdcube_metrics", "kdcube_m_429s"].contains(&name) || name.starts_with("kdcube_chat_") || name.ends_with('_')
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// Every document and deployment file that is text, with the quotes of JSON as they are meant.
fn documents() -> Vec<(PathBuf, String)> {
    let folders = ["docs", "deployment"].map(|folder| files(&Path::new(ROOT).join(folder)));
    let paths = folders.into_iter().flatten().chain([Path::new(ROOT).join("README.md")]);
    let text = |path: &PathBuf| Some(std::fs::read_to_string(path).ok()?.replace("\\\"", "\""));
    paths.filter_map(|path| Some((path.clone(), text(&path)?))).collect()
}

fn find(name: &str) -> Option<&'static Metric> {
    let family = |part: &str| name.strip_suffix(part).unwrap_or(name).to_owned();
    let names = [name.to_owned(), family("_bucket"), family("_sum"), family("_count")];
    let is_named = |metric: &&Metric| {
        let of_metric = if metric.is_own() {
            [metric.key.to_owned(), metric.key.to_owned()]
        } else {
            [prometheus_name(metric), platform_name(metric)]
        };
        of_metric.iter().any(|of_metric| names.contains(of_metric))
    };
    catalog::all().chain(own::all()).find(is_named)
}

/// Every name in a text with what follows it.
fn names(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.match_indices("kdcube_").filter_map(move |(at, _)| {
        if text[..at].ends_with(is_part) || text[..at].ends_with(['/', '-']) {
            return None;
        }
        let length = text[at..].find(|c| !is_part(c)).unwrap_or(text.len() - at);
        Some((&text[at..at + length], &text[at + length..]))
    })
}

/// The matchers of a selector such as `{window="15m",stat=~"mean|max"}`: label and alternatives.
fn matchers(after: &str) -> Vec<(String, Vec<String>)> {
    let Some(inner) = after.strip_prefix('{').and_then(|rest| rest.split_once('}')) else { return Vec::new() };
    let pairs = inner.0.split(',').filter_map(|pair| pair.split_once('='));
    let values = |value: &str| value.trim_matches(['~', '"', ' ']).split('|').map(str::to_owned).collect();
    pairs.map(|(label, value)| (label.trim().trim_end_matches('!').to_owned(), values(value))).collect()
}

/// The values that a label may have, where they are few and fixed.
fn allowed(label: &str) -> Option<BTreeSet<&'static str>> {
    match label {
        "window" => Some(["1m", "15m", "1h"].into()),
        "stat" => Some(["mean", "max"].into()),
        "percentile" => Some(["p50", "p95", "p99", "max"].into()),
        "component" => Some(["ingress", "proc"].into()),
        "code" => Some(code::all().map(|code| code.as_str()).collect()),
        _ => None,
    }
}

/// What is wrong with the selectors of a series.
fn wrong_selectors(metric: &Metric, after: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    for (label, values) in matchers(after) {
        let plain = label.chars().all(|c| c.is_ascii_lowercase() || c == '_') && !label.is_empty();
        if plain && !metric.labels.contains(&label.as_str()) && !SCRAPER_LABELS.contains(&label.as_str()) {
            wrong.push(format!("{} has no label {label}", metric.key));
        }
        let Some(allowed) = allowed(&label) else { continue };
        let unknown = values.iter().filter(|value| !value.contains('…') && !allowed.contains(value.as_str()));
        wrong.extend(unknown.map(|value| format!("{}: {label} is never {value}", metric.key)));
    }
    wrong
}

#[test]
fn every_series_that_a_document_names_exists_with_its_labels() {
    let mut wrong = Vec::new();
    for (path, text) in documents() {
        for (name, after) in names(&text).filter(|(name, _)| !is_example(name)) {
            match find(name) {
                Some(metric) => wrong.extend(
                    wrong_selectors(metric, after).into_iter().map(|what| format!("{}: {what}", path.display())),
                ),
                None => wrong.push(format!("{}: there is no {name}", path.display())),
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_selector_that_no_series_has_is_noticed() {
    let depth = find("kdcube_proc_queue_depth_window").unwrap();
    assert_eq!(wrong_selectors(depth, r#"{window="15m",stat="max"} > 3"#), [""; 0]);
    assert_eq!(wrong_selectors(depth, r#"{window="5m"}"#), ["proc_queue_depth_window: window is never 5m"]);
    assert_eq!(wrong_selectors(depth, r#"{role="paid"}"#), ["proc_queue_depth_window has no label role"]);
}

/// Each promise names at least one test, and the test exists.
#[test]
fn every_guarantee_has_its_test() {
    let page = std::fs::read_to_string(format!("{ROOT}/docs/guarantees.md")).unwrap();
    let sources: String = ["src", "tests"]
        .iter()
        .flat_map(|folder| files(&Path::new(ROOT).join(folder)))
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs" || extension == "py"))
        .map(|path| std::fs::read_to_string(path).unwrap())
        .collect();
    let rows: Vec<&str> = page.lines().filter(|line| line.starts_with("| ") && line.contains('`')).collect();
    assert!(rows.len() >= 30, "{} rows", rows.len());
    for row in rows {
        let tests: Vec<&str> = row.rsplit('|').nth(1).unwrap().split('`').skip(1).step_by(2).collect();
        assert!(!tests.is_empty(), "no test in: {row}");
        for test in tests {
            let is_there = [format!("fn {test}("), format!("def {test}(")].iter().any(|head| sources.contains(head));
            assert!(is_there, "there is no test {test}, named in: {row}");
        }
    }
}
