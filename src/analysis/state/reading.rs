//! A value or why there is none.

use std::fmt;
use std::sync::Arc;

/// What is known of a value: absent is a variant, never a number.
#[derive(Debug, Clone, PartialEq)]
pub enum Reading<T> {
    Value(T),
    Absent(Reason),
}

/// Why there is no value, and what caused that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    pub cause: Cause,
    /// The Redis key, or the upstream and the path in its payload.
    pub subject: Option<Arc<str>>,
    /// What is wrong with the subject, without its value.
    pub problem: Option<Arc<str>>,
}

/// The kinds of reasons.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Cause {
    Unreadable,
    Unparsed,
    ScopeNotFound,
    NoSample,
    Expired,
    EmptyWindow,
    NoLimitConfigured,
    NoCapacity,
    NotReported,
    SwitchedOff,
    NotSentByUpstream,
    UpstreamFailed,
    NoUpstream,
    NothingEnded,
    LagUnknown,
    Incomplete,
    NotAsked,
    NoAnswer,
    Implausible,
    UnknownWorkers,
    Unknown,
}

impl Cause {
    /// A short sentence without a full stop.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unreadable => "it cannot be read",
            Self::Unparsed => "its text cannot be parsed",
            Self::ScopeNotFound => "nothing of the tenant and project is in Redis",
            Self::NoSample => "no worker has published a sample that still counts",
            Self::Expired => "it is too old and its worker no longer heartbeats",
            Self::EmptyWindow => "the window holds no value",
            Self::NoLimitConfigured => "no limit is configured",
            Self::NoCapacity => "there is no capacity",
            Self::NotReported => "no process reports it",
            Self::SwitchedOff => "the gateway configuration switches it off",
            Self::NotSentByUpstream => "the upstream does not send it",
            Self::UpstreamFailed => "the upstream request failed",
            Self::NoUpstream => "no upstream is configured for it",
            Self::NothingEnded => "something waits and nothing ended in the last minute",
            Self::LagUnknown => "Redis does not know how many jobs of the stream its group has not got",
            Self::Incomplete => "a part of it could not be read yet",
            Self::NotAsked => "it is neither configured nor queried",
            Self::NoAnswer => "the query has not been answered lately",
            Self::Implausible => "the numbers it follows from contradict each other",
            Self::UnknownWorkers => "the counts of too many workers are unknown",
            Self::Unknown => "its name is not a known one",
        }
    }
}

impl Reason {
    /// A reason that nothing in particular caused.
    #[must_use]
    pub const fn new(cause: Cause) -> Self {
        Self { cause, subject: None, problem: None }
    }

    /// A reason that a key or a path caused.
    #[must_use]
    pub fn of(cause: Cause, subject: impl Into<Arc<str>>) -> Self {
        Self { cause, subject: Some(subject.into()), problem: None }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.cause.as_str())?;
        match (&self.subject, &self.problem) {
            (Some(subject), Some(problem)) => write!(f, ": {subject} ({problem})"),
            (Some(text), None) | (None, Some(text)) => write!(f, ": {text}"),
            (None, None) => Ok(()),
        }
    }
}

impl From<Cause> for Reason {
    fn from(cause: Cause) -> Self {
        Self::new(cause)
    }
}

impl<T> Reading<T> {
    /// Without a value.
    pub fn absent(reason: impl Into<Reason>) -> Self {
        Self::Absent(reason.into())
    }

    /// The value, or the reason why there is none.
    pub fn or_absent<R: Into<Reason>>(value: Option<T>, reason: impl FnOnce() -> R) -> Self {
        value.map_or_else(|| Self::Absent(reason().into()), Self::Value)
    }

    pub fn value(self) -> Option<T> {
        match self {
            Self::Value(value) => Some(value),
            Self::Absent(_) => None,
        }
    }

    /// The value in place.
    pub const fn known(&self) -> Option<&T> {
        match self {
            Self::Value(value) => Some(value),
            Self::Absent(_) => None,
        }
    }

    pub const fn reason(&self) -> Option<&Reason> {
        match self {
            Self::Value(_) => None,
            Self::Absent(reason) => Some(reason),
        }
    }

    /// The same of a borrowed value.
    pub fn as_ref(&self) -> Reading<&T> {
        match self {
            Self::Value(value) => Reading::Value(value),
            Self::Absent(reason) => Reading::Absent(reason.clone()),
        }
    }

    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Reading<U> {
        match self {
            Self::Value(value) => Reading::Value(change(value)),
            Self::Absent(reason) => Reading::Absent(reason),
        }
    }

    pub fn and_then<U>(self, next: impl FnOnce(T) -> Reading<U>) -> Reading<U> {
        match self {
            Self::Value(value) => next(value),
            Self::Absent(reason) => Reading::Absent(reason),
        }
    }

    /// Both values; the reason of the first that is absent.
    pub fn zip<U>(self, other: Reading<U>) -> Reading<(T, U)> {
        self.and_then(|left| other.map(|right| (left, right)))
    }

    /// Absent where the value does not pass.
    pub fn filter<R: Into<Reason>>(self, passes: impl FnOnce(&T) -> bool, reason: impl FnOnce() -> R) -> Self {
        self.and_then(|value| if passes(&value) { Self::Value(value) } else { Self::Absent(reason().into()) })
    }
}

impl<T: Copy> Reading<T> {
    /// The value, copied.
    pub fn get(&self) -> Option<T> {
        self.known().copied()
    }
}

/// Nobody asked for it.
impl<T> Default for Reading<T> {
    fn default() -> Self {
        Self::Absent(Reason::new(Cause::NotAsked))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_reading() -> impl Strategy<Value = Reading<i64>> {
        let causes = prop::sample::select(vec![Cause::Unreadable, Cause::NoSample, Cause::NotSentByUpstream]);
        prop_oneof![
            any::<i64>().prop_map(Reading::Value),
            (causes, "[a-z:]{1,9}").prop_map(|(cause, key)| Reading::absent(Reason::of(cause, key))),
        ]
    }

    proptest! {
        #[test]
        fn a_chain_has_a_value_exactly_where_all_its_parts_have(left in any_reading(), right in any_reading()) {
            let both = left.clone().zip(right.clone());
            let sum = both.map(|(left, right)| left.wrapping_add(right));
            let expected = left.get().zip(right.get()).map(|(left, right)| left.wrapping_add(right));
            prop_assert_eq!(sum.get(), expected);
            prop_assert_eq!(sum.reason(), left.reason().or_else(|| right.reason()));
        }

        #[test]
        fn a_reason_passes_through_unchanged(reading in any_reading()) {
            let through = reading.as_ref().map(|value| *value).and_then(Reading::Value);
            prop_assert_eq!(&through, &reading);
            let none = reading.clone().filter(|_| false, || Cause::NoCapacity);
            let expected = reading.reason().cloned().unwrap_or(Reason::new(Cause::NoCapacity));
            prop_assert_eq!(none, Reading::Absent(expected));
        }
    }

    #[test]
    fn a_reason_names_the_cause_the_subject_and_the_problem() {
        let mut reason = Reason::new(Cause::Unreadable);
        assert_eq!(reason.to_string(), "it cannot be read");
        reason.subject = Some("a:b".into());
        assert_eq!(reason.to_string(), "it cannot be read: a:b");
        reason.problem = Some("WRONGTYPE".into());
        assert_eq!(reason.to_string(), "it cannot be read: a:b (WRONGTYPE)");
        assert_eq!(Reading::<i64>::default().reason().map(|reason| reason.cause), Some(Cause::NotAsked));
    }
}
