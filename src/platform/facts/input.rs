//! Inputs that could not be read: which kind, where, and which facts are unknown because of it.

use serde::{Deserialize, Serialize};

use super::{Circuit, LatencySeries, Role};

/// Kinds of input; the `kind` label of the malformed counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InputKind {
    Heartbeat,
    SseSample,
    QueueDepth,
    /// A task that waits in a queue.
    QueueElement,
    /// A stream of background jobs.
    Jobs,
    /// What a heartbeat says of a processor's work.
    ProcessorReport,
    QueueAnalytics,
    SeriesMember,
    ThrottlingEvent,
    HourlyRequests,
    Circuit,
    GatewayConfig,
    Index,
    /// A field of an upstream's payload.
    Upstream,
}

impl InputKind {
    /// The label value.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Heartbeat => "heartbeat",
            Self::SseSample => "sse_sample",
            Self::QueueDepth => "queue_depth",
            Self::QueueElement => "queue_element",
            Self::Jobs => "jobs",
            Self::ProcessorReport => "processor_report",
            Self::QueueAnalytics => "queue_analytics",
            Self::SeriesMember => "series_member",
            Self::ThrottlingEvent => "throttling_event",
            Self::HourlyRequests => "hourly_requests",
            Self::Circuit => "circuit",
            Self::GatewayConfig => "gateway_config",
            Self::Index => "index",
            Self::Upstream => "upstream",
        }
    }
}

/// How the problem of a number ends that is outside what it can be.
pub const OUTSIDE: &str = "outside 0 to 2^53";
/// How that of a time ends that is.
pub const DATED_AHEAD: &str = "dated ahead of Redis' clock";

/// One input that could not be read: it is skipped and counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Malformed {
    pub kind: InputKind,
    /// The key it came from, or the upstream and the path in its payload.
    pub key: String,
    /// What is wrong with it, without the value itself: that may be secret.
    pub problem: String,
}

impl Malformed {
    /// Whether it can be parsed, and is a number or a time that it cannot be.
    #[must_use]
    pub fn is_impossible(&self) -> bool {
        self.problem.ends_with(OUTSIDE) || self.problem.ends_with(DATED_AHEAD)
    }
}

/// A fact that exists and cannot be read, such as a key of another type: what follows from it is unknown, not zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unreadable {
    Analytics(Role),
    /// Its text cannot be parsed, where the platform shows 0.
    MalformedAnalytics(Role),
    Latency(LatencySeries),
    Throttling,
    HourlyRequests,
    /// One that is too long, of a process that is there: capacity without it would be too small.
    Heartbeat(super::Component),
    /// Neither its state nor its statistics.
    Circuit(Circuit),
    /// A malformed state, where the platform shows the one in the statistics, or `closed`.
    CircuitState(Circuit),
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The label of the counter is the word in recordings.
    #[test]
    fn a_kind_has_one_word() {
        for kind in [
            InputKind::Heartbeat,
            InputKind::SseSample,
            InputKind::QueueDepth,
            InputKind::QueueElement,
            InputKind::Jobs,
            InputKind::ProcessorReport,
            InputKind::QueueAnalytics,
            InputKind::SeriesMember,
            InputKind::ThrottlingEvent,
            InputKind::HourlyRequests,
            InputKind::Circuit,
            InputKind::GatewayConfig,
            InputKind::Index,
            InputKind::Upstream,
        ] {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        }
    }

    #[test]
    fn what_can_be_parsed_and_cannot_be_is_impossible() {
        for (problem, impossible) in [
            (format!("load: {OUTSIDE}"), true),
            (format!("last_heartbeat: {DATED_AHEAD}"), true),
            (format!("{OUTSIDE}: load"), false),
            ("is not JSON".to_owned(), false),
            (String::new(), false),
        ] {
            let malformed = Malformed { kind: InputKind::Heartbeat, key: OUTSIDE.to_owned(), problem };
            assert_eq!(malformed.is_impossible(), impossible, "{:?}", malformed.problem);
        }
    }
}
