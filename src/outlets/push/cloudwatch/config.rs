//! Settings of the CloudWatch sink: namespace, dimensions, which metrics, at which resolution, and how long undelivered
//! points are kept.

mod dimensions;
mod include;

use std::time::Duration;

pub use self::dimensions::{Dimensions, is_valid_value};
pub use self::include::Include;
use crate::settings::{FromSetting, SecondsOrZero, Setting, Settings, setting};

pub(super) const ENABLED: &Setting = setting("METRICS_EXPORT_CLOUDWATCH");
const AWS_REGION: &Setting = setting("AWS_REGION");
const AWS_DEFAULT_REGION: &Setting = setting("AWS_DEFAULT_REGION");
const AWS_PROFILE: &Setting = setting("AWS_PROFILE");
const REGION: &Setting = setting("METRICS_CLOUDWATCH_REGION");
const NAMESPACE: &Setting = setting("METRICS_CLOUDWATCH_NAMESPACE");
const DIMENSIONS: &Setting = setting("METRICS_CLOUDWATCH_DIMENSIONS_JSON");
const INCLUDE: &Setting = setting("METRICS_CLOUDWATCH_INCLUDE");
const HIGH_RESOLUTION: &Setting = setting("METRICS_CLOUDWATCH_HIGH_RESOLUTION");
const SPOOL: &Setting = setting("METRICS_CLOUDWATCH_SPOOL_SEC");

/// At a push interval of this or more, one-second points gain nothing.
const STANDARD_RESOLUTION: Duration = Duration::from_secs(60);

/// The error of a build without the cargo feature.
pub(super) const NOT_BUILT: &str = "METRICS_EXPORT_CLOUDWATCH \"1\": this build has no CloudWatch; accepted: 0, or a \
                                    build with the cargo feature `cloudwatch`";

/// What is published to CloudWatch, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloudWatchConfig {
    /// `None`: the region of the AWS configuration.
    pub region: Option<String>,
    /// `None`: the profile of the AWS configuration.
    pub profile: Option<String>,
    pub namespace: String,
    /// Added to every point.
    pub dimensions: Dimensions,
    pub include: Include,
    /// Storage resolution of one second instead of one minute. The price of a metric is the same; alarms with a period
    /// under a minute cost more.
    pub high_resolution: bool,
    /// How long undelivered points are kept; zero keeps none.
    pub spool: Duration,
}

/// Reads and validates all settings of CloudWatch, also of a disabled sink; `None` if it is disabled or a setting is
/// invalid. `export_interval` decides an `auto` resolution.
pub fn read(settings: &mut Settings, export_interval: Duration) -> Option<CloudWatchConfig> {
    let enabled = settings.get(ENABLED)?;
    if is_missing(enabled, cfg!(feature = "cloudwatch")) {
        settings.error(NOT_BUILT);
    }
    let region = settings.get::<Region>(REGION).map(|region| region.0).or_else(|| shared_region(settings, enabled));
    let namespace = settings.get::<Namespace>(NAMESPACE);
    let dimensions = settings.get::<Dimensions>(DIMENSIONS);
    let include = settings.get::<Include>(INCLUDE).unwrap_or_default();
    let resolution = settings.get::<Resolution>(HIGH_RESOLUTION);
    let spool = settings.get::<SecondsOrZero>(SPOOL);
    let dimensions = dimensions.unwrap_or_default();
    if let Err(error) = dimensions.fit(&include) {
        settings.error(format!("METRICS_CLOUDWATCH_DIMENSIONS_JSON: {error}"));
        return None;
    }
    enabled.then_some(CloudWatchConfig {
        region,
        profile: settings.text(AWS_PROFILE),
        namespace: namespace?.0,
        dimensions,
        include,
        high_resolution: resolution?.is_high(export_interval),
        spool: spool?.0,
    })
}

/// The region that other programs of the deployment use too. One that is not a region is an error only where it is needed.
fn shared_region(settings: &mut Settings, enabled: bool) -> Option<String> {
    let mut named = [AWS_REGION, AWS_DEFAULT_REGION].into_iter();
    let (setting, text) = named.find_map(|setting| Some((setting, settings.text(setting)?)))?;
    match Region::from_setting(&text) {
        Ok(Region(region)) => Some(region),
        Err(problem) => {
            if enabled {
                settings.reject(setting, &problem);
            }
            None
        }
    }
}

/// Whether the sink is enabled in a build without it.
const fn is_missing(enabled: bool, built: bool) -> bool {
    enabled && !built
}

/// Validated because it becomes part of a host name.
struct Region(String);

impl FromSetting for Region {
    fn from_setting(text: &str) -> Result<Self, String> {
        let valid = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if text.is_empty() || text.len() > 63 || !text.chars().all(valid) {
            return Err("is not a region".to_owned());
        }
        match region_of_zone(text) {
            Some(region) => Err(format!("is an availability zone; its region is {region}")),
            None => Ok(Self(text.to_owned())),
        }
    }
}

