//! How far the tick's numbers can be trusted: what autoscaling rests on and could not be read.

use super::state::Quality;
use crate::platform::facts::{Facts, InputKind};

/// Inputs that the fleet's size follows from.
const DECISIVE: [InputKind; 3] = [InputKind::Heartbeat, InputKind::SseSample, InputKind::QueueDepth];

/// The quality of a tick over these facts.
pub(super) fn quality(facts: &Facts, is_scope_found: bool) -> Quality {
    if !is_scope_found {
        return Quality::ScopeNotFound;
    }
    let listed = facts.malformed.iter().map(|malformed| malformed.kind);
    let mut malformed = listed.chain(facts.malformed_unlisted.keys().copied());
    if malformed.any(|kind| DECISIVE.contains(&kind)) { Quality::Partial } else { Quality::Ok }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::facts::Malformed;

    #[test]
    fn only_what_decides_the_fleets_size_makes_a_tick_partial() {
        let table = [
            (InputKind::Heartbeat, Quality::Partial),
            (InputKind::SseSample, Quality::Partial),
            (InputKind::QueueDepth, Quality::Partial),
            (InputKind::Circuit, Quality::Ok),
            (InputKind::SeriesMember, Quality::Ok),
        ];
        for (kind, expected) in table {
            let malformed = vec![Malformed { kind, key: "k".into(), problem: "is not JSON".into() }];
            let listed = Facts { malformed, ..Facts::default() };
            let unlisted = Facts { malformed_unlisted: [(kind, 1)].into(), ..Facts::default() };
            assert_eq!([quality(&listed, true), quality(&unlisted, true)], [expected; 2], "{kind:?}");
            assert_eq!(quality(&listed, false), Quality::ScopeNotFound);
        }
        assert_eq!(quality(&Facts::default(), true), Quality::Ok);
    }
}
