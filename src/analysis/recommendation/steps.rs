//! The arithmetic of a recommendation: each step with its numbers, and as one line that a person can check.

use std::fmt;

use super::bounds::{CONNECTION_SHARE, Limit};
use super::operands::ConnectionBudget;
use super::{Hold, TOLERANCE};
use crate::analysis::state::Reason;

/// One step.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Slots for what runs and arrives.
    Running {
        active: i64,
        arrivals: Number,
        exec: Number,
        utilization: Number,
        slots: Number,
    },
    /// The same where it is not known what arrives.
    Active {
        active: i64,
        utilization: Number,
        slots: Number,
    },
    /// Slots to work off what waits: `each` is the share of a slot that a task needs for that.
    Backlog {
        waiting: i64,
        jobs: i64,
        turned_away: i64,
        each: Number,
        slots: Number,
    },
    /// A part of the need that is not known.
    LeftOut {
        what: &'static str,
        reason: Reason,
    },
    /// All slots over those of a replica.
    Replicas {
        slots: Number,
        per_replica: Number,
        replicas: Number,
    },
    /// No replica tells its slots.
    SlotsUnknown,
    /// Connections over those that a replica should hold.
    Connections {
        connections: i64,
        limit: Number,
        saturation: Number,
        replicas: Number,
    },
    RoundedUp {
        need: Number,
        wanted: i64,
    },
    Tolerated {
        need: Number,
        current: i64,
    },
    Database {
        budget: ConnectionBudget,
        at_most: i64,
    },
    Limited {
        by: Limit,
        to: i64,
    },
    Held {
        by: Hold,
        at: i64,
    },
    Stabilized {
        greatest: i64,
        seconds: Number,
    },
    Result {
        desired: i64,
        current: i64,
    },
}

/// A number that is shown with at most three decimals.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Number(pub f64);

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", (self.0 * 1000.0).round() / 1000.0)
    }
}

#[rustfmt::skip]
impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Running { active, arrivals, exec, utilization, slots } =>
                write!(f, "running: {active} active, or {arrivals} arrivals/s × {exec} s / {utilization} if more = {slots} slots"),
            Self::Active { active, utilization, slots } => write!(f, "running: {active} active / {utilization} = {slots} slots"),
            Self::Backlog { waiting, jobs, turned_away, each, slots } =>
                write!(f, "backlog: ({waiting} waiting + {jobs} jobs waiting + {turned_away} turned away) × {each} of a slot = {slots} slots"),
            Self::LeftOut { what, reason } => write!(f, "left out: {what}, because {reason}"),
            Self::Replicas { slots, per_replica, replicas } =>
                write!(f, "need: {slots} slots / {per_replica} of a replica = {replicas} replicas"),
            Self::SlotsUnknown =>
                f.write_str("need: the slots of a replica are unknown: one replica where there is anything to do"),
            Self::Connections { connections, limit, saturation, replicas } =>
                write!(f, "need: {connections} connections / ({limit} of a replica × {saturation}) = {replicas} replicas"),
            Self::RoundedUp { need, wanted } => write!(f, "rounded up: {need} becomes {wanted}"),
            Self::Tolerated { need, current } =>
                write!(f, "tolerance: {need} is within {} % of the {current} that there are", Number(TOLERANCE * 100.0)),
            Self::Database { budget: ConnectionBudget { max, per_replica, others }, at_most } =>
                write!(f, "database: ({CONNECTION_SHARE} × {max} connections − {others} of others) / {per_replica} of a replica: at most {at_most}"),
            Self::Limited { by, to } => write!(f, "{}: {to}", by.as_str()),
            Self::Held { by, at } => write!(f, "held at {at}: {}", by.why()),
            Self::Stabilized { greatest, seconds } =>
                write!(f, "stabilization: the greatest of the last {seconds} s is {greatest}"),
            Self::Result { desired, current } =>
                write!(f, "missing: {desired} desired − {current} current = {}", desired.saturating_sub(*current)),
        }
    }
}

impl Hold {
    /// A sentence without a full stop.
    const fn why(self) -> &'static str {
        match self {
            Self::Tolerance => "the need is within the tolerance",
            Self::Stabilization => "more were needed lately",
            Self::Quality => "something that the number rests on cannot be read",
            Self::Incomplete => "a part of the need is unknown",
            Self::Draining => "replicas are still finishing their tasks",
            Self::Stalled => "tasks wait beside free slots and are not claimed, which more replicas do not change",
        }
    }
}
