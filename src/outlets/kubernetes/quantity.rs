//! Kubernetes' quantities: decimal numbers in thousandths.

/// The largest number of thousandths, which Kubernetes counts in 64 bits.
const LARGEST: f64 = 9e18;

/// The number as a quantity such as `850m` or `12`, rounded up to thousandths: a part of a task is not none. `None` where it
/// is not a number, below 0, or beyond what Kubernetes can count.
pub(super) fn quantity(value: f64) -> Option<String> {
    // What a double adds below a billionth is no part of the number: 1.1 is 1100m, and not 1101m.
    let thousandths = ((value * 1e9).round() / 1e6).ceil();
    if !(0.0..=LARGEST).contains(&thousandths) {
        return None;
    }
    let whole = thousandths / 1000.0;
    Some(if whole.fract() == 0.0 { format!("{whole}") } else { format!("{thousandths}m") })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn fractions_are_thousandths_and_are_rounded_up() {
        for (value, expected) in [
            (0.0, Some("0")),
            (0.85, Some("850m")),
            (12.0, Some("12")),
            (12.5, Some("12500m")),
            (1.1, Some("1100m")),
            (0.29, Some("290m")),
            (0.0001, Some("1m")),
            (1e15, Some("1000000000000000")),
            (-0.1, None),
            (f64::NAN, None),
            (f64::INFINITY, None),
            (1e30, None),
        ] {
            assert_eq!(quantity(value).as_deref(), expected, "{value}");
        }
    }

    proptest! {
        #[test]
        fn a_quantity_is_never_less_and_at_most_a_thousandth_more(value in 0.0..1e9_f64) {
            let text = quantity(value).unwrap();
            let read = text.strip_suffix('m').map_or_else(
                || text.parse::<f64>().unwrap(),
                |thousandths| thousandths.parse::<f64>().unwrap() / 1000.0,
            );
            prop_assert!(read >= value - 1e-6 && read <= value + 0.001_001, "{} {}", value, text);
        }
    }
}
