//! The reason of a fact that is there and cannot be read.

use super::state::{Cause, Reason};
use crate::platform::facts::Facts;

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
