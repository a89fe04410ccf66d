//! Units of metrics, and their names in documents and OpenMetrics.

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
