//! How far the tick's numbers can be trusted: what autoscaling rests on and could not be read.

use std::collections::BTreeMap;

use super::Inputs;
use super::state::{Fleet, Process, Quality};
use crate::history::WriterOffset;
use crate::platform::facts::{Facts, InputKind};

/// Inputs that the fleet's size follows from.
const DECISIVE: [InputKind; 3] = [InputKind::Heartbeat, InputKind::SseSample, InputKind::QueueDepth];

/// The quality of a tick over these inputs.
pub(super) fn quality(inputs: &Inputs<'_>, fleet: &Fleet, writer_offsets: &BTreeMap<String, WriterOffset>) -> Quality {
    if !inputs.is_scope_found {
        return Quality::ScopeNotFound;
    }
    let is_partial = inputs.is_gateway_uncertain
        || !inputs.facts.sse_unknown.is_empty()
        || is_decisive_unreadable(inputs.facts)
        || is_stale_by_its_clock(fleet, writer_offsets);
    if is_partial { Quality::Partial } else { Quality::Ok }
}

/// Whether a process counts as stale that was seen to write, with a clock that is behind or may be.
fn is_stale_by_its_clock(fleet: &Fleet, writer_offsets: &BTreeMap<String, WriterOffset>) -> bool {
    let arrived = |instance: &str| writer_offsets.get(instance).and_then(|offset| offset.arrived);
    let mut behind = fleet.groups.iter().filter(|group| arrived(&group.instance).is_some_and(|seconds| seconds < 0.0));
    behind.any(|group| group.processes.iter().any(|process| !Process::is_live(process)))
}

fn is_decisive_unreadable(facts: &Facts) -> bool {
    let listed = facts.malformed.iter().map(|malformed| malformed.kind);
    let mut malformed = listed.chain(facts.malformed_unlisted.keys().copied());
    malformed.any(|kind| DECISIVE.contains(&kind))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::analysis::state::Reading;
    use crate::analysis::tests::gateway_with;
    use crate::platform::facts::Malformed;

    #[test]
    fn only_what_decides_the_fleets_size_makes_a_tick_partial() {
        let table = [
            (InputKind::Heartbeat, true),
            (InputKind::SseSample, true),
            (InputKind::QueueDepth, true),
            (InputKind::Circuit, false),
            (InputKind::SeriesMember, false),
        ];
        for (kind, expected) in table {
            let malformed = vec![Malformed { kind, key: "k".into(), problem: "is not JSON".into() }];
            let listed = Facts { malformed, ..Facts::default() };
            let unlisted = Facts { malformed_unlisted: [(kind, 1)].into(), ..Facts::default() };
            assert_eq!([listed, unlisted].map(|facts| is_decisive_unreadable(&facts)), [expected; 2], "{kind:?}");
        }
    }

    #[test]
    fn a_scope_that_is_not_there_outweighs_what_cannot_be_read() {
        let gateway = Arc::new(gateway_with(""));
        for (is_scope_found, is_gateway_uncertain, expected) in [
            (true, false, Quality::Ok),
            (true, true, Quality::Partial),
            (false, true, Quality::ScopeNotFound),
            (false, false, Quality::ScopeNotFound),
        ] {
            let inputs = Inputs {
                zone: &jiff::tz::TimeZone::UTC,
                facts: &Facts::default(),
                gateway: &gateway,
                instance_id: "m-1",
                database_max_connections: Reading::default(),
                is_gateway_uncertain,
                is_scope_found,
                now: 0.0,
            };
            assert_eq!(quality(&inputs, &Fleet::default(), &BTreeMap::new()), expected);
        }
    }
}
