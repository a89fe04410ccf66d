//! Exporters: each takes samples, nothing else.

pub mod prometheus;
