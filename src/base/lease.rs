//! A lease: which of several replicas writes and pushes. Here are its record, the rule of who may take it, and what this
//! process knows of it; where the record is kept is the source's.

mod leadership;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::clock::UnixSeconds;
pub use leadership::{Leadership, Standing};

/// Who asks for a lease.
#[derive(Debug, Clone, PartialEq)]
pub struct Contender {
    /// The name in documents and on the page; two replicas may share it.
    pub instance: String,
    /// This process's life, by chance: no two share it, whatever they are called.
    pub run: String,
    /// How long a lease is valid without renewal, seconds.
    pub seconds: u32,
    /// Seconds between two renewals, each with what its holder writes.
    pub interval: f64,
}

/// The record that all replicas see.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LeaseRecord {
    pub instance: String,
    pub run: String,
    /// Grows with each change of the holder, so that a former holder can be recognised.
    pub fence: u64,
    /// Unix seconds by the clock of the store, as all times here.
    #[schema(value_type = f64)]
    pub since: UnixSeconds,
    #[schema(value_type = f64)]
    pub renewed: UnixSeconds,
    /// From then on another replica may take it; 0 where it was released.
    #[schema(value_type = f64)]
    pub expires: UnixSeconds,
}

/// A lease renewed further ahead than this was written before the store's clock was set back; nobody waits for it.
const CLOCK_SET_BACK: f64 = 300.0;

impl LeaseRecord {
    /// Whether it is valid at `now`.
    fn holds(&self, now: UnixSeconds) -> bool {
        self.expires >= now && self.renewed <= now + CLOCK_SET_BACK
    }
}

/// The record that `contender` writes at `now` to hold the lease; `None` while another one holds it.
#[must_use]
pub fn claim(current: Option<&LeaseRecord>, contender: &Contender, now: UnixSeconds) -> Option<LeaseRecord> {
    let renewal = |fence, since| LeaseRecord {
        instance: contender.instance.clone(),
        run: contender.run.clone(),
        fence,
        since,
        renewed: now,
        expires: now + f64::from(contender.seconds),
    };
    match current {
        None => Some(renewal(1, now)),
        Some(own) if own.run == contender.run => Some(renewal(own.fence, own.since)),
        Some(other) if other.holds(now) => None,
        Some(former) => Some(renewal(former.fence.saturating_add(1), now)),
    }
}

/// Whether this interval has been written: by the holder before, after whom the next one begins with the next interval; or by
/// `contender` itself, whose tick before this one was slow.
#[must_use]
pub fn is_interval_written(current: Option<&LeaseRecord>, contender: &Contender, now: UnixSeconds) -> bool {
    let Some(record) = current else { return false };
    // Own ticks are an interval apart, give or take how long each takes.
    let interval = if record.run == contender.run { contender.interval / 2.0 } else { contender.interval };
    (0.0..interval).contains(&(now - record.renewed))
}

/// The record that `contender` leaves when it ends; `None` where it does not hold the lease.
#[must_use]
pub fn released(current: Option<&LeaseRecord>, contender: &Contender) -> Option<LeaseRecord> {
    let own = current.filter(|record| record.run == contender.run)?;
    Some(LeaseRecord { expires: 0.0, ..own.clone() })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn contender(run: &str) -> Contender {
        Contender { instance: "metrics".to_owned(), run: run.to_owned(), seconds: 15, interval: 5.0 }
    }

    fn held(run: &str, fence: u64, expires: f64) -> LeaseRecord {
        let (instance, run) = ("metrics".to_owned(), run.to_owned());
        LeaseRecord { instance, run, fence, since: 100.0, renewed: expires - 15.0, expires }
    }

    #[test]
    fn a_lease_is_renewed_by_its_holder_and_taken_by_another_once_it_has_expired() {
        let table = [
            (None, Some((1, 1000.0))),
            (Some(held("me", 7, 1005.0)), Some((7, 100.0))),
            (Some(held("me", 7, 900.0)), Some((7, 100.0))),
            (Some(held("other", 7, 1000.0)), None),
            (Some(held("other", 7, 1015.0)), None),
            (Some(held("other", 7, 999.9)), Some((8, 1000.0))),
            (Some(held("other", 7, 0.0)), Some((8, 1000.0))),
            // The clock was set back: nobody waits an hour for it.
            (Some(held("other", 7, 4600.0)), Some((8, 1000.0))),
        ];
        for (current, expected) in table {
            let claimed = claim(current.as_ref(), &contender("me"), 1000.0);
            assert_eq!(claimed.as_ref().map(|lease| (lease.fence, lease.since)), expected, "{current:?}");
            assert!(claimed.is_none_or(|lease| lease.expires == 1015.0 && lease.run == "me"));
        }
    }

    #[test]
    fn only_the_holder_releases_and_the_next_one_has_a_higher_fence() {
        let own = held("me", 7, 1010.0);
        let left = released(Some(&own), &contender("me")).unwrap();
        assert_eq!(claim(Some(&left), &contender("other"), 1000.0).map(|lease| lease.fence), Some(8));
        assert_eq!(released(Some(&own), &contender("other")), None);
        assert_eq!(released(None, &contender("me")), None);
    }

    #[test]
    fn an_interval_has_one_writer() {
        let (me, released) = (contender("me"), LeaseRecord { renewed: 1000.0, ..held("other", 7, 0.0) });
        for (run, now, expected) in
            [("other", 1004.9, true), ("other", 1005.0, false), ("me", 1001.0, true), ("me", 1004.0, false)]
        {
            let former = LeaseRecord { run: run.to_owned(), ..released.clone() };
            assert_eq!(is_interval_written(Some(&former), &me, now), expected, "{run} {now}");
        }
        assert!(!is_interval_written(None, &me, 1000.0));
    }

    #[test]
    fn two_replicas_of_one_name_are_two() {
        let first = claim(None, &contender("a"), 1000.0);
        assert_eq!(claim(first.as_ref(), &contender("b"), 1001.0), None);
    }

    proptest! {
        /// Replicas that claim one after the other, as a transaction makes them: one holder at a time, and fences never fall.
        #[test]
        fn there_is_one_holder_at_a_time(steps in proptest::collection::vec((0..3_usize, 0.0..20.0_f64, any::<bool>()), 1..60)) {
            let runs = ["a", "b", "c"].map(contender);
            let (mut now, mut record): (f64, Option<LeaseRecord>) = (1000.0, None);
            for (who, pause, ends) in steps {
                now += pause;
                let before = record.clone();
                if let Some(next) = claim(record.as_ref(), &runs[who], now) {
                    if let Some(before) = before {
                        let is_renewal = before.run == next.run;
                        prop_assert!(is_renewal || before.expires < now);
                        prop_assert_eq!(next.fence, if is_renewal { before.fence } else { before.fence + 1 });
                    }
                    record = Some(next);
                }
                if ends && let Some(left) = released(record.as_ref(), &runs[who]) {
                    record = Some(left);
                }
            }
        }
    }
}
