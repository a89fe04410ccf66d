//! The metrics of two `/metrics` pages by name: what only one page has, what is renamed, and whose values differ.

use std::collections::BTreeMap;

use super::difference::in_range;
use super::known::Known;
use crate::catalog;
use crate::outlets::names::prometheus_name;

/// Values by name; `None` where the metric has labels, which the Python service never uses.
pub(super) type Page = BTreeMap<String, Option<f64>>;

/// A metric of their page that ours has not, or has with another value.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct NameDifference {
    pub(super) name: String,
    pub(super) theirs: Option<f64>,
    /// The name here, where it is another one.
    pub(super) renamed: Option<String>,
    pub(super) own: Option<f64>,
    pub(super) known: Option<Known>,
}

/// The samples of a page in the text format. Lines that are not samples are skipped.
pub(super) fn page(text: &str) -> Page {
    text.lines().filter(|line| !line.starts_with('#')).filter_map(sample).collect()
}

fn sample(line: &str) -> Option<(String, Option<f64>)> {
    if let Some((name, _)) = line.split_once('{') {
        return Some((name.to_owned(), None));
    }
    let (name, value) = line.split_once(' ')?;
    Some((name.to_owned(), value.split(' ').next()?.parse().ok()))
}

/// All differences, as seen from their page: metrics that only we have break nothing.
/// `own` is what this server showed around the time of theirs, the newest last.
pub(super) fn between(theirs: &Page, own: &[&Page], tolerance: f64) -> Vec<NameDifference> {
    theirs.iter().filter_map(|(name, value)| of_name(name, *value, own, tolerance)).collect()
}

/// How many metrics are ours only, the renamed ones not counted.
pub(super) fn additional(theirs: &Page, own: &Page) -> usize {
    let renamed: Vec<String> = theirs.keys().filter_map(|name| renamed(name, own)).collect();
    own.keys().filter(|name| !theirs.contains_key(*name) && !renamed.contains(name)).count()
}

fn of_name(name: &str, theirs: Option<f64>, own: &[&Page], tolerance: f64) -> Option<NameDifference> {
    let found = |renamed: Option<String>, own: Option<f64>, known: Option<Known>| {
        Some(NameDifference { name: name.to_owned(), theirs, renamed, own, known })
    };
    let newest = |name: &str| own.last().and_then(|page| page.get(name)).copied().flatten();
    if own.iter().any(|page| page.contains_key(name)) {
        let value = newest(name);
        let equal = describes_the_server(name) || same(name, theirs, own, tolerance);
        return if equal { None } else { found(None, value, None) };
    }
    if let Some(renamed) = own.iter().find_map(|page| renamed(name, page)) {
        let value = newest(&renamed);
        let known = same(&renamed, theirs, own, tolerance).then_some(Known::MetricNames);
        return found(Some(renamed), value, known);
    }
    found(None, None, absent_here(name).then_some(Known::KeptGauges))
}

/// Whether the value is one of the server, not of the deployment.
fn describes_the_server(name: &str) -> bool {
    name.starts_with("kdcube_metrics_") || name.starts_with("process_")
}

/// Whether our metric `name` has their value.
fn same(name: &str, theirs: Option<f64>, own: &[&Page], tolerance: f64) -> bool {
    let values: Vec<Option<f64>> = own.iter().filter_map(|page| page.get(name).copied()).collect();
    let Some(theirs) = theirs else { return values.contains(&None) };
    in_range(theirs, &values.into_iter().flatten().collect::<Vec<_>>(), tolerance)
}

/// Our name of a metric that the Python service names otherwise: it keeps `_ms`, puts `kdcube_` before mapped names, and
/// `m_` before a digit.
fn renamed(name: &str, own: &Page) -> Option<String> {
    if own.contains_key(name) {
        return None;
    }
    let unprefixed = name.strip_prefix("kdcube_");
    let candidates = [
        name.strip_suffix("_ms").map(str::to_owned),
        unprefixed.map(str::to_owned),
        unprefixed.and_then(|name| name.strip_prefix("m_")).map(|name| format!("_{name}")),
    ];
    candidates.into_iter().flatten().find(|candidate| own.contains_key(candidate))
}

