//! Exact order statistics over sliding windows.
//!
//! Values are spread over buckets of growing width, some 0.8 % of the value. A window keeps only a
//! count for each bucket, so moving a sample in or out is an increment. The counts give the bucket of a rank; the exact
//! value is selected among that bucket's values alone.

use std::collections::VecDeque;

/// Mantissa bits that distinguish the buckets of one power of two.
const MANTISSA_BITS: u32 = 7;
/// Powers of two that have their own buckets: 2^-8 to 2^32 (of milliseconds: 4 µs to 50 days). Values outside share the
/// first or the last bucket, and are exact too.
const LOWEST: i32 = -8;
const HIGHEST: i32 = 32;
const BUCKETS: usize = ((HIGHEST - LOWEST) as usize) << MANTISSA_BITS;

/// Values of the longest window by bucket, each bucket in order of time, and the counts of
/// `WINDOWS` windows that all end with the newest value.
#[derive(Debug)]
pub(super) struct Buckets<const WINDOWS: usize> {
    buckets: Vec<Bucket>,
    counts: [Vec<u32>; WINDOWS],
    /// Of each window's values, in thousandths: whole numbers, whose sum does not drift.
    sums: [i128; WINDOWS],
}

/// The values of one bucket.
#[derive(Debug, Clone)]
struct Bucket {
    values: VecDeque<f64>,
    /// Bounds of all values since it was empty: if they are equal, all values are.
    low: f64,
    high: f64,
}

impl Bucket {
    const EMPTY: Self = Self { values: VecDeque::new(), low: f64::INFINITY, high: f64::NEG_INFINITY };

    fn widen(&mut self, value: f64) {
        self.low = self.low.min(value);
        self.high = self.high.max(value);
    }
}

/// The bucket of a value; grows with the value.
pub(super) fn bucket_of(value: f64) -> usize {
    const SHIFT: u32 = f64::MANTISSA_DIGITS - 1 - MANTISSA_BITS;
    let lowest = 2_f64.powi(LOWEST);
    if value <= lowest {
        return 0;
    }
    // The bits of positive floats are in the order of their values.
    let place = (value.to_bits() >> SHIFT) - (lowest.to_bits() >> SHIFT);
    usize::try_from(place).map_or(BUCKETS - 1, |place| place.min(BUCKETS - 1))
}

/// Values are at most 2^53; sums of others stay within the type.
const LARGEST: f64 = 1e19;

#[expect(clippy::cast_possible_truncation, reason = "within the range, and rounded")]
fn thousandths(value: f64) -> i128 {
    (value * 1000.0).round().clamp(-LARGEST, LARGEST) as i128
}

impl<const WINDOWS: usize> Buckets<WINDOWS> {
    pub(super) fn new() -> Self {
        Self {
            buckets: vec![Bucket::EMPTY; BUCKETS],
            counts: std::array::from_fn(|_| vec![0; BUCKETS]),
            sums: [0; WINDOWS],
        }
    }

    /// Replaces all values by these, oldest first; no window counts any of them yet.
    pub(super) fn refill(&mut self, values: impl Iterator<Item = f64> + Clone) {
        let mut sizes = vec![0_usize; BUCKETS];
        for place in values.clone().map(bucket_of) {
            sizes.get_mut(place).into_iter().for_each(|size| *size += 1);
        }
        for (bucket, size) in self.buckets.iter_mut().zip(sizes) {
            // Capacity for what arrives between two refills, without doubling.
            *bucket = Bucket { values: VecDeque::with_capacity(size + size / 8), ..Bucket::EMPTY };
        }
        self.counts.iter_mut().for_each(|counts| counts.fill(0));
        self.sums = [0; WINDOWS];
        values.for_each(|value| self.append(value));
    }

    /// Adds the newest value.
    pub(super) fn append(&mut self, value: f64) {
        self.insert(value, 0);
    }

    /// Adds a value that `later` values of its bucket are newer than.
    pub(super) fn insert(&mut self, value: f64, later: usize) {
        let Some(bucket) = self.buckets.get_mut(bucket_of(value)) else { return };
        bucket.widen(value);
        let place = bucket.values.len().saturating_sub(later);
        bucket.values.insert(place, value);
    }

    /// Removes the oldest value, which is `value`.
    pub(super) fn remove_oldest(&mut self, value: f64) {
        let Some(bucket) = self.buckets.get_mut(bucket_of(value)) else { return };
        let oldest = bucket.values.pop_front();
        debug_assert_eq!(oldest.map(f64::to_bits), Some(value.to_bits()), "not the oldest of its bucket");
        if bucket.values.is_empty() {
            *bucket = Bucket { values: std::mem::take(&mut bucket.values), ..Bucket::EMPTY };
        }
    }

    /// Counts a value in a window.
    pub(super) fn enter(&mut self, window: usize, value: f64) {
        if let Some(count) = self.counts.get_mut(window).and_then(|counts| counts.get_mut(bucket_of(value))) {
            *count += 1;
        }
        self.sums.get_mut(window).into_iter().for_each(|sum| *sum += thousandths(value));
    }

    /// Counts a value out of a window: its oldest.
    pub(super) fn leave(&mut self, window: usize, value: f64) {
        if let Some(count) = self.counts.get_mut(window).and_then(|counts| counts.get_mut(bucket_of(value))) {
            *count = count.saturating_sub(1);
        }
        self.sums.get_mut(window).into_iter().for_each(|sum| *sum -= thousandths(value));
    }

    /// The sum of a window's values, exact to half a thousandth each.
    pub(super) fn sum(&self, window: usize) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "the mean of times needs no more")]
        self.sums.get(window).map_or(0.0, |sum| *sum as f64 / 1000.0)
    }

    /// The values at these ascending ranks (0 = smallest) of a window.
    pub(super) fn at_ranks<const N: usize>(&self, window: usize, ranks: [usize; N]) -> [Option<f64>; N] {
        let mut below = 0;
        let counts = self.counts.get(window).map_or(&[][..], Vec::as_slice);
        let mut buckets = counts.iter().map(|count| *count as usize).enumerate().peekable();
        ranks.map(|rank| {
            while let Some((_, count)) = buckets.next_if(|(_, count)| below + count <= rank) {
                below += count;
            }
            let (index, count) = *buckets.peek()?;
            self.buckets.get(index)?.select(count, rank - below)
        })
    }
}

impl Bucket {
    /// The value at `rank` of the `count` newest ones.
    fn select(&self, count: usize, rank: usize) -> Option<f64> {
        if self.low.to_bits() == self.high.to_bits() {
            return Some(self.low);
        }
        let mut values: Vec<f64> = self.values.iter().rev().take(count).copied().collect();
        (rank < values.len()).then(|| *values.select_nth_unstable_by(rank, f64::total_cmp).1)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn buckets_cover_every_number() {
        for value in [f64::NEG_INFINITY, -1.0, -0.0, 0.0, f64::MIN_POSITIVE, 1.0, 1e300, f64::MAX, f64::INFINITY] {
            assert!(bucket_of(value) < BUCKETS, "{value}");
        }
        assert!(bucket_of(100.0) < bucket_of(101.0));
    }

    proptest! {
        #[test]
        fn a_larger_value_is_in_no_lower_bucket(a in any::<f64>(), b in any::<f64>()) {
            prop_assume!(!a.is_nan() && !b.is_nan());
            let (low, high) = if a <= b { (a, b) } else { (b, a) };
            prop_assert!(bucket_of(low) <= bucket_of(high));
        }
    }
}
