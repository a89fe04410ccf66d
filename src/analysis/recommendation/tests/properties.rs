//! What holds for any numbers: monotone, bounded, stable, and no scale-in on what is not known.

use proptest::prelude::*;

use super::*;

fn maybe<T: std::fmt::Debug + Clone + 'static>(value: impl Strategy<Value = T>) -> impl Strategy<Value = Reading<T>> {
    let causes = prop::sample::select(vec![Cause::Unreadable, Cause::EmptyWindow, Cause::NotReported]);
    prop_oneof![4 => value.prop_map(Reading::Value), 1 => causes.prop_map(Reading::absent)]
}

fn any_budget() -> impl Strategy<Value = Reading<ConnectionBudget>> {
    let budget = (0..2000_i64, 0..100_i64, 0..500_i64);
    maybe(budget.prop_map(|(max, per_replica, others)| ConnectionBudget { max, per_replica, others }))
}

prop_compose! {
    fn any_replicas()(
        current in maybe(0..500_i64),
        is_draining in any::<bool>(),
        is_partial in any::<bool>(),
        database in any_budget(),
    ) -> ReplicaOperands {
        let quality = if is_partial { Quality::Partial } else { Quality::Ok };
        ReplicaOperands { current, is_draining, quality, database }
    }
}

prop_compose! {
    fn any_operands()(
        replicas in any_replicas(),
        active in maybe(prop_oneof![0..5000_i64, any::<i64>()]),
        waiting in maybe(prop_oneof![0..5000_i64, any::<i64>()]),
        waiting_jobs in maybe(prop_oneof![0..100_i64, any::<i64>()]),
        turned_away in maybe(prop_oneof![0..1000_i64, any::<i64>()]),
        slots_per_replica in maybe(prop_oneof![0.0..50.0, any::<f64>()]),
        free_slots in maybe(0..100_i64),
        is_claiming in maybe(any::<bool>()),
        arrivals_per_second in maybe(prop_oneof![0.0..50.0, any::<f64>()]),
        mean_exec_seconds in maybe(prop_oneof![0.0..2000.0, any::<f64>()]),
    ) -> ProcOperands {
        ProcOperands {
            replicas, active, waiting, waiting_jobs, turned_away, slots_per_replica, free_slots, is_claiming,
            arrivals_per_second, mean_exec_seconds,
        }
    }
}

prop_compose! {
    fn any_policy()(
        target in 0.01..=1.0,
        target_wait_seconds in 0.001..1000.0,
        (min, more) in (0..20_u32, 0..200_u32),
        unbounded in any::<bool>(),
        stabilization_seconds in prop_oneof![Just(0.0), 1.0..900.0],
    ) -> ScalePolicy {
        let bounds = Bounds::new(min, if unbounded { 0 } else { min + more }).unwrap();
        let component = ComponentPolicy { target: Fraction::new(target).unwrap(), bounds };
        ScalePolicy { proc: component, ingress: component, target_wait_seconds, stabilization_seconds }
    }
}

/// A fleet that follows its recommendations at once, tick by tick; gives each number that was recommended.
fn follow(needs: &[f64], mut current: i64) -> Vec<i64> {
    let (mut memory, mut desired) = (Stabilization::default(), Vec::new());
    for (tick, need) in needs.iter().enumerate() {
        let replicas = ReplicaOperands { current: Reading::Value(current), ..ReplicaOperands::default() };
        let limit_per_replica = Reading::Value(1000.0);
        #[expect(clippy::cast_possible_truncation, reason = "a count of connections")]
        let connections = Reading::Value((need * 700.0).round() as i64);
        let operands = IngressOperands { replicas, connections, limit_per_replica };
        let now = float(i64::try_from(tick).unwrap()) * 5.0;
        let (found, after) = ingress(&operands, &ScalePolicy::default(), memory, now);
        memory = after;
        current = found.desired.get().unwrap();
        desired.push(current);
    }
    desired
}

fn changes(desired: &[i64]) -> usize {
    desired.windows(2).filter(|pair| pair[0] != pair[1]).count()
}

