//! How full the connection pools are, summed over the processes of a component.

use std::collections::BTreeMap;

use super::state::{Cause, Fleet, PoolTotals, Reading, Service};
use crate::base::number::{count, round};
use crate::platform::facts::{Component, Pool, PoolUse, Pools, RollingSeries};

/// Every pool of both components.
pub(super) fn totals(fleet: &Fleet) -> BTreeMap<(Component, Pool), PoolTotals> {
    let mut totals = BTreeMap::new();
    for component in Component::ALL {
        let service = Service::of(component);
        let processes = fleet.running(&service).flat_map(|(_, processes)| processes);
        let reports: Vec<&Pools> = processes.filter_map(|process| process.pools.as_deref()).collect();
        totals.extend(Pool::ALL.into_iter().map(|pool| ((component, pool), of_pool(&reports, pool))));
    }
    totals
}

fn of_pool(reports: &[&Pools], pool: Pool) -> PoolTotals {
    let mut totals =
        PoolTotals { max: none(), size: none(), available: none(), in_use: none(), ..PoolTotals::default() };
    let mut reported = 0;
    for report in reports.iter().filter_map(|pools| use_of(pools, pool)) {
        add(&mut totals.max, report.max);
        add(&mut totals.size, report.size);
        add(&mut totals.available, report.available);
        add(&mut totals.in_use, report.in_use);
        reported += 1;
    }
    totals.reported = count(reported);
    totals.utilization = utilization(&totals);
    totals
}

const fn use_of(pools: &Pools, pool: Pool) -> Option<&PoolUse> {
    match pool {
        Pool::Postgres => pools.postgres.as_ref(),
        Pool::RedisAsync => pools.redis_async.as_ref(),
        Pool::RedisAsyncDecode => pools.redis_async_decode.as_ref(),
        Pool::RedisSync => pools.redis_sync.as_ref(),
    }
}

fn none() -> Reading<f64> {
    Reading::absent(Cause::NotReported)
}

fn add(total: &mut Reading<f64>, value: Option<f64>) {
    // A negative number of connections says as little as none.
    if let Some(value) = value.filter(|value| *value >= 0.0) {
        *total = Reading::Value((total.get().unwrap_or_default() + value).clamp(f64::MIN, f64::MAX));
    }
}

/// In use / maximum; the connections that are open now replace a maximum that no process reports.
fn utilization(totals: &PoolTotals) -> Reading<f64> {
    let capacity = if totals.max.known().is_some() { &totals.max } else { &totals.size };
    let capacity = capacity.clone().filter(|capacity| *capacity > 0.0, || Cause::NoLimitConfigured);
    totals.in_use.clone().zip(capacity).map(|(in_use, capacity)| in_use / capacity)
}

