//! How large the next request may be after refusals: halving finds a bad point among good ones.

/// Refusals in one attempt, after which a refused request is given up as a whole.
const MOST_REFUSALS: usize = 16;

/// The state of one attempt.
#[derive(Debug)]
pub(super) struct BatchBisector {
    most: usize,
    limit: usize,
    refusals: usize,
}

impl BatchBisector {
    pub(super) const fn new(most: usize) -> Self {
        Self { most, limit: most, refusals: 0 }
    }

    /// Most points in the next request.
    pub(super) const fn limit(&self) -> usize {
        self.limit
    }

    /// A request went through: the next may be larger.
    pub(super) fn accepted(&mut self) {
        self.limit = self.limit.saturating_mul(2).min(self.most);
    }

    /// A request of so many points was refused; whether they are to be given up.
    pub(super) fn refused(&mut self, points: usize) -> bool {
        self.refusals += 1;
        if self.refusals >= MOST_REFUSALS {
            self.limit = self.most;
            return true;
        }
        self.limit = (points / 2).max(1);
        points <= 1
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Sends `points` (true = bad) and gives how many good ones arrived, and the number of requests.
    fn send(mut points: &[bool]) -> (usize, usize) {
        let mut bisector = BatchBisector::new(1000);
        let (mut arrived, mut requests) = (0, 0);
        while !points.is_empty() {
            let (batch, rest) = points.split_at(bisector.limit().min(points.len()));
            requests += 1;
            if !batch.contains(&true) {
                bisector.accepted();
                arrived += batch.len();
                points = rest;
            } else if bisector.refused(batch.len()) {
                points = rest;
            }
        }
        (arrived, requests)
    }

    #[test]
    fn one_bad_point_costs_only_itself() {
        for place in [0, 1, 499, 500, 998, 999] {
            let mut points = [false; 1000];
            points[place] = true;
            let (arrived, requests) = send(&points);
            assert_eq!(arrived, 999, "bad point at {place}");
            assert!(requests < 40, "{requests} requests");
        }
    }

    #[test]
    fn nothing_but_bad_points_end_soon() {
        assert!(send(&[true; 5000]).1 <= 16 + 5);
    }

    proptest! {
        #[test]
        fn every_mix_ends(points in proptest::collection::vec(any::<bool>(), 0..3000)) {
            let (arrived, requests) = send(&points);
            prop_assert!(arrived <= points.iter().filter(|bad| !**bad).count());
            prop_assert!(requests < 100);
        }
    }
}