/// Whether it is a metric of ours that has no value now.
fn absent_here(name: &str) -> bool {
    let short = name.strip_suffix("_ms").unwrap_or(name);
    catalog::all().map(prometheus_name).any(|own| own == name || own == short)
}

#[cfg(test)]
mod tests {
    use super::*;

    const THEIRS: &str = "\
# HELP kdcube_proc_queue_total kdcube metric
# TYPE kdcube_proc_queue_total gauge
kdcube_proc_queue_total 3.0
kdcube_proc_queue_wait_p95_ms 120.0
kdcube_my_queue_total 3.0
kdcube_m_429s 0.0
";
    const OWN: &str = "\
kdcube_proc_queue_total 3
kdcube_proc_queue_wait_p95 120
my_queue_total 3
_429s 0
kdcube_processes{component=\"proc\",status=\"stale\"} 0
kdcube_processes{component=\"proc\",status=\"healthy\"} 2
";

    fn known(theirs: &str, own: &str) -> Vec<(String, Option<Known>)> {
        let found = between(&page(theirs), &[&page(own)], 0.05);
        found.into_iter().map(|difference| (difference.name, difference.known)).collect()
    }

    #[test]
    fn a_page_is_read_by_name() {
        let read = page("# TYPE a gauge\na 1\nb{x=\"y z\"} 2\nc 3 1767225600\nd NaN\n\nodd\ne x\n");
        assert_eq!(read.keys().collect::<Vec<_>>(), ["a", "b", "c", "d", "e"]);
        assert_eq!((read["a"], read["b"], read["c"], read["e"]), (Some(1.0), None, Some(3.0), None));
    }

    #[test]
    fn renamed_metrics_are_found_by_the_three_rules() {
        let differences = between(&page(THEIRS), &[&page(OWN)], 0.05);
        let renamed: Vec<_> = differences.iter().map(|found| (found.name.as_str(), found.renamed.as_deref())).collect();
        assert_eq!(
            renamed,
            [
                ("kdcube_m_429s", Some("_429s")),
                ("kdcube_my_queue_total", Some("my_queue_total")),
                ("kdcube_proc_queue_wait_p95_ms", Some("kdcube_proc_queue_wait_p95")),
            ]
        );
        assert!(differences.iter().all(|found| found.known.is_some()), "{differences:?}");
        assert_eq!(additional(&page(THEIRS), &page(OWN)), 1);
    }

    #[test]
    fn a_renamed_metric_with_another_value_is_not_explained() {
        let own = OWN.replace("p95 120", "p95 60");
        assert!(known(THEIRS, &own).contains(&("kdcube_proc_queue_wait_p95_ms".to_owned(), None)));
    }

    #[test]
    fn values_of_the_same_name_are_compared() {
        for (theirs, own, expected) in [("a 100", "a 105", 0), ("a 100", "a 110", 1), ("a 1", "a{x=\"1\"} 1", 1)] {
            assert_eq!(known(theirs, own).len(), expected, "{theirs}, {own}");
        }
        assert_eq!(known("a 100", "a 110"), [("a".to_owned(), None)]);
        let server = ["kdcube_metrics_snapshot_age_seconds", "process_threads"];
        assert!(server.iter().all(|name| known(&format!("{name} 1"), &format!("{name} 9")).is_empty()));
    }

    #[test]
    fn a_metric_that_moves_or_appears_between_two_snapshots_is_the_same() {
        for (theirs, before, after, same) in
            [("a 15", "a 10", "a 20", true), ("a 15", "", "a 15", true), ("a 30", "a 10", "a 20", false)]
        {
            let found = between(&page(theirs), &[&page(before), &page(after)], 0.05);
            assert_eq!(found.is_empty(), same, "{theirs}: {before}, {after}");
        }
    }

    #[test]
    fn a_metric_without_a_value_here_is_kept_there_and_an_unknown_one_is_missing() {
        assert_eq!(
            known("kdcube_proc_exec_p95_ms 7", ""),
            [("kdcube_proc_exec_p95_ms".to_owned(), Some(Known::KeptGauges))]
        );
        assert_eq!(known("kdcube_no_such 7", ""), [("kdcube_no_such".to_owned(), None)]);
        assert_eq!(additional(&page(""), &page("a 1")), 1);
    }
}
