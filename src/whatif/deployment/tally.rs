//! What became of the users.

use super::user::PATIENCE_SECONDS;

/// Counts of users and requests, and how long each user waited.
///
/// A wait is the time from the first attempt to the start of the run that ended the task: refusals, queueing, and work
/// that was lost. Users who gave up waited as long as they tried; those that a load's end finds waiting, until then.
#[derive(Debug, Default, PartialEq)]
pub struct Tally {
    /// Users.
    pub arrived: u64,
    /// Tasks that ended.
    pub done: u64,
    /// Users who were refused until they gave up.
    pub gave_up: u64,
    /// Users who were refused and will try again.
    pub retrying: u64,
    /// Tasks that waited or ran at the end.
    pub unfinished: u64,
    /// Requests that were refused.
    pub refused: u64,
    /// Tasks that had to start over.
    pub restarted: u64,
    /// Seconds, a user each.
    pub waits: Vec<f64>,
}

impl Tally {
    pub(super) fn end(&mut self, wait: f64) {
        self.done += 1;
        self.waits.push(wait);
    }

    /// Whoever gave up is not better off than one who was served after all of his patience.
    pub(super) fn give_up(&mut self, tried: f64) {
        self.gave_up += 1;
        self.waits.push(tried.max(PATIENCE_SECONDS));
    }

    pub(super) fn unfinished(&mut self, waits: impl Iterator<Item = f64>, orphans: u32) {
        let before = self.waits.len();
        self.waits.extend(waits);
        self.unfinished += crate::base::number::count_u64(self.waits.len() - before) + u64::from(orphans);
    }

    /// The wait that this share of the users did not exceed; `None` without users. Nearest rank.
    #[must_use]
    pub fn wait_percentiles(&mut self, shares: [f64; 3]) -> Option<[f64; 3]> {
        self.waits.sort_unstable_by(f64::total_cmp);
        let last = self.waits.len().checked_sub(1)?;
        Some(shares.map(|share| self.waits.get(rank(last + 1, share).min(last)).copied().unwrap_or_default()))
    }
}

/// The index of the nearest rank.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "counts of users"
)]
fn rank(count: usize, share: f64) -> usize {
    ((count as f64 * share).ceil() as usize).saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_nearest_ranks() {
        let mut tally = Tally { waits: (1..=100).rev().map(f64::from).collect(), ..Tally::default() };
        assert_eq!(tally.wait_percentiles([0.5, 0.95, 0.99]), Some([50.0, 95.0, 99.0]));
        let mut one = Tally { waits: vec![7.0], ..Tally::default() };
        assert_eq!(one.wait_percentiles([0.0, 0.95, 1.0]), Some([7.0; 3]));
        assert_eq!(Tally::default().wait_percentiles([0.5; 3]), None);
    }

    #[test]
    fn giving_up_counts_as_the_longest_wait() {
        let mut tally = Tally::default();
        tally.end(3.0);
        tally.give_up(570.0);
        assert_eq!((tally.done, tally.gave_up, &tally.waits[..]), (1, 1, &[3.0, 600.0][..]));
    }
}
