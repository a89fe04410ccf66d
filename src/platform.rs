//! The platform's contract and nothing else: keys, the facts of one tick, how they are parsed from bytes, and the gateway
//! configuration with its capacity formula. Readers, writers, tests and the simulator share it. No I/O, no clock.

pub mod facts;
pub mod gateway;
pub mod keys;
pub mod parse;
pub mod python;
pub mod scope;
