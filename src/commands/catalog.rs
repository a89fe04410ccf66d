//! `catalog`: every exported metric as Markdown or JSON. `docs/metrics.md` is this output, and a test keeps them equal.

use std::fmt::Write;

use serde_json::{Value, json};

use super::{CommandError, Exit, print};
use crate::catalog::{Metric, all, own};
use crate::cli::{CatalogArgs, CatalogFormat};
use crate::outlets::names::{cloudwatch_name, cloudwatch_unit, platform_name, prometheus_name};

const HEAD: &str = "\
# Metrics

<!-- Generated: `kdcube-metrics catalog > docs/metrics.md` -->

One table in the program declares every metric; this page, every outlet and every name come from it. A value that is not
known is absent: no line in `/metrics`, `null` in `/api/v1/signals`, no data point in CloudWatch. It is never a zero.

`METRICS_MAPPING_JSON` renames metrics by key or alias; the mapped name is used everywhere, in CloudWatch with `/` for `.`,
in Prometheus with illegal characters as `_`. Two gauges have names that end like counters (`…_total`); they are declared
untyped, not as counters. The `_ms` of two keys is not in their Prometheus names, because Prometheus has base units
only in names; their values are milliseconds, as of all scalars called latency, wait or execution. The families have the
same facts in seconds.

";

const SCALARS: &str = "\
## Scalars

One number each, exported everywhere by default; but CloudWatch gets `proc.active_tasks` only where
`METRICS_CLOUDWATCH_INCLUDE` names it, because every metric there costs money.

| key | Prometheus | CloudWatch | unit | what | absent when |
|---|---|---|---|---|---|
";

const SUGGESTED: &str = "
The platform's guide to autoscaling suggests keys that its metrics service does not export. They are accepted wherever a
key is: `proc.queue.depth`, `proc.queue.wait_ms_p95` and `ingress.throttling.rate_limit_429` are other words for the same
number. `proc.capacity.utilization` is `proc.queue.utilization_ratio`: capacity is counted in tasks, worked on and queued, so
the tasks over the capacity are how much of it is used. `proc.active_tasks` is a metric of its own, because no queue metric
counts only the tasks that are worked on; it equals `load_tasks` of the component `proc`.
";

const PLATFORM_NAMES: &str = "
## Names of the platform's metrics service

`METRICS_PROM_NAMES=platform` exports the Prometheus names that the platform's own metrics service has, for rules and
dashboards that were written for it; `both` exports a metric under its default name and, where that differs, under the
platform's. They differ in three ways:

- A mapped name gets the prefix `kdcube_`: `chat/queue` is `kdcube_chat_queue`, by default `chat_queue`.
- A mapped name that begins with a digit gets `m_`: `429s` is `kdcube_m_429s`, by default `_429s`.
- A key keeps its `_ms`, which promtool's linter reports:
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

On `/metrics`, even while there is no fresh snapshot; a Pushgateway gets `kdcube_metrics_up`, the age and time of the snapshot
and `kdcube_metrics_scope_found`, CloudWatch none. `METRICS_MAPPING_JSON` does not rename them.

| Prometheus | kind | labels | unit | what | absent when |
|---|---|---|---|---|---|
";

pub(super) fn run(arguments: &CatalogArgs) -> Result<Exit, CommandError> {
    print(&match arguments.format {
        CatalogFormat::Md => markdown(),
        CatalogFormat::Json => json(),
    })?;
    Ok(Exit::Success)
}

/// The page.
fn markdown() -> String {
    let mut page = [HEAD, SCALARS].concat();
    for metric in all().filter(|metric| metric.is_scalar()) {
        let aliases =
            if metric.aliases.is_empty() { String::new() } else { format!(" (also {})", names(metric.aliases)) };
        // Writing to a String cannot fail.
        let _ = writeln!(page, "| `{}`{aliases} | `{}` {}", metric.key, prometheus_name(metric), rest_of_row(metric));
    }
    page.push_str(SUGGESTED);
    page.push_str(PLATFORM_NAMES);
    for (default, platform) in all().map(|metric| (prometheus_name(metric), platform_name(metric))) {
        if default != platform {
            let _ = writeln!(page, "  - `{platform}`, by default `{default}`");
        }
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
fn json() -> String {
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
        "prometheus_platform": platform_name(metric),
        "cloudwatch": cloudwatch_name(metric),
        "cloudwatch_unit": cloudwatch_unit(metric),
        "cloudwatch_default": metric.cloudwatch_default,
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
        let exec =
            json["metrics"].as_array().unwrap().iter().find(|metric| metric["key"] == "proc.exec.p95_ms").unwrap();
        assert_eq!(exec["prometheus_platform"], "kdcube_proc_exec_p95_ms");
        assert_eq!(json["own"].as_array().unwrap().len(), super::own::all().count());
        assert_eq!(json["own"][1]["prometheus"], "kdcube_metrics_up");
    }
}
