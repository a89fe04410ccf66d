//! kdcube-metrics: the autoscaling source of truth of a KDCube deployment.
//!
//! Facts flow one way: [`sources`] read the outside into [`platform`]'s facts, [`history`] keeps what a window needs,
//! [`analysis`] turns both into state, [`catalog`] names it, and [`outlets`] hand it out. The modules below are in import
//! order: each imports only those above it. `tests/it/architecture.rs` fails on an import that runs the other way.

pub mod base;

pub mod tls;

pub mod platform;

pub mod problems;

pub mod settings;

pub mod history;

pub mod analysis;

pub mod payload;

pub mod telemetry;

pub mod catalog;

pub mod sources;

pub mod simulator;

pub mod engine;

pub mod outlets;

pub mod whatif;

pub mod config;

pub mod app;

pub mod cli;

pub mod commands;
