//! Tests against real servers: one binary, one file a subject.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod access;
mod architecture;
mod authority;
#[cfg(feature = "cloudwatch")]
mod aws_server;
mod busy;
mod cases;
mod check;
mod client_events;
mod clocks;
#[cfg(feature = "cloudwatch")]
mod cloudwatch;
mod commands;
mod compare;
mod conformance;
mod contract;
#[cfg(feature = "cloudwatch")]
mod deliveries;
mod documents;
mod environment;
mod explain;
mod fault;
mod fault_proxy;
mod field_cases;
mod fuzz;
mod gateway_config;
mod hostile;
mod hostile_redis;
#[cfg(feature = "keda")]
mod keda;
mod kubernetes;
mod logging;
mod once;
#[cfg(feature = "otlp")]
mod otlp;
#[cfg(feature = "cloudwatch")]
mod platform;
mod postgres;
mod postgres_server;
mod problems;
mod prometheus;
mod proxy;
mod pushgateway;
mod recommendation;
mod recording;
mod redis_acl;
mod redis_endpoints;
mod redis_heartbeats;
mod redis_login;
mod redis_node;
mod redis_series;
mod redis_source;
mod redis_tls;
mod replicas;
mod round_trip;
mod secrets;
mod server;
mod simulation;
mod situations;
mod slow_proxy;
mod start;
mod statsd;
mod support;
mod tls;
mod top;
mod whatif;
