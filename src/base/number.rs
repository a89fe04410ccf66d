//! Arithmetic that never yields NaN, infinity or an overflow, and the platform's rounding.

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

/// A length as the payload's integer.
pub(crate) fn count(length: usize) -> i64 {
    i64::try_from(length).unwrap_or(i64::MAX)
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
    fn no_whole_is_no_percent() {
        assert_eq!(percent(5, 0), 0.0);
        assert_eq!(percent(1, 3), 33.3);
        assert_eq!(sum([i64::MAX, 1].into_iter()), i64::MAX);
    }

    proptest! {
        #[test]
        fn everything_is_finite(part in any::<i64>(), whole in any::<i64>(), value in any::<f64>()) {
            prop_assert!(percent(part, whole).is_finite());
            prop_assert!(round(value, 2).is_finite());
        }
    }
}
