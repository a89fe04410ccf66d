//! `external.metrics.k8s.io`: what a Kubernetes API server asks for HPAs, over TLS on a port of its own.

pub mod config;
mod document;
mod item;
mod quantity;
mod router;
mod selector;

pub use self::router::{KubernetesState, router};
