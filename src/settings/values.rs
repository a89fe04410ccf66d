//! The types that any setting's text can be read as. A part adds its own.

use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

/// A type that a setting's text can be read as.
pub trait FromSetting: Sized {
    /// Reads the text, which has no whitespace around it.
    ///
    /// # Errors
    /// What is wrong with it, as a phrase that follows the setting's name: "is not a port".
    fn from_setting(text: &str) -> Result<Self, String>;
}

impl FromSetting for bool {
    fn from_setting(text: &str) -> Result<Self, String> {
        match text.to_ascii_lowercase().as_str() {
            "1" | "true" | "yes" | "on" | "y" | "t" => Ok(true),
            "0" | "false" | "no" | "off" | "n" | "f" => Ok(false),
            _ => Err("is not a boolean".to_owned()),
        }
    }
}

/// Seconds, with fractions. At least a millisecond, because nothing can be waited for in no time, and at most a day.
impl FromSetting for Duration {
    fn from_setting(text: &str) -> Result<Self, String> {
        const SHORTEST: f64 = 0.001;
        const LONGEST: f64 = 86_400.0;
        match text.parse::<f64>() {
            Ok(seconds) if (SHORTEST..=LONGEST).contains(&seconds) => Ok(Self::from_secs_f64(seconds)),
            Ok(_) => Err(format!("is out of range (at least {SHORTEST}, at most {LONGEST})")),
            Err(_) => Err("is not a number of seconds".to_owned()),
        }
    }
}

/// Seconds that may also be zero.
#[derive(Debug, Clone, Copy)]
pub struct SecondsOrZero(pub Duration);

impl FromSetting for SecondsOrZero {
    fn from_setting(text: &str) -> Result<Self, String> {
        if text.parse() == Ok(0.0) { Ok(Self(Duration::ZERO)) } else { Duration::from_setting(text).map(Self) }
    }
}

impl FromSetting for u16 {
    fn from_setting(text: &str) -> Result<Self, String> {
        parse(text, if text.starts_with("tcp://") { SERVICE_LINK } else { "is not a port" })
    }
}

/// Kubernetes gives pods `<SERVICE>_PORT=tcp://…` for every Service of their namespace.
const SERVICE_LINK: &str = "is not a port but the address of a Kubernetes Service, which gives its namespace such variables: set \
                            this one in the pod, or enableServiceLinks: false";

impl FromSetting for usize {
    fn from_setting(text: &str) -> Result<Self, String> {
        parse(text, "is not a whole number")
    }
}

impl FromSetting for IpAddr {
    fn from_setting(text: &str) -> Result<Self, String> {
        parse(text, "is not an IP address")
    }
}

fn parse<T: FromStr>(text: &str, problem: &str) -> Result<T, String> {
    text.parse().map_err(|_| problem.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn booleans_are_words_in_any_case() {
        for (text, expected) in [
            ("1", true),
            ("Yes", true),
            ("ON", true),
            ("y", true),
            ("T", true),
            ("0", false),
            ("False", false),
            ("off", false),
            ("N", false),
            ("f", false),
        ] {
            assert_eq!(bool::from_setting(text), Ok(expected), "{text}");
        }
        assert!(bool::from_setting("maybe").is_err());
    }

    #[test]
    fn durations_are_bounded() {
        for (text, millis) in [("0.5", 500), ("0.001", 1), ("86400", 86_400_000)] {
            assert_eq!(Duration::from_setting(text), Ok(Duration::from_millis(millis)));
        }
        for bad in ["0", "-1", "nan", "inf", "1e9", "5s", "1e-10", "0.0009", "86400.1"] {
            assert!(Duration::from_setting(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn zero_seconds_are_accepted_where_they_mean_something() {
        for (text, expected) in [("0", Some(0)), ("0.0", Some(0)), ("2.5", Some(2500)), ("0.0001", None), ("-1", None)]
        {
            let read = SecondsOrZero::from_setting(text).map(|seconds| seconds.0);
            assert_eq!(read.ok(), expected.map(Duration::from_millis), "{text}");
        }
    }

    #[test]
    fn ports_and_addresses_are_whole() {
        assert_eq!(u16::from_setting("65535"), Ok(65535));
        assert_eq!(u16::from_setting("65536"), Err("is not a port".to_owned()));
        assert!(u16::from_setting("tcp://10.0.3.4:8090").unwrap_err().contains("enableServiceLinks: false"));
        assert_eq!(IpAddr::from_setting("::1"), Ok(IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1])));
        assert!(IpAddr::from_setting("localhost").is_err() && usize::from_setting("-1").is_err());
    }
}
