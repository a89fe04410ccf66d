//! The ticking: one sampler, one immutable snapshot, many readers.
//!
//! Owns time and order. Knows no wire format (`exporters`, `api`) and no Redis (`sources`).

pub mod collector;
pub mod database;
pub mod exports;
#[cfg(test)]
mod fake;
pub mod gateway;
pub mod relay;
pub mod sampler;
pub mod scheduler;
pub mod snapshot;
pub mod tick;
