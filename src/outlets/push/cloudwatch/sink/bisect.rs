//! Bisects a rejected batch: halving the request isolates an invalid point among valid ones.

/// Rejections per attempt after which a rejected request is dropped as a whole.
const MAX_REJECTIONS: usize = 16;

/// The request size within one attempt.
#[derive(Debug)]
pub(super) struct BatchBisector {
    max: usize,
    limit: usize,
    rejections: usize,
}

impl BatchBisector {
    pub(super) const fn new(max: usize) -> Self {
        Self { max, limit: max, rejections: 0 }
    }

    /// Maximum points in the next request.
    pub(super) const fn limit(&self) -> usize {
        self.limit
    }

    /// A request was accepted: the next may be larger.
    pub(super) fn accepted(&mut self) {
        self.limit = self.limit.saturating_mul(2).min(self.max);
    }

    /// A request of this many points was rejected; returns whether to drop them.
    pub(super) fn rejected(&mut self, points: usize) -> bool {
        self.rejections += 1;
        if self.rejections >= MAX_REJECTIONS {
            self.limit = self.max;
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

    /// Sends `points` (true = invalid); returns how many valid ones arrived, and the number of requests.
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
            } else if bisector.rejected(batch.len()) {
                points = rest;
            }
        }
        (arrived, requests)
    }

    #[test]
    fn one_invalid_point_costs_only_itself() {
        for index in [0, 1, 499, 500, 998, 999] {
            let mut points = [false; 1000];
            points[index] = true;
            let (arrived, requests) = send(&points);
            assert_eq!(arrived, 999, "invalid point at {index}");
            assert!(requests < 40, "{requests} requests");
        }
    }

    #[test]
    fn a_batch_of_invalid_points_is_dropped_after_few_requests() {
        assert!(send(&[true; 5000]).1 <= 16 + 5);
    }

    proptest! {
        #[test]
        fn every_mix_ends_after_few_requests(points in proptest::collection::vec(any::<bool>(), 0..3000)) {
            let (arrived, requests) = send(&points);
            prop_assert!(arrived <= points.iter().filter(|bad| !**bad).count());
            prop_assert!(requests < 100);
        }
    }
}
