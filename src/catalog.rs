//! The one table of all exported metrics: what each is called, measures and is read from.
//!
//! A new metric is one row in [`scalars`] or [`families`]; every outlet follows. Reads the state and knows no sink; names
//! and rendering belong to the outlets.

mod families;
pub mod own;
mod scalars;
mod unit;

use std::sync::Arc;

use serde_json::{Value, json};

use crate::analysis::SystemState;
use crate::analysis::state::{Cause, Reading};
use crate::platform::facts::Scope;

pub use unit::{CLOUDWATCH_UNITS, Unit};

/// How a metric moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Gauge,
    Counter,
    Histogram,
}

impl Kind {
    /// The word in TYPE lines and documents.
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
    /// Dotted for a scalar; for a family its Prometheus name without `kdcube_`.
    pub key: &'static str,
    pub unit: Unit,
    pub kind: Kind,
    /// One sentence, without a full stop.
    pub help: &'static str,
    /// Names of a family's labels; empty for a scalar.
    pub labels: &'static [&'static str],
    /// Other names of a scalar, accepted wherever a key is.
    pub aliases: &'static [&'static str],
    /// When there is no value, for documents; why there is none now is in the [`Reading`].
    pub absent: &'static str,
    /// Whether CloudWatch gets it unless configured otherwise. A new row must not cost money by itself: only `true` for
    /// what has always been sent.
    pub cloudwatch_default: bool,
    read: Read,
}

/// How a row's values come out of the state.
#[derive(Debug)]
enum Read {
    Scalar(fn(&SystemState) -> Reading<f64>),
    Family(fn(&SystemState, &mut Rows<'_>)),
}

/// What every exporter takes: one value of one metric, in the metric's unit, always finite.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    pub metric: &'static Metric,
    pub labels: Vec<(&'static str, String)>,
    pub value: f64,
    /// Whose value it is; `None` where the source does not say.
    pub scope: Option<Arc<Scope>>,
}

/// Where a family's reader puts its values.
#[derive(Debug)]
struct Rows<'a> {
    metric: &'static Metric,
    scope: Option<&'a Arc<Scope>>,
    out: &'a mut Vec<Sample>,
}

impl Rows<'_> {
    /// Adds a value under label values in the order of the row's labels; nothing if there is none.
    fn push(&mut self, labels: &[&str], value: impl Into<Option<f64>>) {
        debug_assert_eq!(labels.len(), self.metric.labels.len(), "{}", self.metric.key);
        let Some(value) = value.into().filter(|value| value.is_finite()) else { return };
        let labels = self.metric.labels.iter().copied().zip(labels.iter().map(|label| (*label).to_owned())).collect();
        self.out.push(Sample { metric: self.metric, labels, value, scope: self.scope.cloned() });
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

    /// What a scalar shows; `None` for a family.
    fn scalar(&self, state: &SystemState) -> Option<Reading<f64>> {
        match self.read {
            Read::Scalar(read) => Some(read(state).filter(|value| value.is_finite(), || Cause::Implausible)),
            Read::Family(_) => None,
        }
    }

    /// Its values in this state; none, where the fact is absent.
    fn sample(&'static self, state: &SystemState, out: &mut Vec<Sample>) {
        let mut rows = Rows { metric: self, scope: state.scope.as_ref(), out };
        match self.read {
            Read::Scalar(read) => rows.push(&[], read(state).value()),
            Read::Family(read) => read(state, &mut rows),
        }
    }
}

/// Every row, scalars first, in a stable order.
pub fn all() -> impl Iterator<Item = &'static Metric> {
    scalars::TABLE.iter().chain(families::TABLE)
}

/// The row that a key or an alias names.
#[must_use]
pub fn find(key: &str) -> Option<&'static Metric> {
    all().find(|metric| metric.key == key || metric.aliases.contains(&key))
}

/// Every scalar with its value in this state, or why it has none.
pub fn scalars(state: &SystemState) -> impl Iterator<Item = (&'static Metric, Reading<f64>)> {
    scalars::TABLE.iter().filter_map(|metric| Some((metric, metric.scalar(state)?)))
}

/// The value of one scalar, by key or alias.
#[must_use]
pub fn scalar(key: &str, state: &SystemState) -> Option<f64> {
    find(key)?.scalar(state)?.value()
}

/// A value as JSON: whole numbers without a fraction, as people and most readers expect of counts.
#[must_use]
pub fn json_number(value: f64) -> Value {
    /// Up to here every whole number is exact.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    #[expect(clippy::cast_possible_truncation, reason = "whole and within the exact range")]
    if value.fract() == 0.0 && value.abs() < EXACT { json!(value as i64) } else { json!(value) }
}

/// Every value of every metric, in table order: what exporters take.
#[must_use]
pub fn samples(state: &SystemState) -> Vec<Sample> {
    let mut out = Vec::with_capacity(256);
    for metric in all() {
        metric.sample(state, &mut out);
    }
    out
}

#[cfg(test)]
mod tests;
