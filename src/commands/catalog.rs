//! `catalog`: every exported metric as Markdown or JSON. `docs/metrics.md` is this output, and a test keeps them equal.

use std::fmt::Write;

use serde_json::{Value, json};

use super::{CommandError, Exit, names, print};
use crate::catalog::{Metric, all, own};
use crate::cli::{CatalogArgs, CatalogFormat};
use crate::outlets::names::{Mapping, platform_name, prometheus_name};
use crate::settings::Settings;

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

const MAPPED: &str = "\
The names below are those that `METRICS_MAPPING_JSON` and `METRICS_PROM_NAMES` give here.

";

pub(super) fn run(arguments: &CatalogArgs, settings: Settings) -> Result<Exit, CommandError> {
    let mapping = names(settings)?;
    print(&match arguments.format {
        CatalogFormat::Md => markdown(&mapping),
        CatalogFormat::Json => json(&mapping),
    })?;
    Ok(Exit::Success)
}

/// The page, with the names in force.
fn markdown(mapping: &Mapping) -> String {
    let mapped = if *mapping == Mapping::default() { "" } else { MAPPED };
    let mut page = [HEAD, mapped, SCALARS].concat();
    for metric in all().filter(|metric| metric.is_scalar()) {
        let aliases =
            if metric.aliases.is_empty() { String::new() } else { format!(" (also {})", quoted(metric.aliases)) };
        // Writing to a String cannot fail.
        let _ = writeln!(page, "| `{}`{aliases} | {}", metric.key, named(metric, "", mapping));
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
        let labels = format!("| {} ", quoted(metric.labels));
        let _ = writeln!(page, "| {}", named(metric, &labels, mapping));
    }
    page.push_str(OWN);
    for Metric { key, kind, labels, unit, help, absent, .. } in own::all() {
        let (kind, labels, unit) = (kind.as_str(), quoted(labels), unit.word());
        let _ = writeln!(page, "| `{key}` | {kind} | {labels} | {unit} | {help} | {absent} |");
    }
    page
}

/// A row from its names in Prometheus on.
fn named(metric: &'static Metric, labels: &str, mapping: &Mapping) -> String {
    let Metric { unit, help, absent, .. } = metric;
    let prometheus: Vec<&str> = mapping.prometheus_names(metric).collect();
    let (cloudwatch, _) = mapping.cloudwatch(metric);
    format!("{} {labels}| `{cloudwatch}` | {} | {help} | {absent} |", quoted(&prometheus), unit.word())
}

fn quoted(labels: &[&str]) -> String {
    if labels.is_empty() { "–".to_owned() } else { format!("`{}`", labels.join("`, `")) }
}

/// The same as JSON, one object per metric.
fn json(mapping: &Mapping) -> String {
    let metrics: Vec<Value> = all().map(|row| metric(row, mapping)).collect();
    let own: Vec<Value> = own::all().map(own_metric).collect();
    let mut text = serde_json::to_string_pretty(&json!({"metrics": metrics, "own": own})).unwrap_or_default();
    text.push('\n');
    text
}

/// `prometheus` is the name in force, the first where there are two; `prometheus_platform` the platform's own service's.
fn metric(metric: &'static Metric, mapping: &Mapping) -> Value {
    let mut prometheus = mapping.prometheus_names(metric);
    let (cloudwatch, cloudwatch_unit) = mapping.cloudwatch(metric);
    json!({
        "key": metric.key,
        "aliases": metric.aliases,
        "prometheus": prometheus.next(),
        "prometheus_also": prometheus.next(),
        "prometheus_platform": platform_name(metric),
        "cloudwatch": cloudwatch,
        "cloudwatch_unit": cloudwatch_unit,
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
    use crate::outlets::names::{Mapping, Naming};

    #[test]
    fn the_page_is_this_output() {
        let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/metrics.md")).unwrap();
        assert!(page == super::markdown(&Mapping::default()), "run: cargo run -- catalog > docs/metrics.md");
    }

    #[test]
    fn names_in_force_are_shown_in_both_formats() {
        let mapping = Mapping::parse(r#"{"proc.queue.total": "my.queue"}"#, Naming::Both).unwrap();
        let page = super::markdown(&mapping);
        assert!(
            page.contains("| `my_queue`, `kdcube_my_queue` | `my/queue` |") && page.contains(super::MAPPED),
            "{page}"
        );
        let json: serde_json::Value = serde_json::from_str(&super::json(&mapping)).unwrap();
        let queue =
            json["metrics"].as_array().unwrap().iter().find(|metric| metric["key"] == "proc.queue.total").unwrap();
        assert_eq!((&queue["prometheus"], &queue["prometheus_also"]), (&"my_queue".into(), &"kdcube_my_queue".into()));
    }

    #[test]
    fn the_json_names_every_metric() {
        let json: serde_json::Value = serde_json::from_str(&super::json(&Mapping::default())).unwrap();
        assert_eq!(json["metrics"].as_array().unwrap().len(), super::all().count());
        assert_eq!(json["metrics"][0]["prometheus"], "kdcube_ingress_sse_total_connections");
        let exec =
            json["metrics"].as_array().unwrap().iter().find(|metric| metric["key"] == "proc.exec.p95_ms").unwrap();
        assert_eq!(exec["prometheus_platform"], "kdcube_proc_exec_p95_ms");
        assert_eq!(json["own"].as_array().unwrap().len(), super::own::all().count());
        assert_eq!(json["own"][1]["prometheus"], "kdcube_metrics_up");
    }
}
