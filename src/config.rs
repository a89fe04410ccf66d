//! All settings, typed: parsed once from [`crate::settings::Settings`] and read nowhere else.

pub mod gateway;
pub mod redis;
pub mod table;
