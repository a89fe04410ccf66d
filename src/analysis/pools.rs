//! How full the connection pools are, summed over the processes of a component.

use super::windows;
use crate::base::clock::UnixSeconds;
use crate::base::number::{count, round};
use crate::history::History;
use crate::payload::shapes::{PerPool, PoolsAggregate, PostgresTotals, RedisPoolTotals, RedisTotals};
use crate::platform::facts::{Component, Pool, PoolUse, Pools, RollingSeries};

/// Sums without history.
pub(super) fn aggregate(reports: &[&Pools]) -> PoolsAggregate {
    let postgres = Totals::of(reports, |pools| pools.postgres.as_ref());
    let redis = |pool: fn(&Pools) -> Option<&PoolUse>| Totals::of(reports, pool).redis();
    PoolsAggregate {
        postgres: PostgresTotals {
            max_total: postgres.max,
            size_total: postgres.size,
            available_total: postgres.available,
            in_use_total: postgres.in_use,
            utilization_percent: postgres.utilization(),
            reported_processes: postgres.reported,
        },
        redis: RedisTotals {
            asynchronous: redis(|pools| pools.redis_async.as_ref()),
            async_decode: redis(|pools| pools.redis_async_decode.as_ref()),
            sync: redis(|pools| pools.redis_sync.as_ref()),
        },
        ..PoolsAggregate::default()
    }
}

/// Sums of one pool; each is `None` until a process reports the number.
#[derive(Debug, Default)]
struct Totals {
    max: Option<f64>,
    size: Option<f64>,
    available: Option<f64>,
    in_use: Option<f64>,
    reported: i64,
}

impl Totals {
    fn of<'a>(reports: &[&'a Pools], pool: impl Fn(&'a Pools) -> Option<&'a PoolUse>) -> Self {
        let mut totals = Self::default();
        let mut reported = 0;
        for report in reports.iter().filter_map(|pools| pool(pools)) {
            add(&mut totals.max, report.max);
            add(&mut totals.size, report.size);
            add(&mut totals.available, report.available);
            add(&mut totals.in_use, report.in_use);
            reported += 1;
        }
        totals.reported = count(reported);
        totals
    }

    /// `round(in_use / max · 100, 1)`; what is open now stands in for a maximum that nobody reports.
    fn utilization(&self) -> Option<f64> {
        let capacity = self.max.or(self.size).filter(|capacity| *capacity > 0.0)?;
        self.in_use.map(|in_use| round(in_use / capacity * 100.0, 1))
    }

    fn redis(&self) -> RedisPoolTotals {
        RedisPoolTotals {
            max_total: self.max,
            in_use_total: self.in_use,
            available_total: self.available,
            total_total: self.size,
            utilization_percent: self.utilization(),
            reported_processes: self.reported,
        }
    }
}

fn add(total: &mut Option<f64>, value: Option<f64>) {
    if let Some(value) = value {
        *total = Some((total.unwrap_or_default() + value).clamp(f64::MIN, f64::MAX));
    }
}

/// The points that this tick adds: percent and connections, where known.
pub(super) fn points(component: Component, pools: &PoolsAggregate) -> impl Iterator<Item = (RollingSeries, f64)> {
    Pool::ALL.into_iter().flat_map(move |pool| {
        let (percent, in_use) = pools.current(pool);
        let percent = percent.map(|value| (RollingSeries::PoolUtilization(component, pool), value));
        let in_use = in_use.map(|value| (RollingSeries::PoolInUse(component, pool), value));
        percent.into_iter().chain(in_use)
    })
}

/// The sums with the history of the pools that have a current value.
pub(super) fn with_windows(
    mut pools: PoolsAggregate,
    component: Component,
    history: &History,
    now: UnixSeconds,
) -> PoolsAggregate {
    let (mut utilization, mut in_use) = (PerPool::default(), PerPool::default());
    for (series, _) in points(component, &pools) {
        let windows = Some(windows::rolling(history, series, now));
        match series {
            RollingSeries::PoolUtilization(_, pool) => *utilization.get_mut(pool) = windows,
            RollingSeries::PoolInUse(_, pool) => *in_use.get_mut(pool) = windows,
            _ => {}
        }
    }
    pools.utilization_windows = utilization;
    pools.in_use_windows = in_use;
    pools
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(max: Option<f64>, size: Option<f64>, in_use: Option<f64>) -> Pools {
        Pools { postgres: Some(PoolUse { max, size, available: None, in_use }), ..Pools::default() }
    }

    #[test]
    fn the_maximum_falls_back_to_the_size_and_zero_is_no_maximum() {
        let table = [
            (report(Some(8.0), Some(4.0), Some(2.0)), Some(25.0)),
            (report(None, Some(4.0), Some(2.0)), Some(50.0)),
            (report(Some(0.0), Some(4.0), Some(2.0)), None),
            (report(Some(8.0), None, None), None),
            (report(Some(8.0), None, Some(0.0)), Some(0.0)),
            (Pools::default(), None),
        ];
        for (pools, expected) in table {
            let postgres = aggregate(&[&pools]).postgres;
            assert_eq!(postgres.utilization_percent, expected, "{pools:?}");
            assert_eq!(postgres.reported_processes, i64::from(pools.postgres.is_some()));
        }
    }

    #[test]
    fn sums_stay_finite() {
        let huge = report(Some(f64::MAX), Some(f64::MAX), Some(f64::MAX));
        let postgres = aggregate(&[&huge, &huge]).postgres;
        assert!(postgres.max_total.unwrap().is_finite() && postgres.utilization_percent.unwrap().is_finite());
    }

    #[test]
    fn only_known_values_become_points() {
        let pools = aggregate(&[&report(Some(0.0), None, Some(0.0))]);
        let points: Vec<_> = points(Component::Proc, &pools).collect();
        assert_eq!(points, [(RollingSeries::PoolInUse(Component::Proc, Pool::Postgres), 0.0)]);
    }
}
