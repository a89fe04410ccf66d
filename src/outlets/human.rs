//! Numbers as people read them: three significant digits, thousands apart, and the unit that they would say.

use crate::base::number::whole;
use crate::catalog::Unit;

/// A value with its unit.
#[must_use]
pub(crate) fn value(value: f64, unit: Unit) -> String {
    match unit {
        Unit::Count | Unit::Ratio => digits(value),
        Unit::Percent => format!("{} %", digits(value)),
        Unit::Milliseconds => seconds(value / 1000.0),
        Unit::Seconds => seconds(value),
        Unit::Bytes => bytes(value),
    }
}

/// A duration in the unit that keeps it short.
#[must_use]
pub(crate) fn seconds(value: f64) -> String {
    let size = value.abs();
    match size {
        _ if size == 0.0 => "0 s".to_owned(),
        _ if size < 1.0 => format!("{} ms", digits(value * 1000.0)),
        _ if size < 120.0 => format!("{} s", digits(value)),
        _ if size < 7200.0 => format!("{} min", digits(value / 60.0)),
        _ => format!("{} h", digits(value / 3600.0)),
    }
}

fn bytes(value: f64) -> String {
    let size = value.abs();
    let (scale, unit) = match size {
        _ if size < 1e3 => (1.0, "B"),
        _ if size < 1e6 => (1e3, "kB"),
        _ if size < 1e9 => (1e6, "MB"),
        _ => (1e9, "GB"),
    };
    format!("{} {unit}", digits(value / scale))
}

/// Three significant digits, no fewer than the whole part has; what is too small for four decimals as a power of ten.
#[must_use]
pub(crate) fn digits(value: f64) -> String {
    let size = value.abs();
    if value == 0.0 || !value.is_finite() {
        return "0".to_owned();
    }
    if size < 0.0001 {
        return format!("{value:.0e}");
    }
    let decimals = match size {
        _ if whole(value).is_some() || size >= 99.95 => 0,
        _ if size >= 9.995 => 1,
        _ if size >= 0.9995 => 2,
        _ if size >= 0.09995 => 3,
        _ => 4,
    };
    let text = format!("{value:.decimals$}");
    let text = if decimals > 0 { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    thousands(text)
}

/// The whole part in groups of three.
fn thousands(text: &str) -> String {
    let (sign, rest) = text.strip_prefix('-').map_or(("", text), |rest| ("-", rest));
    let (whole, fraction) = rest.split_once('.').map_or((rest, None), |(whole, fraction)| (whole, Some(fraction)));
    let mut out = sign.to_owned();
    for (place, digit) in whole.chars().enumerate() {
        if place > 0 && (whole.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    if let Some(fraction) = fraction {
        out.push('.');
        out.push_str(fraction);
    }
    out
}

/// A time of day in UTC, `23:21:07`; dates are left out, because nothing older than an hour is shown.
#[must_use]
pub(crate) fn time_of_day(at: f64) -> String {
    let shown = whole(at.floor()).and_then(|second| jiff::Timestamp::from_second(second).ok());
    shown.map_or_else(|| "?".to_owned(), |time| time.strftime("%H:%M:%S").to_string())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_have_three_significant_digits_and_groups() {
        for (value, text) in [
            (0.0, "0"),
            (1204.0, "1,204"),
            (1_234_567.0, "1,234,567"),
            (-1204.4, "-1,204"),
            (29.0, "29"),
            (2.123, "2.12"),
            (38.77, "38.8"),
            (99.96, "100"),
            (0.5, "0.5"),
            (1.0 / 3.0, "0.333"),
            (0.0004, "0.0004"),
            (0.000_04, "4e-5"),
            (999.6, "1,000"),
            (f64::NAN, "0"),
        ] {
            assert_eq!(digits(value), text, "{value}");
        }
    }

    #[test]
    fn units_are_those_that_people_say() {
        for (number, unit, text) in [
            (2.12, Unit::Ratio, "2.12"),
            (29.0, Unit::Percent, "29 %"),
            (420.0, Unit::Milliseconds, "420 ms"),
            (38_800.0, Unit::Milliseconds, "38.8 s"),
            (0.25, Unit::Seconds, "250 ms"),
            (0.0, Unit::Seconds, "0 s"),
            (119.0, Unit::Seconds, "119 s"),
            (1200.0, Unit::Seconds, "20 min"),
            (9000.0, Unit::Seconds, "2.5 h"),
            (1_234_567.0, Unit::Bytes, "1.23 MB"),
        ] {
            assert_eq!(value(number, unit), text);
        }
    }

    #[test]
    fn a_time_of_day_is_in_utc() {
        assert_eq!(time_of_day(1_767_225_600.9), "00:00:00");
        assert_eq!(time_of_day(1_767_225_600.0 + 84_067.0), "23:21:07");
        assert_eq!(time_of_day(f64::MAX), "?");
    }

    proptest! {
        #[test]
        fn no_number_is_long_or_far_off(value in -1e12..1e12_f64) {
            let text = digits(value);
            prop_assert!(text.len() <= 20, "{text}");
            let back: f64 = text.replace(',', "").parse().unwrap();
            prop_assert!((back - value).abs() <= value.abs() * 0.006 + 1e-9, "{value}: {text}");
        }
    }
}
