//! A simulated KDCube deployment: for the demo, for trying things out, and for tests and benchmarks.
//!
//! `deployment` lives and gives facts, `writer` puts facts into Redis as the platform's workers
//! would, `live` does both by the clock. The server in production needs none of it.

pub mod deployment;
mod fleet;
pub mod live;
pub mod source;
mod tasks;
mod weather;
pub mod writer;
