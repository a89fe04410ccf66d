//! The Postgres connections that the configuration can amount to, and how many the server accepts.

use super::state::{CapacitySource, Database, DatabaseEstimate, DatabaseLimit, LimitOrigin, Reading};
use crate::base::number::count;
use crate::platform::gateway::{Amount, GatewaySettings};

/// Estimate and limit; `queried` is what the database server answered. A configured limit wins.
pub(super) fn database(
    settings: &GatewaySettings,
    queried: Reading<i64>,
    source: &Reading<CapacitySource>,
) -> Database {
    let limit = |origin| move |connections| DatabaseLimit { connections, origin: Some(origin) };
    let estimate = source.as_ref().map(|source| estimate(settings, count(source.alive_instances.len()).max(1)));
    Database {
        limit: match settings.pools.pg_max_connections.as_ref().map(Amount::whole) {
            Some(configured) => Reading::Value(configured).map(limit(LimitOrigin::Config)),
            None => queried.map(limit(LimitOrigin::Query)),
        },
        estimated_total: estimate
            .as_ref()
            .map(|estimate| estimate.per_instance.saturating_mul(estimate.instance_count)),
        estimate,
    }
}

fn estimate(settings: &GatewaySettings, instance_count: i64) -> DatabaseEstimate {
    let service = &settings.service_capacity;
    let pool_size =
        settings.pools.pg_pool_max_size.as_ref().unwrap_or(&service.concurrent_requests_per_process).whole();
    let processes_per_instance = match service.processes_per_instance.whole() {
        0 => 1,
        processes => processes,
    };
    let per_instance = pool_size.saturating_mul(processes_per_instance);
    DatabaseEstimate { pool_size, processes_per_instance, per_instance, instance_count }
}

#[cfg(test)]
mod tests {
    use super::super::state::Cause;
    use super::*;
    use crate::analysis::tests::gateway_with;
    use crate::platform::facts::Component;

    fn of(fields: &str, queried: Option<i64>, instances: Option<usize>) -> Database {
        let gateway = gateway_with(fields);
        let alive_instances = |instances| (0..instances).map(|n| format!("i{n}").into()).collect();
        let source = instances.map(|instances| CapacitySource {
            alive_instances: alive_instances(instances),
            ..CapacitySource::default()
        });
        database(
            gateway.of(Component::Proc),
            Reading::or_absent(queried, || Cause::NoLimitConfigured),
            &Reading::or_absent(source, || Cause::Unreadable),
        )
    }

    #[test]
    fn a_configured_limit_wins_over_what_the_server_answered() {
        let limit =
            |fields, queried| of(fields, queried, Some(1)).limit.get().map(|limit| (limit.connections, limit.origin));
        let configured = r#""pools": {"pg_max_connections": 80}"#;
        assert_eq!(limit(configured, Some(100)), Some((80, Some(LimitOrigin::Config))));
        assert_eq!(limit(configured, None), Some((80, Some(LimitOrigin::Config))));
        assert_eq!(limit(r#""pools": {}"#, Some(100)), Some((100, Some(LimitOrigin::Query))));
        assert_eq!(limit(r#""pools": {}"#, None), None);
    }

    #[test]
    fn the_estimate_is_a_pool_for_each_process_of_each_live_instance() {
        let capacity = |processes| {
            format!(
                r#""service_capacity": {{"concurrent_requests_per_process": 5, "processes_per_instance": {processes}}}"#
            )
        };
        let table = [
            // Processes an instance, further fields, live instances; pool, processes, instances, total.
            (2, r#""pools": {"pg_pool_max_size": 7}"#, 3, (7, 2, 3, 42)),
            (2, r#""pools": {}"#, 3, (5, 2, 3, 30)),
            // An instance runs one process at the least, and a deployment has one instance at the least.
            (0, r#""pools": {}"#, 0, (5, 1, 1, 5)),
            (1, r#""pools": {"pg_pool_max_size": 0}"#, 2, (0, 1, 2, 0)),
        ];
        for (processes, pools, instances, expected) in table {
            let found = of(&format!("{}, {pools}", capacity(processes)), None, Some(instances));
            let estimate = found.estimate.known().expect("the instances are known");
            assert_eq!(estimate.per_instance, estimate.pool_size * estimate.processes_per_instance);
            let total = found.estimated_total.get().unwrap_or(-1);
            let found = (estimate.pool_size, estimate.processes_per_instance, estimate.instance_count, total);
            assert_eq!(found, expected, "{processes} {pools} {instances}");
        }
    }

    #[test]
    fn without_the_live_instances_there_is_no_estimate_and_the_limit_stays() {
        let found = of(r#""pools": {}"#, Some(100), None);
        assert_eq!(found.estimate.reason().map(|reason| reason.cause), Some(Cause::Unreadable));
        assert_eq!((found.estimated_total.get(), found.limit.known().is_some()), (None, true));
    }

    #[test]
    fn an_estimate_beyond_all_numbers_is_the_largest() {
        let huge = i64::MAX / 2;
        let found = of(&format!(r#""pools": {{"pg_pool_max_size": {huge}}}"#), None, Some(5));
        assert_eq!(found.estimated_total.get(), Some(i64::MAX));
    }
}
