//! Reading `METRICS_MAPPING_JSON`: every problem is found and told at once.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Map, Value};

use super::{Mapping, Names, legal_prometheus};
use crate::catalog::{CLOUDWATCH_UNITS, Metric, all, find};

/// CloudWatch's limit.
const LONGEST_NAME: usize = 255;

pub(super) fn mapping(text: &str) -> Result<Mapping, Vec<String>> {
    let entries: Map<String, Value> =
        serde_json::from_str(text).map_err(|error| vec![format!("not a JSON object of metric keys: {error}")])?;
    let mut mapping = Mapping::default();
    let mut problems = Vec::new();
    let mut named: BTreeMap<&str, &str> = BTreeMap::new();
    for (key, value) in &entries {
        match entry(key, value, &mut problems) {
            Some((metric, names)) => {
                if let Some(other) = named.insert(metric.key, key) {
                    problems.push(format!("`{other}` and `{key}` are the same metric"));
                }
                mapping.names.insert(metric.key, names);
            }
            None => debug_assert!(!problems.is_empty(), "an entry is refused with a reason"),
        }
    }
    clashes(&mapping, &mut problems);
    mapping.mapped = all().map(|metric| metric.key).filter(|key| named.contains_key(key)).collect();
    if problems.is_empty() { Ok(mapping) } else { Err(problems) }
}

fn entry(key: &str, value: &Value, problems: &mut Vec<String>) -> Option<(&'static Metric, Names)> {
    let Some(metric) = find(key) else {
        problems.push(unknown_key(key));
        return None;
    };
    let before = problems.len();
    let mut names = Names::of(metric);
    match value {
        Value::String(name) => rename(key, name, &mut names, problems),
        Value::Object(fields) => from_fields(key, fields, &mut names, problems),
        _ => problems.push(format!("`{key}`: expected a name or an object with `name` and `unit`")),
    }
    (problems.len() == before).then_some((metric, names))
}

fn from_fields(key: &str, fields: &Map<String, Value>, names: &mut Names, problems: &mut Vec<String>) {
    let mut given = None;
    for (field, value) in fields {
        match (field.as_str(), value) {
            ("name" | "metric" | "cloudwatch_name", Value::String(name)) => {
                if given.replace(name).is_some_and(|other| other != name) {
                    problems.push(format!("`{key}`: `name`, `metric` and `cloudwatch_name` mean the same; give one"));
                }
            }
            ("unit", Value::String(unit)) => match CLOUDWATCH_UNITS.iter().find(|known| *known == unit) {
                Some(unit) => names.unit = unit,
                None => problems.push(format!(
                    "`{key}`: `{}` is not a CloudWatch unit (such as Count, Percent, Seconds, Milliseconds, None)",
                    shown(unit)
                )),
            },
            ("name" | "metric" | "cloudwatch_name" | "unit", _) => {
                problems.push(format!("`{key}`: `{field}` must be text"));
            }
            _ => problems.push(format!("`{key}`: unknown field `{}`; known: name, unit", shown(field))),
        }
    }
    if let Some(name) = given {
        rename(key, name, names, problems);
    }
}

/// Names that a Pushgateway writes into every group.
const PUSHGATEWAYS: [&str; 2] = ["push_time_seconds", "push_failure_time_seconds"];

fn rename(key: &str, name: &str, names: &mut Names, problems: &mut Vec<String>) {
    let legal = legal_prometheus(name);
    let trouble = if name.trim().is_empty() {
        Some("is blank".to_owned())
    } else if name.len() > LONGEST_NAME {
        Some(format!("has more than {LONGEST_NAME} characters"))
    } else if name.starts_with(':') || !name.chars().all(|c| c.is_ascii_graphic() || c == ' ') {
        Some("must be printable ASCII and not begin with `:`".to_owned())
    } else if legal.starts_with("kdcube_metrics_")
        || legal.starts_with("process_")
        || PUSHGATEWAYS.contains(&legal.as_str())
    {
        Some("is reserved for this server's own metrics or a Pushgateway's".to_owned())
    } else {
        None
    };
    match trouble {
        Some(trouble) => problems.push(format!("`{key}`: the name `{}` {trouble}", shown(name))),
        None => {
            names.prometheus = legal;
            name.clone_into(&mut names.cloudwatch);
        }
    }
}

fn clashes(mapping: &Mapping, problems: &mut Vec<String>) {
    let mut prometheus: BTreeMap<&str, &str> = BTreeMap::new();
    let mut cloudwatch: BTreeMap<&str, &str> = BTreeMap::new();
    for (key, names) in &mapping.names {
        if let Some(other) = prometheus.insert(&names.prometheus, key) {
            problems.push(format!("`{other}` and `{key}` end in one Prometheus name, `{}`", names.prometheus));
        } else if let Some(other) = cloudwatch.insert(&names.cloudwatch, key) {
            problems.push(format!("`{other}` and `{key}` end in one CloudWatch name, `{}`", names.cloudwatch));
        }
    }
}

fn unknown_key(key: &str) -> String {
    let mut line = format!("unknown metric key `{}`", shown(key));
    let last = key.rsplit('.').next().unwrap_or(key);
    let close = all().map(|metric| metric.key).find(|known| !last.is_empty() && known.contains(last));
    if let Some(close) = close {
        // Writing to a String cannot fail.
        let _ = write!(line, "; did you mean `{close}`?");
    }
    line
}

/// Enough of a foreign text to recognise it, on one line.
fn shown(text: &str) -> String {
    text.chars().take(60).map(|c| if c.is_control() { '?' } else { c }).collect()
}
