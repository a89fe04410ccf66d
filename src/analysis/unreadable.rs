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

    fn note(kind: InputKind, key: &str) -> Malformed {
        Malformed { kind, key: key.into(), problem: "is odd".into() }
    }

    #[test]
    fn one_of_a_kind_that_counts_is_the_reason_and_one_that_is_not_listed_counts() {
        let malformed = vec![
            note(InputKind::QueueDepth, "other kind"),
            note(InputKind::SseSample, "held"),
            note(InputKind::SseSample, "lost"),
        ];
        let facts = Facts { malformed, ..Facts::default() };
        let reason = |facts: &Facts, counts: fn(&str) -> bool| {
            of_kind(facts, InputKind::SseSample, counts).map(|reason| reason.to_string())
        };
        assert_eq!(reason(&facts, |key| key != "held").as_deref(), Some("it cannot be read: lost (is odd)"));
        assert_eq!(reason(&facts, |_| false), None);
        let unlisted = Facts { malformed_unlisted: [(InputKind::SseSample, 1)].into(), ..facts.clone() };
        assert_eq!(reason(&unlisted, |_| false).as_deref(), Some("it cannot be read"));
        let other = Facts { malformed_unlisted: [(InputKind::Circuit, 1)].into(), ..facts };
        assert_eq!(reason(&other, |_| false), None);
    }

    #[test]
    fn a_heartbeat_is_that_of_the_component_in_its_key() {
        let key = |name: &str| format!("a:b:kdcube:heartbeat:process:proc:rest:chat:{name}:1");
        for (name, ingress, proc) in [("rest", true, false), ("proc", false, true), ("other", false, false)] {
            let facts = Facts { malformed: vec![note(InputKind::Heartbeat, &key(name))], ..Facts::default() };
            let found = [Component::Ingress, Component::Proc].map(|component| heartbeat(&facts, component).is_some());
            assert_eq!(found, [ingress, proc], "{name}");
        }
    }

    #[test]
    fn a_long_heartbeat_names_the_one_that_was_noted_and_concerns_its_service_alone() {
        let key = "a:b:kdcube:heartbeat:process:i:chat:proc:1";
        let unreadable = [Unreadable::Heartbeat(Component::Proc)].into();
        let facts = Facts { malformed: vec![note(InputKind::Heartbeat, key)], unreadable, ..Facts::default() };
        let text = |facts: &Facts, service| long_heartbeat(facts, &service).map(|reason| reason.to_string());
        let proc = || Service::of(Component::Proc);
        assert_eq!(text(&facts, proc()), Some(format!("it cannot be read: {key} (is odd)")));
        assert_eq!(text(&facts, Service::of(Component::Ingress)), None);
        assert_eq!(text(&facts, Service { name: "other".into(), ..proc() }), None);
        let without_note = Facts { malformed: Vec::new(), ..facts };
        assert_eq!(text(&without_note, proc()).as_deref(), Some("it cannot be read"));
        assert_eq!(text(&Facts { unreadable: [].into(), ..without_note }, proc()), None);
    }
}
