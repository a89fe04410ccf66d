//! Parsers of the commands' own options.

use std::time::Duration;

use secrecy::SecretString;

/// A moment in Unix seconds, such as 1767225600.5.
pub(super) fn unix_seconds(text: &str) -> Result<f64, String> {
    not_negative(text).ok_or_else(|| "expected Unix seconds, at least 0".to_owned())
}

/// A price in USD.
pub(super) fn price(text: &str) -> Result<f64, String> {
    not_negative(text).ok_or_else(|| "expected a price of 0 or more, such as 0.30".to_owned())
}

/// A relative distance of at least 0 and less than 100 %.
pub(super) fn percent(text: &str) -> Result<f64, String> {
    let percent = not_negative(text).filter(|percent| *percent < 100.0);
    percent.ok_or_else(|| "expected percent, at least 0 and less than 100".to_owned())
}

/// A token. Every text is accepted here, because an error would print it.
#[expect(clippy::unnecessary_wraps, reason = "the form of a parser")]
pub(super) fn secret(text: &str) -> Result<SecretString, String> {
    Ok(SecretString::from(text))
}

/// Events in a second.
pub(super) fn rate(text: &str) -> Result<f64, String> {
    not_negative(text).ok_or_else(|| "expected a number, at least 0".to_owned())
}

/// How many times as much: above 0 and at most 1000.
pub(super) fn factor(text: &str) -> Result<f64, String> {
    let factor = not_negative(text).filter(|factor| *factor > 0.0 && *factor <= 1000.0);
    factor.ok_or_else(|| "expected a number above 0 and at most 1000".to_owned())
}

fn not_negative(text: &str) -> Option<f64> {
    text.parse().ok().filter(|number: &f64| number.is_finite() && *number >= 0.0)
}

/// `60s`, `5m`, `1h`, or a bare number of seconds.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    const LONGEST: f64 = 1e6;
    let (number, factor) = match text.strip_suffix(['s', 'm', 'h']) {
        Some(number) if text.ends_with('m') => (number, 60.0),
        Some(number) if text.ends_with('h') => (number, 3600.0),
        Some(number) => (number, 1.0),
        None => (text, 1.0),
    };
    match number.parse::<f64>() {
        Ok(value) if value > 0.0 && value <= LONGEST => Ok(Duration::from_secs_f64(value * factor)),
        _ => Err("expected a time such as 60s, 5m or 1h".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_units() {
        for (text, millis) in [("60s", 60_000), ("5m", 300_000), ("1h", 3_600_000), ("1.5", 1500)] {
            assert_eq!(duration(text).unwrap().as_millis(), millis, "{text}");
        }
        for bad in ["soon", "-1s", "", "0", "nan", "inf", "1e7", "5d", "m"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_tolerance_is_less_than_everything() {
        assert_eq!((percent("0"), percent("99.9")), (Ok(0.0), Ok(99.9)));
        assert!(["100", "-1", "nan", "5%"].iter().all(|bad| percent(bad).is_err()));
    }

    #[test]
    fn moments_prices_and_rates_are_finite_and_not_negative() {
        for parse in [unix_seconds, price, rate] {
            assert_eq!((parse("0"), parse("1.5")), (Ok(0.0), Ok(1.5)));
            assert!(["-1", "nan", "inf", "free", ""].iter().all(|bad| parse(bad).is_err()));
        }
    }
}
