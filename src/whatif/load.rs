//! What arrives at a deployment, and what goes wrong with it: made from a shape, or read from a record.

mod ended;
mod recorded;
mod shape;
pub mod shapes;

use crate::base::clock::UnixSeconds;
use crate::platform::facts::Role;

pub use recorded::LoadError;
pub use shape::{Shape, TaskKind};

/// How much of a recorded load is its beginning.
const BEGINNING_SECONDS: f64 = 300.0;

/// A user's task. Times are seconds since the start.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Arrival {
    pub at: UnixSeconds,
    pub role: Role,
    /// How long it runs in a processor.
    pub seconds: f64,
}

/// Something that goes wrong.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Fault {
    /// This share of the ready replicas dies at once.
    Kill { at: UnixSeconds, share: f64 },
    /// Tasks that start from `from` to `to` take `factor` times as long.
    Slow { from: UnixSeconds, to: UnixSeconds, factor: f64 },
}

/// A load with its faults.
#[derive(Debug, Clone)]
pub struct Load {
    pub name: String,
    /// Seconds that are simulated.
    pub seconds: f64,
    pub faults: Vec<Fault>,
    arrivals: Arrivals,
}

#[derive(Debug, Clone)]
enum Arrivals {
    Recorded(Vec<Arrival>),
    Shape(Shape),
}

impl Load {
    /// The arrivals, earliest first; the same seed gives the same.
    #[must_use]
    pub fn arrivals(&self, seed: u64) -> Box<dyn Iterator<Item = Arrival> + '_> {
        match &self.arrivals {
            Arrivals::Recorded(arrivals) => Box::new(arrivals.iter().copied()),
            Arrivals::Shape(shape) => Box::new(shape.arrivals(seed).take_while(|arrival| arrival.at < self.seconds)),
        }
    }

    /// Tasks that run at once, on average, when the load begins: what the first replicas must bear. Each takes a slot for
    /// `stay_seconds` more than it runs.
    #[must_use]
    pub fn initial_concurrency(&self, stay_seconds: f64) -> f64 {
        match &self.arrivals {
            Arrivals::Shape(shape) => shape.rate(0.0) * (shape.mean_seconds() + stay_seconds),
            Arrivals::Recorded(arrivals) => {
                let first = self.seconds.min(BEGINNING_SECONDS);
                if first <= 0.0 {
                    return 0.0;
                }
                let stays = |arrival: &Arrival| (arrival.seconds + stay_seconds).min((first - arrival.at).max(0.0));
                arrivals.iter().map(stays).sum::<f64>() / first
            }
        }
    }
}
