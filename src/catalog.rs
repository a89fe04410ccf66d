//! The one table of all exported metrics.

/// One exported metric: a row of the table.
#[derive(Debug)]
pub struct Metric {
    pub key: &'static str,
}

/// What every exporter takes: one value of one metric, in the metric's unit, always finite.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    pub labels: Vec<(&'static str, String)>,
    pub value: f64,
}
