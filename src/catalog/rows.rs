//! Where the reader of a labelled row puts its values, and the reasons of those that are absent.

use std::sync::Arc;

use super::{Metric, Part, Sample};
use crate::analysis::state::{Reading, Reason};
use crate::base::number::float;
use crate::platform::facts::Scope;

/// What a row of the table gives.
#[derive(Debug)]
pub(super) struct Rows<'a> {
    pub(super) metric: &'static Metric,
    pub(super) scope: Option<&'a Arc<Scope>>,
    pub(super) out: &'a mut Vec<Sample>,
    /// `None` = nobody asks why.
    pub(super) absent: Option<&'a mut Vec<Absence>>,
}

/// A series of a metric that has no value, or all that begin with these labels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Absence {
    pub metric: &'static Metric,
    /// Label values in the order of the metric's labels; fewer stand for every series that begins with them.
    pub labels: Vec<String>,
    pub reason: String,
}

/// A value, or why there is none; the reason may be unknown.
#[derive(Debug)]
pub(super) enum RowValue {
    Value(f64),
    Absent(Option<Reason>),
}

impl From<f64> for RowValue {
    fn from(value: f64) -> Self {
        Self::Value(value)
    }
}

impl From<Option<f64>> for RowValue {
    fn from(value: Option<f64>) -> Self {
        value.map_or(Self::Absent(None), Self::Value)
    }
}

impl From<Reading<f64>> for RowValue {
    fn from(reading: Reading<f64>) -> Self {
        match reading {
            Reading::Value(value) => Self::Value(value),
            Reading::Absent(reason) => Self::Absent(Some(reason)),
        }
    }
}

impl From<&Reading<f64>> for RowValue {
    fn from(reading: &Reading<f64>) -> Self {
        reading.clone().into()
    }
}

impl From<&Reading<i64>> for RowValue {
    fn from(reading: &Reading<i64>) -> Self {
        reading.clone().map(float).into()
    }
}

impl Rows<'_> {
    /// Adds a value under label values in the order of the row's labels, or notes why there is none.
    pub(super) fn push(&mut self, labels: &[&str], value: impl Into<RowValue>) {
        match value.into() {
            RowValue::Value(value) => self.push_part(labels, Part::Whole, Some(value)),
            RowValue::Absent(Some(reason)) => self.absent(labels, &reason),
            RowValue::Absent(None) => {}
        }
    }

    /// The series that begin with these labels have no value.
    pub(super) fn absent(&mut self, labels: &[&str], reason: &Reason) {
        let metric = self.metric;
        if let Some(absent) = &mut self.absent {
            let labels = labels.iter().map(|label| (*label).to_owned()).collect();
            absent.push(Absence { metric, labels, reason: reason.to_string() });
        }
    }

    pub(super) fn push_part(&mut self, labels: &[&str], part: Part, value: Option<f64>) {
        debug_assert_eq!(labels.len(), self.metric.labels.len(), "{}", self.metric.key);
        let Some(value) = value.filter(|value| value.is_finite()) else { return };
        let labels = self.metric.labels.iter().copied().zip(labels.iter().map(|label| (*label).to_owned())).collect();
        self.out.push(Sample { metric: self.metric, labels, part, value, scope: self.scope.cloned() });
    }
}