/// The region of a zone such as `eu-central-1a`; regions end with a digit.
fn region_of_zone(text: &str) -> Option<&str> {
    let region = text.strip_suffix(|c: char| c.is_ascii_lowercase())?;
    let (area, number) = region.rsplit_once('-')?;
    (area.contains('-') && !number.is_empty() && number.bytes().all(|c| c.is_ascii_digit())).then_some(region)
}

struct Namespace(String);

impl FromSetting for Namespace {
    fn from_setting(text: &str) -> Result<Self, String> {
        const LONGEST: usize = 255;
        let valid = |c: char| c.is_ascii_alphanumeric() || ".-_/#:".contains(c);
        match text {
            _ if text.is_empty() || text.len() > LONGEST => Err(format!("must have 1 to {LONGEST} characters")),
            _ if text.starts_with("AWS/") => Err("begins with AWS/, which is reserved for AWS".to_owned()),
            _ if text.starts_with(':') => Err("begins with a colon".to_owned()),
            _ if !text.chars().all(valid) => Err("has a character that CloudWatch does not accept".to_owned()),
            _ => Ok(Self(text.to_owned())),
        }
    }
}

enum Resolution {
    Auto,
    High(bool),
}

impl Resolution {
    fn is_high(&self, export_interval: Duration) -> bool {
        match self {
            Self::Auto => export_interval < STANDARD_RESOLUTION,
            Self::High(high) => *high,
        }
    }
}

