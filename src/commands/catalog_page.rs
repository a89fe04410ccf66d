//! The table of metrics as a document: `docs/metrics.md` is [`markdown`], and a test keeps them equal.

use std::fmt::Write;

use serde_json::{Value, json};

use crate::catalog::{Metric, all, own};
use crate::outlets::names::{cloudwatch_name, prometheus_name};

const HEAD: &str = "\
# Metrics

<!-- Generated: `kdcube-metrics catalog > docs/metrics.md` -->

One table in the program declares every metric; this page, every outlet and every name come from it. A value that is not
known is absent: no line in `/metrics`, `null` in `/api/v1/signals`, no data point in CloudWatch. It is never a zero.

`METRICS_MAPPING_JSON` renames metrics by key or alias; the mapped name is used everywhere, in Prometheus with illegal
characters as `_`. Two gauges have names that end like counters (`…_total`); they are declared untyped, not as
counters. Two keys that end in `_ms` have their alias as Prometheus name, because Prometheus has base units
only in names; their values are milliseconds, as of all scalars called latency, wait or execution. The families have the
same facts in seconds.

";

const SCALARS: &str = "\
## Scalars

One number each, exported everywhere by default.

| key | Prometheus | CloudWatch | unit | what | absent when |
|---|---|---|---|---|---|
";

const FAMILIES: &str = "
## Families

Labelled, in base units, for Prometheus and queries; CloudWatch gets them only when included.
`window` is `1m`, `15m` or `1h`; `stat` is `mean` or `max`.

| Prometheus | labels | CloudWatch | unit | what | absent when |
|---|---|---|---|---|---|
";

const OWN: &str = "
## The server about itself

On `/metrics`, even while there is no fresh snapshot; a Pushgateway gets `kdcube_metrics_up` and
`kdcube_metrics_snapshot_age_seconds`, CloudWatch none. `METRICS_MAPPING_JSON` does not rename them.

| Prometheus | kind | labels | unit | what | absent when |
|---|---|---|---|---|---|
";

/// The page.
#[must_use]
pub(super) fn markdown() -> String {
    let mut page = [HEAD, SCALARS].concat();
    for metric in all().filter(|metric| metric.is_scalar()) {
        let aliases = metric.aliases.iter().map(|alias| format!(" (also `{alias}`)")).collect::<String>();
        // Writing to a String cannot fail.
        let _ = writeln!(page, "| `{}`{aliases} | `{}` {}", metric.key, prometheus_name(metric), rest_of_row(metric));
    }
    page.push_str(FAMILIES);
    for metric in all().filter(|metric| !metric.is_scalar()) {
        let _ = writeln!(page, "| `{}` | {} {}", prometheus_name(metric), names(metric.labels), rest_of_row(metric));
    }
    page.push_str(OWN);
    for Metric { key, kind, labels, unit, help, absent, .. } in own::all() {
        let (kind, labels, unit) = (kind.as_str(), names(labels), unit.word());
        let _ = writeln!(page, "| `{key}` | {kind} | {labels} | {unit} | {help} | {absent} |");
    }
    page
}

fn rest_of_row(metric: &Metric) -> String {
    let Metric { unit, help, absent, .. } = metric;
    format!("| `{}` | {} | {help} | {absent} |", cloudwatch_name(metric), unit.word())
}

fn names(labels: &[&str]) -> String {
    if labels.is_empty() { "–".to_owned() } else { format!("`{}`", labels.join("`, `")) }
}

/// The same as JSON, one object per metric.
#[must_use]
pub(super) fn json() -> String {
    let metrics: Vec<Value> = all().map(metric).collect();
    let own: Vec<Value> = own::all().map(own_metric).collect();
    let mut text = serde_json::to_string_pretty(&json!({"metrics": metrics, "own": own})).unwrap_or_default();
    text.push('\n');
    text
}

fn metric(metric: &'static Metric) -> Value {
    json!({
        "key": metric.key,
        "aliases": metric.aliases,
        "prometheus": prometheus_name(metric),
        "cloudwatch": cloudwatch_name(metric),
        "cloudwatch_unit": metric.unit.cloudwatch(),
        "unit": metric.unit.word(),
        "kind": metric.kind.as_str(),
        "labels": metric.labels,
        "help": metric.help,
        "absent": metric.absent,
    })
}

fn own_metric(metric: &'static Metric) -> Value {
    json!({
        "prometheus": metric.key,
        "unit": metric.unit.word(),
        "kind": metric.kind.as_str(),
        "labels": metric.labels,
        "help": metric.help,
        "absent": metric.absent,
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_page_is_this_output() {
        let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/metrics.md")).unwrap();
        assert!(page == super::markdown(), "run: cargo run -- catalog > docs/metrics.md");
    }

    #[test]
    fn the_json_names_every_metric() {
        let json: serde_json::Value = serde_json::from_str(&super::json()).unwrap();
        assert_eq!(json["metrics"].as_array().unwrap().len(), super::all().count());
        assert_eq!(json["metrics"][0]["prometheus"], "kdcube_ingress_sse_total_connections");
        assert_eq!(json["own"].as_array().unwrap().len(), super::own::all().count());
        assert_eq!(json["own"][1]["prometheus"], "kdcube_metrics_up");
    }
}
