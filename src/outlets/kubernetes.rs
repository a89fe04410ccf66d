//! `external.metrics.k8s.io`: what a Kubernetes API server asks for HPAs, over TLS on a port of its own.
//!
//! The cluster is asked with the HTTP client that the server has anyhow: it is two requests, for which a client library of
//! Kubernetes would be much to bring along.

mod authorization;
pub mod cluster;
pub mod config;
mod document;
pub mod front_proxy;
mod item;
mod quantity;
mod router;
mod selector;

pub use self::router::{KubernetesState, router};
