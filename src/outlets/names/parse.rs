//! Reads `METRICS_MAPPING_JSON` and reports all of its errors together.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::error::{MappingError, NameError};
use super::{Mapping, Names, legal_prometheus};
use crate::catalog::{CLOUDWATCH_UNITS, Metric, find};

/// CloudWatch's limit for the name of a metric.
const MAX_NAME_LENGTH: usize = 255;

/// Names that a Pushgateway adds to every group.
const PUSHGATEWAY_NAMES: [&str; 2] = ["push_time_seconds", "push_failure_time_seconds"];

pub(super) fn mapping(text: &str) -> Result<Mapping, Vec<MappingError>> {
    let entries: Map<String, Value> =
        serde_json::from_str(text).map_err(|error| vec![MappingError::NotAnObject(error.to_string())])?;
    let mut mapping = Mapping::default();
    let mut errors = Vec::new();
    let mut given: BTreeMap<&str, &str> = BTreeMap::new();
    for (key, value) in &entries {
        let Some((metric, names)) = entry(key, value, &mut errors) else { continue };
        if let Some(other) = given.insert(metric.key, key) {
            errors.push(MappingError::SameMetric { first: other.to_owned(), second: key.clone() });
        }
        mapping.names.insert(metric.key, names);
    }
    find_clashes(&mapping, &mut errors);
    if errors.is_empty() { Ok(mapping) } else { Err(errors) }
}

/// `None` after recording at least one error.
fn entry(key: &str, value: &Value, errors: &mut Vec<MappingError>) -> Option<(&'static Metric, Names)> {
    let Some(metric) = find(key) else {
        errors.push(MappingError::unknown_key(key));
        return None;
    };
    let before = errors.len();
    let mut names = Names::of(metric);
    match value {
        Value::String(name) => rename(key, name, &mut names, errors),
        Value::Object(fields) => from_fields(key, fields, &mut names, errors),
        _ => errors.push(MappingError::WrongType { key: key.to_owned() }),
    }
    (errors.len() == before).then_some((metric, names))
}

fn from_fields(key: &str, fields: &Map<String, Value>, names: &mut Names, errors: &mut Vec<MappingError>) {
    let own_key = || key.to_owned();
    let mut given = None;
    for (field, value) in fields {
        match (field.as_str(), value) {
            ("name" | "metric" | "cloudwatch_name", Value::String(name)) => {
                if given.replace(name).is_some_and(|other| other != name) {
                    errors.push(MappingError::SeveralNames { key: own_key() });
                }
            }
            ("unit", Value::String(unit)) => match CLOUDWATCH_UNITS.iter().find(|known| *known == unit) {
                Some(unit) => names.unit = unit,
                None => errors.push(MappingError::UnknownUnit { key: own_key(), unit: unit.clone() }),
            },
            ("name" | "metric" | "cloudwatch_name" | "unit", _) => {
                errors.push(MappingError::NotText { key: own_key(), field: field.clone() });
            }
            _ => errors.push(MappingError::UnknownField { key: own_key(), field: field.clone() }),
        }
    }
    if let Some(name) = given {
        rename(key, name, names, errors);
    }
}

fn rename(key: &str, name: &str, names: &mut Names, errors: &mut Vec<MappingError>) {
    match prometheus_form(name) {
        Err(reason) => errors.push(MappingError::Name { key: key.to_owned(), name: name.to_owned(), reason }),
        Ok(legal) => {
            names.prometheus = legal;
            name.clone_into(&mut names.cloudwatch);
        }
    }
}

/// The name in Prometheus, if both outlets accept it.
fn prometheus_form(name: &str) -> Result<String, NameError> {
    let legal = legal_prometheus(name);
    let is_reserved = ["kdcube_metrics_", "process_"].iter().any(|prefix| legal.starts_with(prefix))
        || PUSHGATEWAY_NAMES.contains(&legal.as_str());
    match () {
        () if name.trim().is_empty() => Err(NameError::Blank),
        () if name.len() > MAX_NAME_LENGTH => Err(NameError::TooLong(MAX_NAME_LENGTH)),
        () if name.starts_with(':') || !name.chars().all(|c| c.is_ascii_graphic() || c == ' ') => {
            Err(NameError::Characters)
        }
        () if is_reserved => Err(NameError::Reserved),
        () => Ok(legal),
    }
}

fn find_clashes(mapping: &Mapping, errors: &mut Vec<MappingError>) {
    let mut prometheus: BTreeMap<&str, &str> = BTreeMap::new();
    let mut cloudwatch: BTreeMap<&str, &str> = BTreeMap::new();
    let mut clash = |outlet, name: &str, first: &str, second: &str| {
        let (name, first, second) = (name.to_owned(), first.to_owned(), second.to_owned());
        errors.push(MappingError::SameName { outlet, name, first, second });
    };
    for (key, names) in &mapping.names {
        if let Some(other) = prometheus.insert(&names.prometheus, key) {
            clash("Prometheus", &names.prometheus, other, key);
        } else if let Some(other) = cloudwatch.insert(&names.cloudwatch, key) {
            clash("CloudWatch", &names.cloudwatch, other, key);
        }
    }
}