impl FromSetting for Resolution {
    fn from_setting(text: &str) -> Result<Self, String> {
        if text.eq_ignore_ascii_case("auto") {
            return Ok(Self::Auto);
        }
        bool::from_setting(text).map(Self::High).map_err(|_| "is none of them".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_mins(1);

    /// Reads with the sink enabled; that the build may lack it is left to one test.
    fn read_all(variables: &[(&str, &str)], interval: Duration) -> (Option<CloudWatchConfig>, Vec<String>) {
        let on = [("METRICS_EXPORT_CLOUDWATCH", "1")];
        let mut settings = Settings::from_environment(on.iter().chain(variables).copied());
        let config = read(&mut settings, interval);
        let errors = settings.into_errors().into_iter().map(|error| error.to_string());
        (config, errors.filter(|error| error != NOT_BUILT).collect())
    }

    fn config(variables: &[(&str, &str)]) -> CloudWatchConfig {
        let (config, errors) = read_all(variables, MINUTE);
        assert_eq!(errors, [""; 0]);
        config.unwrap()
    }

    fn error(variable: &str, value: &str) -> String {
        let (_, errors) = read_all(&[(variable, value)], MINUTE);
        assert_eq!(errors.len(), 1, "{variable}={value}: {errors:?}");
        errors.into_iter().next().unwrap()
    }

    #[test]
    fn it_is_disabled_by_default() {
        assert_eq!(read(&mut Settings::default(), MINUTE), None);
    }

    #[test]
    fn a_build_without_it_cannot_enable_it() {
        assert_eq!([is_missing(true, false), is_missing(true, true), is_missing(false, false)], [true, false, false]);
        let mut settings = Settings::from_environment([("METRICS_EXPORT_CLOUDWATCH", "1")]);
        read(&mut settings, MINUTE);
        let expected = if cfg!(feature = "cloudwatch") { vec![] } else { vec![NOT_BUILT.to_owned()] };
        assert_eq!(settings.into_errors().into_iter().map(|error| error.to_string()).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn enabling_it_is_enough() {
        let config = config(&[]);
        assert_eq!((config.namespace.as_str(), config.region, config.high_resolution), ("KDCube/Metrics", None, false));
        assert_eq!((config.dimensions.iter().count(), config.spool), (0, Duration::from_mins(15)));
        assert_eq!(config.include, Include::default());
    }

    #[test]
    fn the_first_region_that_is_not_blank_counts() {
        let (own, aws, default) = ("METRICS_CLOUDWATCH_REGION", "AWS_REGION", "AWS_DEFAULT_REGION");
        for (variables, expected) in [
            (&[(own, "a-1"), (aws, "b-1"), (default, "c-1")][..], Some("a-1")),
            (&[(own, " "), (aws, "b-1"), (default, "c-1")], Some("b-1")),
            (&[(aws, ""), (default, "c-1")], Some("c-1")),
            (&[(aws, " b-1\n"), (default, "c-1")], Some("b-1")),
            (&[(aws, "\"eu-central-1\"")], Some("eu-central-1")),
            (&[(aws, ""), (default, "")], None),
        ] {
            assert_eq!(config(variables).region.as_deref(), expected, "{variables:?}");
        }
        assert_eq!(config(&[("AWS_PROFILE", "kdcube")]).profile.as_deref(), Some("kdcube"));
    }

    #[test]
    fn a_region_that_nothing_needs_is_not_looked_at() {
        let mut settings = Settings::from_environment([("AWS_REGION", "eu-central-1a")]);
        assert_eq!((read(&mut settings, MINUTE), settings.errors().len()), (None, 0));
    }

    #[test]
    fn dimensions_are_read_in_two_forms() {
        for text in [
            r#"{"env": "prod", "tenant": "a"}"#,
            r#"[{"Name": "env", "Value": "prod"}, {"Name": "tenant", "Value": "a"}]"#,
        ] {
            let config = config(&[("METRICS_CLOUDWATCH_DIMENSIONS_JSON", text)]);
            assert_eq!(config.dimensions.iter().collect::<Vec<_>>(), [("env", "prod"), ("tenant", "a")]);
        }
    }

    #[test]
    fn resolution_is_standard_by_default_and_auto_follows_the_interval() {
        let high = |value, seconds| {
            let variables = [("METRICS_CLOUDWATCH_HIGH_RESOLUTION", value)];
            read_all(&variables, Duration::from_secs(seconds)).0.unwrap().high_resolution
        };
        assert!(high("auto", 59) && high("1", 60));
        assert!(!high("auto", 60) && !high("0", 10) && !high("", 10));
    }

    #[test]
    fn a_spool_of_zero_keeps_nothing() {
        assert_eq!(config(&[("METRICS_CLOUDWATCH_SPOOL_SEC", "0")]).spool, Duration::ZERO);
    }

    #[test]
    fn an_invalid_value_is_reported_with_what_is_accepted() {
        let many = (0..31).map(|n| format!("\"d{n}\": \"v\"")).collect::<Vec<_>>().join(",");
        let long = "x".repeat(1025);
        for (variable, value) in [
            ("METRICS_EXPORT_CLOUDWATCH", "maybe"),
            ("METRICS_CLOUDWATCH_REGION", "eu west/1"),
            ("METRICS_CLOUDWATCH_REGION", "eu-central-1a"),
            ("AWS_REGION", "us-gov-west-1b"),
            ("AWS_DEFAULT_REGION", "no region"),
            ("METRICS_CLOUDWATCH_NAMESPACE", "AWS/EC2"),
            ("METRICS_CLOUDWATCH_NAMESPACE", &long),
            ("METRICS_CLOUDWATCH_NAMESPACE", ":x"),
            ("METRICS_CLOUDWATCH_NAMESPACE", "spaced out"),
            ("METRICS_CLOUDWATCH_DIMENSIONS_JSON", "env=prod"),
            ("METRICS_CLOUDWATCH_DIMENSIONS_JSON", r#"{"env": 1}"#),
            ("METRICS_CLOUDWATCH_DIMENSIONS_JSON", r#"{"env": " "}"#),
            ("METRICS_CLOUDWATCH_DIMENSIONS_JSON", r#"{":env": "x"}"#),
            ("METRICS_CLOUDWATCH_DIMENSIONS_JSON", r#"{"env": "a", "env": "b"}"#),
            ("METRICS_CLOUDWATCH_DIMENSIONS_JSON", r#"[{"Name": "env"}]"#),
            ("METRICS_CLOUDWATCH_DIMENSIONS_JSON", &format!("{{{many}}}")),
            ("METRICS_CLOUDWATCH_DIMENSIONS_JSON", &format!("{{\"a\": \"{long}\"}}")),
            ("METRICS_CLOUDWATCH_INCLUDE", "nothing.*"),
            ("METRICS_CLOUDWATCH_HIGH_RESOLUTION", "2"),
            ("METRICS_CLOUDWATCH_SPOOL_SEC", "-1"),
        ] {
            let reported = error(variable, value);
            assert!(reported.starts_with(variable) && reported.contains("; accepted: "), "{reported}");
        }
    }

    #[test]
    fn dimensions_leave_room_for_the_labels_of_included_metrics() {
        let many = (0..29).map(|n| format!("\"d{n}\": \"v\"")).collect::<Vec<_>>().join(",");
        let (many, include) = (format!("{{{many}}}"), ("METRICS_CLOUDWATCH_INCLUDE", "pool_utilization_ratio"));
        let (none, errors) = read_all(&[("METRICS_CLOUDWATCH_DIMENSIONS_JSON", &many), include], MINUTE);
        assert!(none.is_none() && errors.iter().any(|reported| reported.contains("leave no room")), "{errors:?}");
        let (_, errors) = read_all(&[("METRICS_CLOUDWATCH_DIMENSIONS_JSON", r#"{"pool": "x"}"#), include], MINUTE);
        assert!(
            errors.iter().any(|reported| reported.contains("`pool` is a label of `pool_utilization_ratio`")),
            "{errors:?}"
        );
    }
}
