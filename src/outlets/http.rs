//! The HTTP server under the routes: listener, TLS, access control, connection and request limits.

pub mod access;
pub mod auth;
pub mod config;
mod connection;
mod connections;
pub mod gate;
mod limits;
pub mod problem;
pub mod server;
mod tls_accept;
