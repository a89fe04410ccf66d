//! A simulated KDCube deployment, for the demo, tests and benchmarks. Production needs none of it.
//!
//! `deployment` simulates and yields facts, `writer` writes facts to Redis as the platform's workers do, `live` does both
//! by the clock.

mod circuits;
mod demand;
pub mod deployment;
mod fleet;
mod heartbeat;
pub mod live;
pub mod source;
mod tasks;
pub mod writer;

pub(crate) use demand::{exponential, long_tailed};
pub(crate) use tasks::{PRIORITY, pick_role};
