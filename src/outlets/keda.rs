//! KEDA's external scaler: gRPC on a port of its own, over the same snapshots as every other outlet.
//!
//! The settings are validated in every build; the server needs the cargo feature `keda`.

#[cfg(feature = "keda")]
mod answer;
pub mod config;
#[cfg(feature = "keda")]
mod health;
#[cfg(feature = "keda")]
mod router;
#[cfg(feature = "keda")]
mod scaler;
#[cfg(feature = "keda")]
mod streams;
#[cfg(feature = "keda")]
mod trigger;

#[cfg(feature = "keda")]
pub use self::router::{KedaState, router};

/// Generated from `proto/externalscaler.proto`.
#[cfg(feature = "keda")]
#[allow(clippy::all, clippy::pedantic, clippy::restriction, unreachable_pub, reason = "generated")]
mod proto {
    tonic::include_proto!("externalscaler");

    /// What reflection answers from.
    pub(super) const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/externalscaler.bin"));
}