proptest! {
    #[test]
    fn more_demand_never_needs_fewer(
        operands in any_operands(),
        policy in any_policy(),
        more in (0..100_i64, 0..100_i64, 0..100_i64, 0.0..10.0, 0.0..100.0, 0..100_i64),
    ) {
        let mut greater = operands.clone();
        greater.active = greater.active.map(|active| active.saturating_add(more.0));
        greater.waiting = greater.waiting.map(|waiting| waiting.saturating_add(more.1));
        greater.waiting_jobs = greater.waiting_jobs.map(|jobs| jobs.saturating_add(more.2));
        greater.turned_away = greater.turned_away.map(|users| users.saturating_add(more.5));
        let is_number = |value: &f64| value.is_finite() && *value >= 0.0 && *value < 1e100;
        let raised = |reading: Reading<f64>, more: f64| reading.map(|v| if is_number(&v) { v + more } else { v });
        greater.arrivals_per_second = raised(greater.arrivals_per_second, more.3);
        greater.mean_exec_seconds = raised(greater.mean_exec_seconds, more.4);
        // A stall is no demand.
        let claiming = |operands: &ProcOperands| ProcOperands { is_claiming: Reading::Value(true), ..operands.clone() };
        let of = |operands: &ProcOperands| proc(&claiming(operands), &policy, Stabilization::default(), 0.0).0.desired.get();
        prop_assert!(of(&operands) <= of(&greater), "{:?} {:?}", of(&operands), of(&greater));
    }

    #[test]
    fn the_number_is_within_the_bounds_and_exact(operands in any_operands(), policy in any_policy()) {
        let (found, _) = proc(&operands, &policy, Stabilization::default(), 0.0);
        let bounds = policy.proc.bounds;
        if let Some(desired) = found.desired.get() {
            prop_assert!(desired >= bounds.min() && bounds.max().is_none_or(|max| desired <= max), "{desired}");
            prop_assert!(desired <= 1_000_000_000_000_000);
            prop_assert_eq!(found.missing().get(), Some(desired - found.current.get().unwrap()));
        } else {
            let absent = [&operands.active, &operands.waiting, &operands.replicas.current];
            prop_assert!(absent.iter().any(|reading| reading.get().is_none()));
        }
        let text: String = found.steps.iter().map(ToString::to_string).collect();
        prop_assert!(!text.contains("NaN") && !text.contains("inf"), "{text}");
    }

    #[test]
    fn no_replica_goes_while_quality_is_partial_or_replicas_drain(
        mut operands in any_operands(),
        policy in any_policy(),
        is_draining in any::<bool>(),
    ) {
        operands.replicas.is_draining = is_draining;
        operands.replicas.quality = if is_draining { operands.replicas.quality } else { Quality::Partial };
        let (found, _) = proc(&operands, &policy, Stabilization::default(), 0.0);
        if let Some((desired, current)) = found.desired.get().zip(found.current.get()) {
            // The policy's maximum is an order, and no conclusion from the numbers.
            prop_assert!(desired >= current.min(policy.proc.bounds.max().unwrap_or(i64::MAX)), "{desired} {current}");
        }
    }

}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn noise_of_5_percent_settles(need in 0.2..300.0_f64, noise in prop::collection::vec(-0.05..0.05_f64, 400), start in 1..300_i64) {
        let needs: Vec<f64> = noise.iter().map(|noise| need * (1.0 + noise)).collect();
        let desired = follow(&needs, start);
        // Up at once, down when the first window has passed; what began at the edge of the tolerance may grow once more.
        prop_assert!(changes(&desired) <= 3, "{desired:?}");
    }

    #[test]
    fn any_change_within_the_tolerance_settles_for_good(
        need in 0.2..300.0_f64,
        noise in prop::collection::vec(prop_oneof![Just(0.0), Just(0.09), 0.0..0.09], 600),
        start in 1..300_i64,
    ) {
        let needs: Vec<f64> = noise.iter().map(|noise| need * (1.0 + noise)).collect();
        let desired = follow(&needs, start);
        let ups = desired.windows(2).filter(|pair| pair[0] < pair[1]).count();
        prop_assert!(ups <= 1, "what grew for such a change does not grow again: {desired:?}");
    }
}
