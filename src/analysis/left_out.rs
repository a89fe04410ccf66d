//! What did not count in this tick, and why.

use std::collections::BTreeMap;

use super::state::{Cause, LeftOut, Reason};
use crate::platform::facts::{Facts, InputKind};

/// Inputs that are listed one by one; further ones are counted by kind.
const MOST_LISTED: usize = 100;

/// Malformed inputs, then those that expired.
pub(super) fn left_out(facts: &Facts, expired: Vec<LeftOut>) -> Vec<LeftOut> {
    let listed = facts.malformed.iter().take(MOST_LISTED).map(|malformed| LeftOut {
        kind: malformed.kind,
        times: 1,
        reason: Reason {
            problem: Some(malformed.problem.as_str().into()),
            ..Reason::of(Cause::Unreadable, malformed.key.as_str())
        },
    });
    let counted =
        unlisted(facts).into_iter().map(|(kind, times)| LeftOut { kind, times, reason: Cause::Unreadable.into() });
    listed.chain(counted).chain(expired).collect()
}

fn unlisted(facts: &Facts) -> BTreeMap<InputKind, u64> {
    let mut counts = facts.malformed_unlisted.clone();
    for malformed in facts.malformed.iter().skip(MOST_LISTED) {
        *counts.entry(malformed.kind).or_default() += 1;
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::facts::Malformed;

    #[test]
    fn a_few_are_listed_and_the_others_counted() {
        let note =
            |n: usize| Malformed { kind: InputKind::Heartbeat, key: format!("k{n}"), problem: "is not JSON".into() };
        let malformed = (0..MOST_LISTED + 7).map(note).collect();
        let facts = Facts { malformed, malformed_unlisted: [(InputKind::SeriesMember, 5)].into(), ..Facts::default() };
        let left = left_out(&facts, Vec::new());
        assert_eq!(left[0].reason.to_string(), "it cannot be read: k0 (is not JSON)");
        let counted: Vec<_> = left[MOST_LISTED..].iter().map(|left| (left.kind, left.times)).collect();
        assert_eq!(counted, [(InputKind::Heartbeat, 7), (InputKind::SeriesMember, 5)]);
    }
}
