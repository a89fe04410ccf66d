//! Pushing: when ([`scheduler`]), how an attempt is repeated and counted ([`delivery`]), and one folder a sink.

pub mod cloudwatch;
pub mod config;
pub mod delivery;
#[cfg(test)]
mod fake_sink;
pub mod pushgateway;
pub mod report;
pub mod scheduler;
pub mod sink;
