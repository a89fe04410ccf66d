//! The known deviations from the Python service: what each is, and where docs/migrating.md explains it.

/// A difference that is expected, with its reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Known {
    HealthWords,
    ZeroIsAValue,
    Draining,
    QuietSse,
    Windows,
    NoCapacity,
    UnreadableHeartbeat,
    OneLimit,
    HiddenSettings,
    GatewayComponent,
    MetricNames,
    KeptGauges,
}

impl Known {
    #[cfg(test)]
    pub(super) const ALL: [Self; 12] = [
        Self::HealthWords,
        Self::ZeroIsAValue,
        Self::Draining,
        Self::QuietSse,
        Self::Windows,
        Self::NoCapacity,
        Self::UnreadableHeartbeat,
        Self::OneLimit,
        Self::HiddenSettings,
        Self::GatewayComponent,
        Self::MetricNames,
        Self::KeptGauges,
    ];

    /// The anchor in docs/migrating.md.
    pub(super) const fn id(self) -> &'static str {
        match self {
            Self::HealthWords => "health-words",
            Self::ZeroIsAValue => "zero-is-a-value",
            Self::Draining => "draining",
            Self::QuietSse => "quiet-sse-workers",
            Self::Windows => "rolling-windows",
            Self::NoCapacity => "no-capacity",
            Self::UnreadableHeartbeat => "unreadable-heartbeats",
            Self::OneLimit => "one-staleness-limit",
            Self::HiddenSettings => "hidden-settings",
            Self::GatewayComponent => "gateway-component",
            Self::MetricNames => "metric-names",
            Self::KeptGauges => "kept-gauges",
        }
    }

    /// The reason, in one line.
    pub(super) const fn reason(self) -> &'static str {
        match self {
            Self::HealthWords => "UNHEALTHY is not read as healthy here",
            Self::ZeroIsAValue => "a value of 0 is exported here; the Python service drops it",
            Self::Draining => {
                "processes that stopped a moment ago are shown as stale here; the Python service hides them"
            }
            Self::QuietSse => "SSE workers that heartbeat keep their last count here after its key expires",
            Self::Windows => "rolling windows have one point a tick here; the Python service adds one for every reader",
            Self::NoCapacity => "a queue without live processors is 100 % utilization here, 0 in the Python service",
            Self::UnreadableHeartbeat => "a heartbeat that cannot be read leaves no empty instance here",
            Self::OneLimit => "status and capacity have one staleness limit here, 45 s",
            Self::HiddenSettings => "redis_url and the values of data_bus are not shown here: they may hold secrets",
            Self::GatewayComponent => {
                "GATEWAY_COMPONENT selects the proc section here; the Python service uses ingress'"
            }
            Self::MetricNames => "the name differs: set METRICS_PROM_NAMES=both until nothing queries the old one",
            Self::KeptGauges => {
                "a metric without a value is absent here; the Python service keeps serving its last value"
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_deviation_is_explained_in_the_guide() {
        let guide = include_str!("../../../docs/migrating.md");
        for known in Known::ALL {
            let anchor = format!("<a id=\"{}\"></a>", known.id());
            assert_eq!(guide.matches(&anchor).count(), 1, "{anchor}");
        }
        assert_eq!(guide.matches("<a id=").count(), Known::ALL.len(), "the guide explains more than is recognized");
    }
}
