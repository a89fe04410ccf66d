//! Numbers: arithmetic that never yields NaN, infinity or an overflow, the platform's rounding, and conversions.

use serde_json::{Value, json};

/// 2^53: every whole number up to here is exact in a float.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// Decimal rounding of the binary value, halves to even; what is not finite becomes 0.
pub(crate) fn round(value: f64, digits: usize) -> f64 {
    let rounded: f64 = format!("{value:.digits$}").parse().unwrap_or_default();
    if rounded.is_finite() { rounded } else { 0.0 }
}

/// `part / whole`; 0 where there is no whole.
pub(crate) fn ratio(part: i64, whole: i64) -> f64 {
    if whole > 0 { float(part) / float(whole) } else { 0.0 }
}

/// `round(part / whole · 100, 1)`; 0 where there is no whole.
pub(crate) fn percent(part: i64, whole: i64) -> f64 {
    round(ratio(part, whole) * 100.0, 1)
}

#[expect(clippy::cast_precision_loss, reason = "exact up to 2^53, far beyond any count")]
pub(crate) const fn float(value: i64) -> f64 {
    value as f64
}

/// A counter's value; exact up to 2^53 too.
#[expect(clippy::cast_precision_loss, reason = "exact up to 2^53, far beyond any count")]
pub(crate) const fn float_u64(value: u64) -> f64 {
    value as f64
}

/// The value as an integer, if it is a whole number that a float holds exactly.
#[expect(clippy::cast_possible_truncation, reason = "whole and within the exact range")]
pub(crate) fn whole(value: f64) -> Option<i64> {
    (value.fract() == 0.0 && value.abs() <= EXACT).then_some(value as i64)
}

/// As JSON: whole numbers without a fraction, as people and most readers expect of counts; what is not finite is null.
pub(crate) fn json(value: f64) -> Value {
    whole(value).map_or_else(|| json!(value), |whole| json!(whole))
}

/// A length, for counters.
pub(crate) fn count_u64(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

/// A length as the payload's integer.
pub(crate) fn count(length: usize) -> i64 {
    i64::try_from(length).unwrap_or(i64::MAX)
}

/// The middle value, or the mean of the two in the middle; `None` of none.
pub(crate) fn median(mut values: Vec<i64>) -> Option<f64> {
    values.sort_unstable();
    let (lower, upper) = (values.get(values.len().checked_sub(1)? / 2)?, values.get(values.len() / 2)?);
    Some(float(*lower) / 2.0 + float(*upper) / 2.0)
}

/// The sum, stopping at the ends of the range.
pub(crate) fn sum(values: impl Iterator<Item = i64>) -> i64 {
    values.fold(0, i64::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn rounding_is_of_the_binary_value_and_halves_go_to_even() {
        let table = [(0.125, 2, 0.12), (0.375, 2, 0.38), (2.675, 2, 2.67), (12.345, 1, 12.3), (-0.25, 1, -0.2)];
        for (value, digits, expected) in table {
            assert_eq!(round(value, digits), expected, "{value}");
        }
        assert_eq!(round(f64::NAN, 1), 0.0);
        assert_eq!(round(f64::INFINITY, 1), 0.0);
    }

    #[test]
    fn the_median_is_in_the_middle() {
        for (values, expected) in
            [(vec![], None), (vec![3], Some(3.0)), (vec![9, 1, 5], Some(5.0)), (vec![4, 1, 2, 100], Some(3.0))]
        {
            assert_eq!(median(values.clone()), expected, "{values:?}");
        }
        assert_eq!(median(vec![i64::MAX; 2]), Some(float(i64::MAX)));
    }

    #[test]
    fn no_whole_is_no_percent() {
        assert_eq!(percent(5, 0), 0.0);
        assert_eq!(percent(1, 3), 33.3);
        assert_eq!(sum([i64::MAX, 1].into_iter()), i64::MAX);
    }

    #[test]
    fn whole_numbers_are_integers_as_far_as_floats_are_exact() {
        let table = [(0.0, "0"), (-3.0, "-3"), (2.5, "2.5"), (EXACT, "9007199254740992"), (1e300, "1e+300")];
        for (value, expected) in table {
            assert_eq!(json(value).to_string(), expected);
        }
        for value in [0.5, EXACT * 2.0, f64::NAN, f64::INFINITY] {
            assert_eq!(whole(value), None, "{value}");
        }
        assert_eq!(json(f64::NAN), Value::Null);
        assert_eq!((count(usize::MAX), float(1 << 53)), (i64::MAX, EXACT));
    }

    proptest! {
        #[test]
        fn a_whole_number_is_the_value(value in any::<i32>()) {
            prop_assert_eq!(whole(f64::from(value)), Some(i64::from(value)));
        }

        #[test]
        fn everything_is_finite(part in any::<i64>(), whole in any::<i64>(), value in any::<f64>()) {
            prop_assert!(percent(part, whole).is_finite());
            prop_assert!(round(value, 2).is_finite());
        }
    }
}
