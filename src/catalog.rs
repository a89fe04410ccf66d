//! The table of all exported metrics, the deployment's and the server's own: key, kind, unit, help, and how each is read.
//!
//! A new metric is one row in `scalars`, `families` or `own`; every outlet follows. Metrics are read from the state
//! and from [`telemetry`](crate::telemetry); names per outlet and text formats are in [`outlets`](crate::outlets).

mod families;
pub mod own;
mod rows;
mod scalars;
mod sets;
mod unit;

use std::sync::Arc;

use crate::analysis::SystemState;
use crate::analysis::state::{Cause, Quality, Reading};
use crate::base::text;
use crate::platform::facts::Scope;
use crate::telemetry::OwnState;

use rows::Rows;

pub use rows::Absence;
pub use sets::{SETS, set};
pub use unit::Unit;

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
    /// When there is no value, for documents; why there is none now is in the [`Reading`].
    pub absent: &'static str,
    /// Whether CloudWatch gets it unless configured otherwise. A new row must not cost money by itself: only `true` for
    /// what has always been sent.
    pub cloudwatch_default: bool,
    read: Read,
}

/// What a row is read from, and how.
#[derive(Debug)]
enum Read {
    Scalar(fn(&SystemState) -> Reading<f64>),
    Family(fn(&SystemState, &mut Rows<'_>)),
    Own(fn(&OwnState, &mut Rows<'_>)),
}

/// One value of one metric, in the metric's unit, always finite.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    pub metric: &'static Metric,
    pub labels: Vec<(&'static str, String)>,
    pub part: Part,
    pub value: f64,
    /// Whose value it is; `None` where the source does not say.
    pub scope: Option<Arc<Scope>>,
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

    /// What a scalar shows; `None` for the other rows.
    #[must_use]
    pub fn scalar(&self, state: &SystemState) -> Option<Reading<f64>> {
        match self.read {
            Read::Scalar(_) if state.quality == Quality::ScopeNotFound => Some(Reading::absent(Cause::ScopeNotFound)),
            Read::Scalar(read) => Some(read(state).filter(|value| value.is_finite(), || Cause::Implausible)),
            Read::Family(_) | Read::Own(_) => None,
        }
    }

    /// Its values in this state; none, where the fact is absent. Of a deployment that is not there nothing is known.
    fn sample(&'static self, state: &SystemState, out: &mut Vec<Sample>, absent: Option<&mut Vec<Absence>>) {
        let mut rows = Rows { metric: self, scope: state.scope.as_ref(), out, absent };
        if state.quality == Quality::ScopeNotFound {
            return rows.absent(&[], &Cause::ScopeNotFound.into());
        }
        match self.read {
            Read::Scalar(read) => rows.push(&[], read(state)),
            Read::Family(read) => read(state, &mut rows),
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

/// The key of the scalar whose key or alias is most like a name; `None` where none is like it.
#[must_use]
pub fn nearest_scalar(name: &str) -> Option<&'static str> {
    let names = scalars::TABLE.iter().flat_map(|metric| [metric.key].into_iter().chain(metric.aliases.iter().copied()));
    text::nearest(name, names)
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

/// Every value of every metric of the deployment, in table order.
#[must_use]
pub fn samples(state: &SystemState) -> Vec<Sample> {
    let mut out = Vec::with_capacity(256);
    for metric in all() {
        metric.sample(state, &mut out, None);
    }
    out
}

/// Why series of families have no value. A family without a value whose reason is unknown has its documented one.
#[must_use]
pub fn absences(state: &SystemState) -> Vec<Absence> {
    let mut all_absent = Vec::new();
    for metric in families::TABLE {
        let (mut out, mut absent) = (Vec::new(), Vec::new());
        metric.sample(state, &mut out, Some(&mut absent));
        if out.is_empty() && absent.is_empty() {
            absent.push(Absence { metric, labels: Vec::new(), reason: metric.absent.to_owned() });
        }
        all_absent.append(&mut absent);
    }
    all_absent
}

#[cfg(test)]
mod tests;
