//! The ticking: one sampler, one immutable snapshot, many readers.

pub mod snapshot;
