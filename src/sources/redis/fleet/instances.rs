//! When the index of instances is read. It only tells which services there are: in most ticks its length is enough.

use crate::base::clock::UnixSeconds;

/// Seconds after which it is read although it is as long as it was.
const LONGEST_SECONDS: f64 = 30.0;

/// What a tick reads of the index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum ReadInstances {
    Members,
    Length,
}

/// What is known of the index.
#[derive(Debug, Default)]
pub(super) struct InstanceIndex {
    /// When its members were read, and how many they were.
    read: Option<(UnixSeconds, usize)>,
    has_changed: bool,
}

impl InstanceIndex {
    /// What the tick reads: the members where there may be others than it knows.
    pub(super) fn begin(&self, now: UnixSeconds) -> ReadInstances {
        let is_recent = |(at, _)| (0.0..LONGEST_SECONDS).contains(&(now - at));
        if self.read.is_some_and(is_recent) && !self.has_changed {
            ReadInstances::Length
        } else {
            ReadInstances::Members
        }
    }

    pub(super) fn take_members(&mut self, now: UnixSeconds, count: usize) {
        *self = Self { read: Some((now, count)), has_changed: false };
    }

    /// Takes its length; `None` where it could not be read.
    pub(super) fn take_length(&mut self, length: Option<i64>) {
        let count = self.read.and_then(|(_, count)| i64::try_from(count).ok());
        self.has_changed = length != count;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_read_at_first_after_a_change_and_now_and_then() {
        let mut index = InstanceIndex::default();
        for (now, length, expected, why) in [
            (100.0, 3, ReadInstances::Members, "nothing is known"),
            (105.0, 3, ReadInstances::Length, "as long as it was"),
            (110.0, 4, ReadInstances::Length, "longer"),
            (115.0, 4, ReadInstances::Members, "it changed"),
            (120.0, 4, ReadInstances::Length, "as long as it was"),
            (145.0, 4, ReadInstances::Members, "one may have taken another's place"),
            (140.0, 4, ReadInstances::Members, "the clock was set back"),
        ] {
            let reads = index.begin(now);
            assert_eq!(reads, expected, "{why}");
            match reads {
                ReadInstances::Members => index.take_members(now, length),
                ReadInstances::Length => index.take_length(i64::try_from(length).ok()),
            }
        }
        index.take_length(None);
        assert_eq!(index.begin(141.0), ReadInstances::Members, "its length could not be read");
    }
}
