//! The shapes that come with the program.

use super::shape::{Shape, TaskKind};
use super::{Fault, Load};

const MINUTE: f64 = 60.0;
const HOUR: f64 = 3600.0;

/// Tasks of about the platform's average of 25 s, some far longer.
const USUAL: TaskKind = TaskKind { share: 1.0, median_seconds: 20.0, spread: 0.6 };
/// Tasks of about 20 minutes.
const LONG: TaskKind = TaskKind { share: 1.0, median_seconds: 1150.0, spread: 0.3 };

/// A shape by its name.
#[derive(Debug)]
pub struct NamedShape {
    pub name: &'static str,
    /// What happens, in one sentence.
    pub about: &'static str,
    make: fn() -> (Shape, f64, Vec<Fault>),
}

impl NamedShape {
    /// The load of this shape, with `scale` times its users.
    #[must_use]
    pub fn load(&self, scale: f64) -> Load {
        let (shape, seconds, faults) = (self.make)();
        shape.scaled(scale).into_load(self.name, seconds, faults)
    }
}

/// Every shape, in the order of reports.
pub const ALL: [NamedShape; 7] = [
    NamedShape { name: "ramp", about: "Demand grows tenfold in an hour, stays for one, and falls again.", make: ramp },
    NamedShape { name: "burst", about: "Demand is ten times as high for 20 minutes, without warning.", make: burst },
    NamedShape {
        name: "long-tasks",
        about: "Tasks run for 20 minutes, and four times as many arrive in one hour.",
        make: long_tasks,
    },
    NamedShape {
        name: "mixed-day",
        about: "A day with its morning, noon and night; one task in 20 runs for 20 minutes.",
        make: mixed_day,
    },
    NamedShape {
        name: "worker-deaths",
        about: "Half of the processors die at once, three times.",
        make: worker_deaths,
    },
    NamedShape {
        name: "slow-database",
        about: "For 40 minutes every task takes three times as long.",
        make: slow_database,
    },
    NamedShape { name: "night-idle", about: "Hardly anybody for six hours, then the morning.", make: night_idle },
];

/// The shape of this name.
#[must_use]
pub fn find(name: &str) -> Option<&'static NamedShape> {
    ALL.iter().find(|shape| shape.name == name)
}

fn usual(rates: &[(f64, f64)]) -> Shape {
    Shape { rates: rates.to_vec(), kinds: vec![USUAL] }
}

fn ramp() -> (Shape, f64, Vec<Fault>) {
    let rates = [(0.5 * HOUR, 0.4), (1.5 * HOUR, 4.0), (2.5 * HOUR, 4.0), (3.5 * HOUR, 0.4)];
    (usual(&rates), 4.5 * HOUR, vec![])
}

fn burst() -> (Shape, f64, Vec<Fault>) {
    let (begin, end) = (HOUR, HOUR + 20.0 * MINUTE);
    let rates = [(begin, 0.4), (begin + 1.0, 4.0), (end, 4.0), (end + 1.0, 0.4)];
    (usual(&rates), 3.0 * HOUR, vec![])
}

fn long_tasks() -> (Shape, f64, Vec<Fault>) {
    let rates = [(2.0 * HOUR, 0.015), (2.0 * HOUR + 1.0, 0.06), (3.0 * HOUR, 0.06), (3.0 * HOUR + 1.0, 0.015)];
    (Shape { rates: rates.to_vec(), kinds: vec![LONG] }, 7.0 * HOUR, vec![])
}

fn mixed_day() -> (Shape, f64, Vec<Fault>) {
    let hours = [
        (0.0, 0.1),
        (6.0, 0.1),
        (9.0, 1.2),
        (12.0, 1.0),
        (13.0, 1.6),
        (14.0, 1.0),
        (17.0, 1.2),
        (20.0, 0.4),
        (24.0, 0.1),
    ];
    let kinds = vec![TaskKind { share: 0.95, ..USUAL }, TaskKind { share: 0.05, ..LONG }];
    (Shape { rates: hours.map(|(hour, rate)| (hour * HOUR, rate)).to_vec(), kinds }, 24.0 * HOUR, vec![])
}

fn worker_deaths() -> (Shape, f64, Vec<Fault>) {
    let kills = [1.0, 2.0, 3.0].map(|hour| Fault::Kill { at: hour * HOUR, share: 0.5 });
    (usual(&[(0.0, 1.6)]), 4.0 * HOUR, kills.to_vec())
}

fn slow_database() -> (Shape, f64, Vec<Fault>) {
    let slow = Fault::Slow { from: HOUR, to: HOUR + 40.0 * MINUTE, factor: 3.0 };
    (usual(&[(0.0, 1.2)]), 3.0 * HOUR, vec![slow])
}

fn night_idle() -> (Shape, f64, Vec<Fault>) {
    let rates = [(0.5 * HOUR, 1.0), (HOUR, 0.01), (7.0 * HOUR, 0.01), (8.0 * HOUR, 1.5), (9.0 * HOUR, 1.5)];
    (usual(&rates), 9.0 * HOUR, vec![])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shape_has_arrivals_until_its_end() {
        for shape in &ALL {
            let load = shape.load(1.0);
            let (count, last) = load.arrivals(1).fold((0, 0.0), |(count, _), arrival| (count + 1, arrival.at));
            assert!((500..200_000).contains(&count), "{}: {count}", shape.name);
            assert!(last > 0.9 * load.seconds && last < load.seconds, "{}: {last}", shape.name);
            assert!(find(shape.name).is_some_and(|found| found.about == shape.about));
        }
        assert!(find("x").is_none());
    }
}
