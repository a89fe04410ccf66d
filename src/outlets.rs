//! Everything that hands state out: the HTTP server and its routes, KEDA's scaler, pushes to sinks, and the names and text format they share.

pub mod dashboard;
pub mod explain;
pub mod exposition;
#[cfg(test)]
pub(crate) mod fake_server;
pub mod http;
pub(crate) mod human;
pub mod keda;
pub mod kubernetes;
pub mod names;
pub(crate) mod page;
pub mod push;
pub mod routes;
