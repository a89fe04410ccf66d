//! The HTTP server under the routes: listener, TLS, access control, limits of connections and requests.

pub mod access;
pub mod auth;
pub mod config;
mod connection;
mod connections;
pub mod gate;
#[cfg(feature = "keda")]
pub(in crate::outlets) mod grpc_limits;
#[cfg(feature = "keda")]
mod http2;
pub(in crate::outlets) mod layers;
pub(in crate::outlets) mod limits;
pub mod problem;
pub mod server;
pub(in crate::outlets) mod session;
mod tls_accept;