/// The points that this tick adds: percent and connections, where known.
pub(super) fn points(pools: &BTreeMap<(Component, Pool), PoolTotals>) -> impl Iterator<Item = (RollingSeries, f64)> {
    pools.iter().flat_map(|(&(component, pool), totals)| {
        // Rounded because the platform's writers record it so.
        let percent = totals.utilization.get().map(|ratio| round(ratio * 100.0, 1));
        let percent = percent.map(|percent| (RollingSeries::PoolUtilization(component, pool), percent));
        let in_use = totals.in_use.get().map(|in_use| (RollingSeries::PoolInUse(component, pool), in_use));
        percent.into_iter().chain(in_use)
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::analysis::fleet::fleet;
    use crate::analysis::tests::{NOW, beat};
    use crate::platform::facts::{Facts, HealthWord, Heartbeat};

    fn report(max: Option<f64>, size: Option<f64>, in_use: Option<f64>) -> Pools {
        Pools { postgres: Some(PoolUse { max, size, available: None, in_use }), ..Pools::default() }
    }

    fn postgres(reports: &[&Pools]) -> PoolTotals {
        of_pool(reports, Pool::Postgres)
    }

    #[test]
    fn the_maximum_falls_back_to_the_size_and_zero_is_no_maximum() {
        let table = [
            (report(Some(8.0), Some(4.0), Some(2.0)), Some(0.25)),
            (report(None, Some(4.0), Some(2.0)), Some(0.5)),
            (report(Some(0.0), Some(4.0), Some(2.0)), None),
            (report(Some(8.0), None, None), None),
            (report(Some(8.0), None, Some(0.0)), Some(0.0)),
            (Pools::default(), None),
        ];
        for (pools, expected) in table {
            let postgres = postgres(&[&pools]);
            assert_eq!(postgres.utilization.get(), expected, "{pools:?}");
            assert_eq!(postgres.reported, i64::from(pools.postgres.is_some()));
        }
    }

    #[test]
    fn what_no_process_reports_is_absent_for_that_reason() {
        let cause = |reading: &Reading<f64>| reading.reason().map(|reason| reason.cause);
        assert_eq!(cause(&postgres(&[&Pools::default()]).utilization), Some(Cause::NotReported));
        let unlimited = postgres(&[&report(Some(0.0), None, Some(2.0))]);
        assert_eq!(cause(&unlimited.utilization), Some(Cause::NoLimitConfigured));
    }

    #[test]
    fn sums_stay_finite() {
        let huge = report(Some(f64::MAX), Some(f64::MAX), Some(f64::MAX));
        let postgres = postgres(&[&huge, &huge]);
        assert!(postgres.max.get().unwrap().is_finite() && postgres.utilization.get().unwrap().is_finite());
    }

    #[test]
    fn only_known_values_become_points_and_percentages_are_rounded() {
        let key = (Component::Proc, Pool::Postgres);
        let points = |pools: &Pools| points(&[(key, postgres(&[pools]))].into()).collect::<Vec<_>>();
        let in_use = RollingSeries::PoolInUse(Component::Proc, Pool::Postgres);
        assert_eq!(points(&report(Some(0.0), None, Some(0.0))), [(in_use, 0.0)]);
        let percent = RollingSeries::PoolUtilization(Component::Proc, Pool::Postgres);
        assert_eq!(points(&report(Some(3.0), None, Some(1.0))), [(percent, 33.3), (in_use, 1.0)]);
    }

    #[test]
    fn totals_are_sums_over_the_processes_that_report_and_negative_numbers_say_nothing() {
        let full = |available| PoolUse { max: Some(8.0), size: Some(4.0), available, in_use: Some(2.0) };
        let reports = [
            Pools { postgres: Some(full(Some(2.0))), ..Pools::default() },
            Pools { postgres: Some(full(None)), ..Pools::default() },
            Pools { postgres: Some(PoolUse { in_use: Some(-3.0), ..full(Some(-1.0)) }), ..Pools::default() },
            Pools::default(),
        ];
        let found = postgres(&reports.iter().collect::<Vec<_>>());
        let numbers = [&found.max, &found.size, &found.available, &found.in_use].map(Reading::get);
        assert_eq!(numbers, [Some(24.0), Some(12.0), Some(2.0), Some(4.0)]);
        assert_eq!((found.reported, found.utilization.get()), (3, Some(4.0 / 24.0)));
    }

    #[test]
    fn each_pool_of_each_component_has_totals_of_its_own() {
        let used = |in_use| Some(PoolUse { max: Some(10.0), in_use: Some(in_use), ..PoolUse::default() });
        let pools = |first: f64| Pools {
            postgres: used(first),
            redis_async: used(first + 1.0),
            redis_async_decode: used(first + 2.0),
            redis_sync: used(first + 3.0),
        };
        let facts = Facts {
            heartbeats: [("rest", 1.0), ("proc", 5.0)]
                .map(|(name, first)| Heartbeat {
                    pools: Arc::new(pools(first)),
                    ..beat("i", name, 1, 1.0, HealthWord::Healthy)
                })
                .into(),
            ..Facts::default()
        };
        let totals = totals(&fleet(&facts, NOW, 45.0));
        let of = |component| {
            let pools = [Pool::Postgres, Pool::RedisAsync, Pool::RedisAsyncDecode, Pool::RedisSync];
            pools.map(|pool| totals[&(component, pool)].in_use.get())
        };
        assert_eq!(of(Component::Ingress), [Some(1.0), Some(2.0), Some(3.0), Some(4.0)]);
        assert_eq!(of(Component::Proc), [Some(5.0), Some(6.0), Some(7.0), Some(8.0)]);
    }
}
