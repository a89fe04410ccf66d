//! The platform's system payload: its shapes, and the reader of upstreams' payloads for proxy mode.

pub mod shapes;
pub mod upstream;
