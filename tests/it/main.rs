//! Tests against real servers: one binary, one file a subject.

mod redis_source;
mod support;
