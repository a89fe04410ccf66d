//! What if another policy scaled the deployment: a simulation in simulated time, against models of autoscalers.
//!
//! `load` says what arrives, `deployment` works it off and counts, `signals` computes what this server would export,
//! `autoscalers` decide by their vendors' rules, `policy` reads their documents, `report` compares the outcomes. No I/O.

mod agenda;
pub mod autoscalers;
pub mod deployment;
pub mod load;
pub mod outcome;
pub mod policy;
mod replica_set;
pub mod report;
mod scaler;
pub mod signals;
