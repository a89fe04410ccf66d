//! The capacity formula with its numbers, as text for people.

use super::GatewaySettings;

impl GatewaySettings {
    /// How the capacity of one instance with this many processes comes about, as in
    /// `1 × 5 = 5; int(5 × (1 − 0.2)) + int(5 × 2.0) = 4 + 10 = 14`.
    #[must_use]
    pub fn capacity_formula(&self, processes: i64) -> String {
        let capacity = self.capacity(processes);
        let per_process = &self.service_capacity.concurrent_requests_per_process;
        let (buffer, multiplier) = (&self.backpressure.capacity_buffer, &self.backpressure.queue_depth_multiplier);
        let concurrent = capacity.concurrent;
        format!(
            "{processes} × {per_process} = {concurrent}; int({concurrent} × (1 − {buffer})) + int({concurrent} × \
             {multiplier}) = {} + {} = {}",
            capacity.effective, capacity.queue, capacity.total
        )
    }

    /// How the capacities of instances add up, given the live processes of each: `3 × 14 = 42`, or with the instances
    /// apart, `39 + 19 = 58`, where rounding makes an instance's capacity differ from that of its processes.
    #[must_use]
    pub fn capacity_sum(&self, processes: &[i64]) -> String {
        let capacities: Vec<i64> = processes.iter().map(|processes| self.capacity(*processes).total).collect();
        let total = capacities.iter().fold(0_i64, |sum, capacity| sum.saturating_add(*capacity));
        let all = processes.iter().fold(0_i64, |sum, processes| sum.saturating_add(*processes));
        let each = self.capacity(1).total;
        if all.checked_mul(each) == Some(total) {
            return format!("{all} × {each} = {total}");
        }
        let terms: Vec<String> = capacities.iter().map(ToString::to_string).collect();
        format!("{} = {total}", terms.join(" + "))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::platform::gateway::tests::read_config;

    fn settings(concurrent: i64, buffer: f64, multiplier: f64) -> GatewaySettings {
        let text = format!(
            r#"{{"tenant": "a", "project": "b", "service_capacity": {{"concurrent_requests_per_process": {concurrent}}},
                "backpressure": {{"capacity_buffer": {buffer:?}, "queue_depth_multiplier": {multiplier:?}}}}}"#
        );
        read_config(&text).settings().clone()
    }

    #[test]
    fn the_formula_has_every_number() {
        let expected = "1 × 5 = 5; int(5 × (1 − 0.2)) + int(5 × 2.0) = 4 + 10 = 14";
        assert_eq!(settings(5, 0.2, 2.0).capacity_formula(1), expected);
    }

    #[test]
    fn instances_add_up_by_processes_where_rounding_allows_and_one_by_one_elsewhere() {
        for (concurrent, processes, expected) in [
            (5, &[1, 1, 1][..], "3 × 14 = 42"),
            (5, &[2, 1], "3 × 14 = 42"),
            (7, &[2, 1], "39 + 19 = 58"),
            (1, &[3], "8 = 8"),
            (5, &[], "0 × 14 = 0"),
            (5, &[0, 1], "1 × 14 = 14"),
        ] {
            assert_eq!(settings(concurrent, 0.2, 2.0).capacity_sum(processes), expected, "{concurrent} {processes:?}");
        }
    }

    proptest! {
        #[test]
        fn the_text_ends_with_the_capacity_itself(
            concurrent in 0..100_i64, buffer in 0.0..1.0_f64, multiplier in 0.0..10.0_f64,
            processes in proptest::collection::vec(0..20_i64, 0..6),
        ) {
            let settings = settings(concurrent, buffer, multiplier);
            let total: i64 = processes.iter().map(|processes| settings.capacity(*processes).total).sum();
            let text = settings.capacity_sum(&processes);
            prop_assert!(text.ends_with(&format!(" = {total}")), "{} {}", text, total);
            let left = text.split(" = ").next().unwrap();
            let sum: i64 = if let Some((count, each)) = left.split_once(" × ") {
                count.parse::<i64>().unwrap() * each.parse::<i64>().unwrap()
            } else {
                left.split(" + ").map(|term| term.parse::<i64>().unwrap()).sum()
            };
            prop_assert_eq!(sum, total);
        }
    }
}
