//! Units of metrics, and their names in CloudWatch and OpenMetrics.

/// The unit of a metric's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    Count,
    /// 0 to 100 and above.
    Percent,
    /// 0 to 1 and above; no unit.
    Ratio,
    Milliseconds,
    Seconds,
    Bytes,
}

impl Unit {
    /// The name in documents.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::Percent => "percent",
            Self::Ratio => "ratio",
            Self::Milliseconds => "milliseconds",
            Self::Seconds => "seconds",
            Self::Bytes => "bytes",
        }
    }

    /// The name in CloudWatch.
    #[must_use]
    pub const fn cloudwatch(self) -> &'static str {
        match self {
            Self::Count => "Count",
            Self::Percent => "Percent",
            Self::Ratio => "None",
            Self::Milliseconds => "Milliseconds",
            Self::Seconds => "Seconds",
            Self::Bytes => "Bytes",
        }
    }

    /// The name in an OpenMetrics UNIT line, by convention the suffix of the metric's name; empty if there is none.
    #[must_use]
    pub const fn openmetrics(self) -> &'static str {
        match self {
            Self::Count => "",
            Self::Percent => "percent",
            Self::Ratio => "ratio",
            Self::Milliseconds => "milliseconds",
            Self::Seconds => "seconds",
            Self::Bytes => "bytes",
        }
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
