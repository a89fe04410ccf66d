//! Pushing: when ([`scheduler`]), how an attempt is repeated and counted ([`delivery`]), and one folder per sink.
//!
//! A new sink is a folder beside the others, its `mod` line, and its entry in `SINKS`.

pub mod batch;
pub mod cloudwatch;
pub mod config;
pub mod delivery;
#[cfg(any(feature = "cloudwatch", feature = "otlp"))]
mod dropped;
#[cfg(test)]
mod fake_sink;
pub mod otlp;
#[cfg(any(feature = "cloudwatch", feature = "otlp"))]
mod outbox;
pub mod pushgateway;
pub mod report;
pub mod scheduler;
pub mod sink;
#[cfg(any(feature = "cloudwatch", feature = "otlp"))]
mod spool;
pub mod statsd;

use self::config::SinkKind;

/// Every sink there is, in the order of reports.
const SINKS: &[SinkKind] = &[cloudwatch::KIND, pushgateway::KIND, otlp::KIND, statsd::KIND];
