//! Outcomes as a Markdown table, a load each.

use std::fmt::Write;

use crate::whatif::outcome::Outcome;

const HEAD: &str = "\
| policy | wait p50 | p95 | p99 | refused | gave up | restarted | replica-hours | actions | oscillations | recovery |
|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|
";

/// A table a load, in the order of the outcomes. Times in seconds.
#[must_use]
pub fn table(outcomes: &[Outcome]) -> String {
    let mut text = String::new();
    for load in outcomes.chunk_by(|one, next| one.load == next.load) {
        let users = load.first().map_or(0, |outcome| outcome.arrived);
        let name = load.first().map_or("", |outcome| &outcome.load);
        let between = if text.is_empty() { "" } else { "\n" };
        // Writing to a String cannot fail.
        let _ = write!(text, "{between}### {name}: {users} users\n\n{HEAD}");
        load.iter().for_each(|outcome| row(&mut text, outcome));
    }
    text
}

fn row(text: &mut String, outcome: &Outcome) {
    let Outcome { policy, gave_up, refused, restarted, replica_hours, actions, oscillations, recovery_seconds, .. } =
        outcome;
    let [p50, p95, p99] = match outcome.waits {
        Some(waits) => waits.map(|wait| format!("{wait:.1} s")),
        None => ["–"; 3].map(str::to_owned),
    };
    let _ = writeln!(
        text,
        "| {policy} | {p50} | {p95} | {p99} | {refused} | {gave_up} | {restarted} | {replica_hours:.1} | {actions} | \
         {oscillations} | {recovery_seconds:.0} s |"
    );
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::whatif::outcome::TickPoint;

    pub(in crate::whatif::report) fn outcome(load: &str, policy: &str) -> Outcome {
        let tick = |n: u32| TickPoint {
            at: 5.0 * f64::from(n),
            arrived: n % 3,
            ready: 2 + n / 50,
            oldest_wait: f64::from(n % 7),
        };
        Outcome {
            load: load.to_owned(),
            policy: policy.to_owned(),
            arrived: 120,
            gave_up: 1,
            refused: 12,
            restarted: 2,
            waits: Some([0.0, 12.34, 60.0]),
            replica_hours: 7.25,
            actions: 4,
            oscillations: 1,
            recovery_seconds: 95.0,
            ticks: (1..=100).map(tick).collect(),
        }
    }

    #[test]
    fn a_load_is_a_table_and_a_policy_a_row() {
        let none = Outcome { waits: None, ..outcome("b", "y") };
        let text = table(&[outcome("a", "x"), outcome("a", "y"), none]);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "### a: 120 users");
        assert_eq!(lines[4], "| x | 0.0 s | 12.3 s | 60.0 s | 12 | 1 | 2 | 7.2 | 4 | 1 | 95 s |");
        assert_eq!((lines[6], lines[7]), ("", "### b: 120 users"));
        assert!(lines[11].starts_with("| y | – | – | – | 12 |"));
    }
}
