//! The platform's system payload: its shapes, the view that fills them from a state, and the reader of upstreams' payloads
//! for proxy mode.

pub mod shapes;
pub mod upstream;
mod view;

pub use view::system;
