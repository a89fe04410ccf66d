//! kdcube-metrics: the autoscaling source of truth of a KDCube deployment.
//!
//! Facts flow one way: `sources` read the outside into [`signals`], [`history`] remembers what a
//! window needs, [`monitoring`] turns both into the truth, [`catalog`] names it, and `exporters`
//! (push) and `api` (pull) hand it out. Modules below are in that order; nothing calls upwards.

pub mod api;
pub mod app;
pub mod catalog;
mod causes;
pub mod cli;
pub mod clock;
pub mod commands;
pub mod config;
pub mod engine;
pub mod exporters;
mod files;
pub mod history;
pub mod monitoring;
mod pause;
pub mod settings;
pub mod signals;
pub mod simulator;
pub mod sources;
pub mod telemetry;
pub mod tls;
