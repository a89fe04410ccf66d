//! The reason of a fact that is there and cannot be read.

use super::state::{Cause, Reason, Service};
use crate::platform::facts::{Component, Facts, InputKind, Unreadable};

/// The first of the keys that the tick noted as malformed, with its problem; else the first.
pub(super) fn reason<const N: usize>(facts: &Facts, keys: [String; N]) -> Reason {
    let noted = facts.malformed.iter().find(|malformed| keys.contains(&malformed.key));
    let subject = noted.map(|malformed| malformed.key.as_str()).or(keys.first().map(String::as_str));
    Reason {
        cause: Cause::Unreadable,
        subject: subject.map(Into::into),
        problem: noted.map(|malformed| malformed.problem.as_str().into()),
    }
}

/// Why not all inputs of a kind are known, if one that counts cannot be read; one that is not listed counts.
pub(super) fn of_kind(facts: &Facts, kind: InputKind, counts: impl Fn(&str) -> bool) -> Option<Reason> {
    if facts.malformed_unlisted.contains_key(&kind) {
        return Some(Cause::Unreadable.into());
    }
    let mut malformed = facts.malformed.iter().filter(|malformed| malformed.kind == kind);
    let malformed = malformed.find(|malformed| counts(&malformed.key))?;
    Some(reason(facts, [malformed.key.clone()]))
}

/// Why a component's processes are not all known, if a heartbeat of it cannot be read.
pub(super) fn heartbeat(facts: &Facts, component: Component) -> Option<Reason> {
    let name = format!(":chat:{}:", component.service_name());
    of_kind(facts, InputKind::Heartbeat, |key| key.contains(&name))
}

/// Why the capacity of a service is not known, if a heartbeat of it is too long.
pub(super) fn long_heartbeat(facts: &Facts, service: &Service) -> Option<Reason> {
    let component = Component::ALL.into_iter().find(|component| Service::of(*component) == *service)?;
    facts.unreadable.contains(&Unreadable::Heartbeat(component)).then(|| {
        let found = heartbeat(facts, component);
        found.unwrap_or_else(|| Cause::Unreadable.into())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::facts::{InputKind, Malformed};

    #[test]
    fn the_key_that_was_noted_is_named_with_its_problem() {
        let note = Malformed { kind: InputKind::QueueDepth, key: "b".into(), problem: "WRONGTYPE".into() };
        let facts = Facts { malformed: vec![note], ..Facts::default() };
        let text = |keys: [&str; 2]| reason(&facts, keys.map(str::to_owned)).to_string();
        assert_eq!(text(["a", "b"]), "it cannot be read: b (WRONGTYPE)");
        assert_eq!(text(["a", "c"]), "it cannot be read: a");
    }
}
