//! Names and units in CloudWatch.

use crate::catalog::{Metric, Unit};

/// The derived CloudWatch name.
#[must_use]
pub fn cloudwatch_name(metric: &Metric) -> String {
    name_of(metric.key)
}

/// A key or a mapped name in CloudWatch: `/` for `.`, as in the platform's own metrics service.
pub(super) fn name_of(name: &str) -> String {
    name.replace('.', "/")
}

/// The unit of a metric's values in CloudWatch.
#[must_use]
pub const fn cloudwatch_unit(metric: &Metric) -> &'static str {
    match metric.unit {
        Unit::Count => "Count",
        Unit::Percent => "Percent",
        Unit::Ratio => "None",
        Unit::Milliseconds => "Milliseconds",
        Unit::Seconds => "Seconds",
        Unit::Bytes => "Bytes",
    }
}

/// Every unit that CloudWatch accepts.
pub const CLOUDWATCH_UNITS: [&str; 27] = [
    "Seconds",
    "Microseconds",
    "Milliseconds",
    "Bytes",
    "Kilobytes",
    "Megabytes",
    "Gigabytes",
    "Terabytes",
    "Bits",
    "Kilobits",
    "Megabits",
    "Gigabits",
    "Terabits",
    "Percent",
    "Count",
    "Bytes/Second",
    "Kilobytes/Second",
    "Megabytes/Second",
    "Gigabytes/Second",
    "Terabytes/Second",
    "Bits/Second",
    "Kilobits/Second",
    "Megabits/Second",
    "Gigabits/Second",
    "Terabits/Second",
    "Count/Second",
    "None",
];
