//! Bounds of the spool, and that it loses nothing else.

use proptest::prelude::*;

use super::*;
use crate::catalog::{Sample, find};

fn points(at: UnixSeconds, count: usize) -> Vec<SpooledPoint> {
    let metric = find("instances").unwrap();
    (0..count)
        .map(|_| SpooledPoint { at, sample: Sample { metric, labels: Vec::new(), value: 1.0, scope: None } })
        .collect()
}

fn times(spool: &Spool) -> Vec<UnixSeconds> {
    spool.batch(usize::MAX, |_| 0).iter().map(|point| point.at).collect()
}

#[test]
fn a_round_is_added_once() {
    let mut spool = Spool::new(Duration::from_secs(900), 100);
    assert_eq!(spool.add("a", 10.0, points(10.0, 3)), 0);
    assert_eq!(spool.add("a", 10.0, points(10.0, 3)), 0);
    assert_eq!(spool.len(), 3);
    spool.remove(3);
    spool.add("a", 10.0, points(10.0, 3));
    assert_eq!(spool.len(), 0, "delivered points do not come back");
}

#[test]
fn old_points_go_when_new_ones_come() {
    let mut spool = Spool::new(Duration::from_secs(60), 100);
    spool.add("a", 0.0, points(0.0, 2));
    spool.add("b", 30.0, points(30.0, 2));
    assert_eq!(spool.add("c", 61.0, points(61.0, 1)), 2);
    assert_eq!(times(&spool), [30.0, 30.0, 61.0]);
}

#[test]
fn points_grow_old_also_without_new_ones() {
    let mut spool = Spool::new(Duration::from_secs(60), 100);
    spool.add("a", 100.0, points(100.0, 2));
    spool.add("b", 130.0, points(130.0, 1));
    assert_eq!((spool.expire(30.0), spool.len()), (0, 3));
    assert_eq!((spool.expire(31.0), spool.len()), (2, 1));
    assert_eq!((spool.expire(61.0), spool.len()), (1, 0));
}

#[test]
fn a_spool_of_zero_keeps_a_round_for_its_own_attempts_only() {
    let mut spool = Spool::new(Duration::ZERO, 100);
    spool.add("a", 5.0, points(5.0, 2));
    assert_eq!(spool.add("a", 5.0, points(5.0, 2)), 0);
    assert_eq!(spool.len(), 2);
    // Two snapshots may have one time.
    assert_eq!(spool.add("b", 5.0, points(5.0, 1)), 2);
    assert_eq!((spool.expire(0.0), spool.len()), (1, 0));
}

#[test]
fn a_batch_is_as_large_as_a_request_may_be() {
    let mut spool = Spool::new(Duration::from_secs(60), 100);
    spool.add("a", 5.0, points(5.0, 10));
    assert_eq!(spool.batch(4, |_| 1).len(), 4);
    assert_eq!(spool.batch(10, |_| MOST_BYTES / 3).len(), 3);
}

proptest! {
    #[test]
    fn what_goes_is_counted_and_the_newest_stay(
        rounds in proptest::collection::vec((0_u32..100, 0_usize..40, 0_usize..40), 0..20),
    ) {
        let mut spool = Spool::new(Duration::from_secs(200), 50);
        let (mut at, mut added, mut dropped, mut removed) = (0.0, 0, 0, 0);
        for (round, (pause, count, delivered)) in rounds.into_iter().enumerate() {
            at += f64::from(pause);
            added += count;
            dropped += spool.add(&round.to_string(), at, points(at, count));
            let times = times(&spool);
            prop_assert!(times.len() <= 50 && times.is_sorted());
            prop_assert!(times.iter().all(|time| *time >= at - 200.0));
            let before = spool.len();
            spool.remove(delivered);
            removed += before - spool.len();
        }
        prop_assert_eq!(added, dropped + removed + spool.len());
    }
}
