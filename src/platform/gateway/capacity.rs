//! What a number of processes amounts to under the settings: the one place of the capacity formula.

use super::{Amount, ComputedMetrics, GatewaySettings};
use crate::base::number::float;

/// Requests that processes take on: at once, after the buffer, and waiting.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Capacity {
    /// c · h.
    pub concurrent: i64,
    /// int(c · h · (1 − b)).
    pub effective: i64,
    /// int(c · h · q).
    pub queue: i64,
    /// Effective + queue.
    pub total: i64,
    /// int(c · h · 3600 / average processing time), requests an hour.
    pub hourly: i64,
}

/// Queue depths from which a role is turned away.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    pub anonymous: i64,
    pub registered: i64,
    pub paid: i64,
    pub hard: i64,
}

impl GatewaySettings {
    /// The capacity of `processes` processes.
    #[must_use]
    pub fn capacity(&self, processes: i64) -> Capacity {
        let service = &self.service_capacity;
        let concurrent = service.concurrent_requests_per_process.whole().saturating_mul(processes);
        let effective = int(float(concurrent) * (1.0 - self.backpressure.capacity_buffer.as_f64()));
        let queue = int(float(concurrent) * self.backpressure.queue_depth_multiplier.as_f64());
        Capacity {
            concurrent,
            effective,
            queue,
            total: effective.saturating_add(queue),
            hourly: int(float(concurrent) * 3600.0 / service.avg_processing_time_seconds.as_f64()),
        }
    }

    /// The depths at which a total capacity of `total` turns roles away: int(total · ratio).
    #[must_use]
    pub fn limits_of(&self, total: i64) -> Limits {
        let at = |ratio: &Amount| int(float(total) * ratio.as_f64());
        Limits {
            anonymous: at(&self.backpressure.anonymous_pressure_threshold),
            registered: at(&self.backpressure.registered_pressure_threshold),
            paid: at(&self.backpressure.paid_pressure_threshold),
            hard: at(&self.backpressure.hard_limit_threshold),
        }
    }

    /// What follows for one instance with all its configured processes.
    pub(super) fn computed(&self) -> ComputedMetrics {
        let capacity = self.capacity(self.service_capacity.processes_per_instance.whole());
        let concurrent = self.service_capacity.concurrent_requests_per_instance.as_f64();
        ComputedMetrics {
            base_queue_size_per_instance: capacity.total,
            theoretical_throughput_per_instance: capacity.hourly,
            effective_concurrent_capacity: int(concurrent * (1.0 - self.backpressure.capacity_buffer.as_f64())),
            queue_capacity_per_instance: int(concurrent * self.backpressure.queue_depth_multiplier.as_f64()),
        }
    }
}

/// Truncates; saturates, and takes what is not a number for 0.
#[expect(clippy::cast_possible_truncation, reason = "truncating is what is wanted")]
const fn int(value: f64) -> i64 {
    value as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(concurrent: i64, buffer: f64, multiplier: f64, seconds: f64) -> GatewaySettings {
        let mut settings = GatewaySettings::default();
        settings.service_capacity.concurrent_requests_per_process = concurrent.into();
        settings.service_capacity.avg_processing_time_seconds = seconds.into();
        settings.backpressure.capacity_buffer = buffer.into();
        settings.backpressure.queue_depth_multiplier = multiplier.into();
        settings
    }

    #[test]
    fn every_part_of_a_capacity_is_rounded_down_by_itself() {
        for (settings, processes, [concurrent, effective, queue, total, hourly]) in [
            (settings(5, 0.2, 2.0, 25.0), 3, [15, 12, 30, 42, 2160]),
            // 6.3 and 10.5 are 6 and 10, not 16.8.
            (settings(7, 0.1, 1.5, 7.0), 1, [7, 6, 10, 16, 3600]),
            (settings(5, 1.0, 0.0, 25.0), 2, [10, 0, 0, 0, 1440]),
            (settings(5, 0.0, 2.0, 25.0), 0, [0, 0, 0, 0, 0]),
            (settings(0, 0.2, 2.0, 25.0), 9, [0, 0, 0, 0, 0]),
        ] {
            let expected = Capacity { concurrent, effective, queue, total, hourly };
            assert_eq!(settings.capacity(processes), expected);
        }
    }

    #[test]
    fn a_capacity_beyond_all_counts_is_the_greatest_count() {
        let all = settings(i64::MAX, 0.0, 2.0, 0.001).capacity(2);
        assert_eq!([all.concurrent, all.queue, all.total, all.hourly], [i64::MAX; 4]);
        // 0 / 0: no process, and a time that no configuration may give.
        assert_eq!(settings(5, 0.2, 2.0, 0.0).capacity(0).hourly, 0);
    }

    #[test]
    fn each_limit_is_its_own_share_of_the_total_rounded_down() {
        let mut settings = settings(5, 0.2, 2.0, 25.0);
        let backpressure = &mut settings.backpressure;
        backpressure.anonymous_pressure_threshold = 0.5.into();
        backpressure.registered_pressure_threshold = 0.75.into();
        backpressure.paid_pressure_threshold = 0.99.into();
        backpressure.hard_limit_threshold = 1.5.into();
        for (total, [anonymous, registered, paid, hard]) in [(10, [5, 7, 9, 15]), (1, [0, 0, 0, 1]), (0, [0, 0, 0, 0])]
        {
            assert_eq!(settings.limits_of(total), Limits { anonymous, registered, paid, hard }, "{total}");
        }
    }
}
