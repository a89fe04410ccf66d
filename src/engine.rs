//! The ticking: one sampler, one immutable snapshot, many readers.
//!
//! Owns time and order. Knows no wire format (`outlets`) and no Redis (`sources`).

pub mod collector;
#[cfg(test)]
mod collector_tests;
pub mod config;
pub mod database;
pub mod gateway_config;
pub mod gateway_store;
pub mod proxy_ticker;
pub mod recent;
pub mod sample_ticker;
#[cfg(test)]
mod sample_ticker_tests;
mod scope_watch;
pub mod snapshot;
mod snapshot_id;
mod staleness;
pub mod station;
pub mod tick;
mod tick_clock;
pub mod tick_report;
