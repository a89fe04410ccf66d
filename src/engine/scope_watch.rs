//! Whether anything of the scope is in the source: a deployment that was never seen, or whose keys vanished all at once, is
//! not one without load.

use crate::platform::facts::{Facts, QueueDepth};
use crate::platform::gateway::SavedGatewayConfig;

/// Kinds of keys that have to be there at once for their common end to be no coincidence.
const MANY: usize = 2;

/// What earlier ticks saw.
#[derive(Debug, Default)]
pub(super) struct ScopeWatch {
    found: bool,
    /// Kinds of keys that the last tick saw.
    kinds: usize,
}

impl ScopeWatch {
    /// Whether the deployment is there, as of this tick. Workers that end one after the other leave traces; a flushed or
    /// swapped Redis leaves none.
    pub(super) fn observe(&mut self, facts: &Facts) -> bool {
        let kinds = kinds(facts);
        if kinds > 0 {
            self.found = true;
        } else if self.kinds >= MANY {
            self.found = false;
        }
        self.kinds = kinds;
        self.found
    }
}

/// Rolling points are no sign: this server writes them too.
fn kinds(facts: &Facts) -> usize {
    let queued = |depth: &Option<QueueDepth>| depth.is_some_and(|depth| depth.total() > 0);
    let signs = [
        facts.process_keys_found > 0 || !facts.departed.is_empty(),
        !facts.sse.is_empty(),
        facts.queues.iter().any(|(_, depth)| queued(depth)),
        facts.analytics.iter().any(|(_, kept)| kept.is_some()),
        facts.latency.values().any(|points| !points.is_empty()),
        !facts.throttling_events.is_empty() || !facts.hourly_requests.is_empty(),
        !facts.circuits.is_empty(),
        facts.saved_gateway_config != SavedGatewayConfig::Missing,
        !facts.malformed.is_empty() || !facts.malformed_unlisted.is_empty() || !facts.unreadable.is_empty(),
    ];
    signs.into_iter().filter(|sign| *sign).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::facts::{
        Circuit, CircuitFacts, Departed, InputKind, LatencySeries, PerRole, Point, Role, RollingSeries, SseSample,
        ThrottlingEvent, Unreadable, WorkerId,
    };

    fn with(processes: usize, ready: i64) -> Facts {
        let mut facts = Facts { process_keys_found: processes, ..Facts::default() };
        *facts.queues.get_mut(Role::Paid) = Some(QueueDepth { ready, inflight: 0, continuations: 0 });
        facts
    }

    #[test]
    fn a_scope_is_found_with_its_first_key_and_lost_when_all_vanish_at_once() {
        let ticks = [
            ((0, 0), false),
            ((2, 0), true),
            ((0, 0), true),
            ((2, 3), true),
            ((0, 3), true),
            ((0, 0), true),
            ((2, 3), true),
            ((0, 0), false),
            ((0, 0), false),
            ((0, 1), true),
        ];
        let mut watch = ScopeWatch::default();
        for (tick, ((processes, ready), found)) in ticks.into_iter().enumerate() {
            assert_eq!(watch.observe(&with(processes, ready)), found, "tick {tick}");
        }
    }

    /// One fact each that only a deployment leaves.
    fn signs() -> [(&'static str, Facts); 11] {
        let nothing = Facts::default;
        let queued = |depth| Facts { queues: PerRole { external: Some(depth), ..PerRole::default() }, ..nothing() };
        let worker = WorkerId { instance_id: "i".into(), process_id: 1 };
        let sample = SseSample { worker, count: 0, sessions: 0, max: 0, at: None };
        let point = vec![Point { at: 1.0, value: 1.0 }];
        let throttled = vec![ThrottlingEvent { at: 1.0, detail: None }];
        let circuits = [(Circuit::Backpressure, CircuitFacts::default())].into();
        [
            ("a process", with(1, 0)),
            ("an SSE sample", Facts { sse: vec![sample], ..nothing() }),
            ("a task", queued(QueueDepth { ready: 1, ..QueueDepth::default() })),
            ("a claimed task", queued(QueueDepth { inflight: 1, ..QueueDepth::default() })),
            ("a latency", Facts { latency: [(LatencySeries::TaskExec, point)].into(), ..nothing() }),
            ("a throttled request", Facts { throttling_events: throttled, ..nothing() }),
            ("counted requests", Facts { hourly_requests: [("h".to_owned(), 1)].into(), ..nothing() }),
            ("a circuit", Facts { circuits, ..nothing() }),
            ("a configuration", Facts { saved_gateway_config: SavedGatewayConfig::Text(String::new()), ..nothing() }),
            ("what cannot be read", Facts { unreadable: [Unreadable::Throttling].into(), ..nothing() }),
            ("what is not listed", Facts { malformed_unlisted: [(InputKind::Index, 1)].into(), ..nothing() }),
        ]
    }

    #[test]
    fn a_key_of_any_kind_is_a_sign_of_the_deployment() {
        for (what, facts) in signs() {
            assert!(ScopeWatch::default().observe(&facts), "{what}");
        }
        let (instance_id, service_type, service_name) = ("i".into(), "chat".into(), "proc".into());
        let gone = Departed { instance_id, service_type, service_name, process_id: None, last_seen: 0.0 };
        assert!(ScopeWatch::default().observe(&Facts { departed: vec![gone], ..Facts::default() }));
    }

    #[test]
    fn what_is_empty_and_points_of_our_own_are_no_sign() {
        let empty = Facts { latency: [(LatencySeries::TaskExec, Vec::new())].into(), ..with(0, 0) };
        let point = vec![Point { at: 1.0, value: 1.0 }];
        let own = Facts { rolling: [(RollingSeries::QueueDepth, point)].into(), ..Facts::default() };
        assert_eq!([Facts::default(), empty, own].map(|facts| ScopeWatch::default().observe(&facts)), [false; 3]);
    }
}
