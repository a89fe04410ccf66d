//! The table of all exported metrics, the deployment's and the server's own: key, kind, unit, help, and how each is read.
//!
//! A new metric is one row in [`scalars`], [`families`] or [`own`]; every outlet follows. Metrics are read from the payload
//! and from [`telemetry`](crate::telemetry); names per outlet and text formats are in [`outlets`](crate::outlets).

mod families;
pub mod own;
mod scalars;
mod unit;

use serde_json::{Value, json};

use crate::analysis::SystemPayload;
use crate::telemetry::OwnState;

pub use unit::{CLOUDWATCH_UNITS, Unit};

/// How a metric moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Gauge,
    Counter,
    Histogram,
}

impl Kind {
    /// The name in TYPE lines and documents.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Gauge => "gauge",
            Self::Counter => "counter",
            Self::Histogram => "histogram",
        }
    }
}

/// One exported metric: a row of the table.
#[derive(Debug)]
pub struct Metric {
    /// Dotted for a scalar; for a family its Prometheus name without `kdcube_`; for an own metric its whole Prometheus
    /// name, which nothing renames.
    pub key: &'static str,
    pub unit: Unit,
    pub kind: Kind,
    /// A sentence or two, without a full stop at the end.
    pub help: &'static str,
    /// Label names, without a histogram's `le`; empty for a scalar.
    pub labels: &'static [&'static str],
    /// Other names of a scalar, accepted wherever a key is.
    pub aliases: &'static [&'static str],
    /// When and why there is no value.
    pub absent: &'static str,
    read: Read,
}

/// What a row is read from, and how.
#[derive(Debug)]
enum Read {
    Scalar(fn(&SystemPayload) -> Option<f64>),
    Family(fn(&SystemPayload, &mut Rows<'_>)),
    Own(fn(&OwnState, &mut Rows<'_>)),
}

/// What a scalar shows now: missing is a variant, never a number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Reading {
    Value(f64),
    /// Why there is no value.
    Absent(&'static str),
}

impl Reading {
    /// The value, if there is one.
    #[must_use]
    pub const fn value(self) -> Option<f64> {
        match self {
            Self::Value(value) => Some(value),
            Self::Absent(_) => None,
        }
    }
}

/// One value of one metric, in the metric's unit, always finite.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    pub metric: &'static Metric,
    pub labels: Vec<(&'static str, String)>,
    pub part: Part,
    pub value: f64,
}

/// What a sample's value is of its metric.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Part {
    /// The value of a gauge or a counter.
    Whole,
    /// A histogram's observations up to `le`, inclusive and cumulative. The last bucket's bound is infinite.
    Bucket { le: f64 },
    /// The sum of a histogram's observations.
    Sum,
    /// The number of a histogram's observations.
    Count,
}

/// Where the reader of a labelled row puts its values.
#[derive(Debug)]
struct Rows<'a> {
    metric: &'static Metric,
    out: &'a mut Vec<Sample>,
}

impl Rows<'_> {
    /// Adds a value under label values in the order of the row's labels; nothing if there is none.
    fn push(&mut self, labels: &[&str], value: impl Into<Option<f64>>) {
        self.push_part(labels, Part::Whole, value.into());
    }

    fn push_part(&mut self, labels: &[&str], part: Part, value: Option<f64>) {
        debug_assert_eq!(labels.len(), self.metric.labels.len(), "{}", self.metric.key);
        let Some(value) = value.filter(|value| value.is_finite()) else { return };
        let labels = self.metric.labels.iter().copied().zip(labels.iter().map(|label| (*label).to_owned())).collect();
        self.out.push(Sample { metric: self.metric, labels, part, value });
    }
}

/// A key names one row.
impl PartialEq for Metric {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl Eq for Metric {}

impl Metric {
    /// Whether it is one number with a dotted key, exported everywhere by default.
    #[must_use]
    pub const fn is_scalar(&self) -> bool {
        matches!(self.read, Read::Scalar(_))
    }

    /// Whether it is about this server, not about the deployment. Its name is fixed, and it is not pushed to CloudWatch.
    #[must_use]
    pub const fn is_own(&self) -> bool {
        matches!(self.read, Read::Own(_))
    }

    /// Its values in this payload; none, where the fact is absent.
    fn sample(&'static self, monitoring: &SystemPayload, out: &mut Vec<Sample>) {
        let mut rows = Rows { metric: self, out };
        match self.read {
            Read::Scalar(read) => rows.push(&[], read(monitoring)),
            Read::Family(read) => read(monitoring, &mut rows),
            Read::Own(_) => {}
        }
    }
}

/// Every metric of the deployment, scalars first, in a stable order; the server's own are [`own::all`].
pub fn all() -> impl Iterator<Item = &'static Metric> {
    scalars::TABLE.iter().chain(families::TABLE)
}

/// The deployment's metric that a key or an alias names.
#[must_use]
pub fn find(key: &str) -> Option<&'static Metric> {
    all().find(|metric| metric.key == key || metric.aliases.contains(&key))
}

/// Every scalar with what it shows in this payload.
pub fn scalars(monitoring: &SystemPayload) -> impl Iterator<Item = (&'static Metric, Reading)> {
    scalars::TABLE.iter().filter_map(|metric| match metric.read {
        Read::Scalar(read) => {
            let value = read(monitoring).filter(|value| value.is_finite());
            Some((metric, value.map_or(Reading::Absent(metric.absent), Reading::Value)))
        }
        Read::Family(_) | Read::Own(_) => None,
    })
}

/// What one scalar shows now, by key or alias.
#[must_use]
pub fn scalar(key: &str, monitoring: &SystemPayload) -> Option<f64> {
    match find(key)?.read {
        Read::Scalar(read) => read(monitoring).filter(|value| value.is_finite()),
        Read::Family(_) | Read::Own(_) => None,
    }
}

/// A value as JSON: whole numbers without a fraction, as people and most readers expect of counts.
#[must_use]
pub fn json_number(value: f64) -> Value {
    /// Up to here every whole number is exact.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    #[expect(clippy::cast_possible_truncation, reason = "whole and within the exact range")]
    if value.fract() == 0.0 && value.abs() < EXACT { json!(value as i64) } else { json!(value) }
}

/// Every value of every metric of the deployment, in table order.
#[must_use]
pub fn samples(monitoring: &SystemPayload) -> Vec<Sample> {
    let mut out = Vec::with_capacity(256);
    for metric in all() {
        metric.sample(monitoring, &mut out);
    }
    out
}

#[cfg(test)]
mod tests;
