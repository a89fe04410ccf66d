//! How samples reach CloudWatch: namespace, dimensions, which metrics, at which resolution, and how
//! long what was not delivered is kept. Sending is `exporters::cloudwatch`'s matter.

mod dimensions;
mod include;

use std::time::Duration;

pub use self::dimensions::{Dimensions, is_sound_value};
pub use self::include::Include;
use crate::settings::{FromSetting, Setting, Settings, setting};

const ENABLED: &Setting = setting("METRICS_EXPORT_CLOUDWATCH");
const REGION: &Setting = setting("METRICS_CLOUDWATCH_REGION");
const NAMESPACE: &Setting = setting("METRICS_CLOUDWATCH_NAMESPACE");
const DIMENSIONS: &Setting = setting("METRICS_CLOUDWATCH_DIMENSIONS_JSON");
const INCLUDE: &Setting = setting("METRICS_CLOUDWATCH_INCLUDE");
const HIGH_RESOLUTION: &Setting = setting("METRICS_CLOUDWATCH_HIGH_RESOLUTION");
const SPOOL: &Setting = setting("METRICS_CLOUDWATCH_SPOOL_SEC");

/// A push interval from here on has no use for points of one second.
const STANDARD_RESOLUTION: Duration = Duration::from_secs(60);

/// What CloudWatch gets, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloudWatchConfig {
    /// `None`: what AWS' own settings say.
    pub region: Option<String>,
    pub namespace: String,
    /// Put on every point.
    pub dimensions: Dimensions,
    pub include: Include,
    /// Points of one second rather than of a minute; CloudWatch bills them alike, but not alarms of a shorter period.
    pub high_resolution: bool,
    /// How long points wait for delivery; zero keeps none.
    pub spool: Duration,
}

/// Reads what concerns CloudWatch, all of it, so that a bad value shows before it is needed; `None`
/// where the sink is off or something is wrong. `export_interval` decides an `auto` resolution.
pub fn read(settings: &mut Settings, export_interval: Duration) -> Option<CloudWatchConfig> {
    let enabled = settings.get(ENABLED)?;
    if let Some(problem) = missing(enabled, cfg!(feature = "cloudwatch")) {
        settings.error(problem);
    }
    let region = settings.get::<Region>(REGION).map(|region| region.0);
    let namespace = settings.get::<Namespace>(NAMESPACE);
    let dimensions = settings.get::<Dimensions>(DIMENSIONS);
    let include = settings.get::<Include>(INCLUDE).unwrap_or_default();
    let resolution = settings.get::<Resolution>(HIGH_RESOLUTION);
    let spool = settings.get::<SpoolSeconds>(SPOOL);
    let dimensions = dimensions.unwrap_or_default();
    if let Err(problem) = dimensions.fit(&include) {
        settings.error(format!("METRICS_CLOUDWATCH_DIMENSIONS_JSON: {problem}"));
        return None;
    }
    enabled.then_some(CloudWatchConfig {
        region,
        namespace: namespace?.0,
        dimensions,
        include,
        high_resolution: resolution?.is_high(export_interval),
        spool: spool?.0,
    })
}

/// What is wrong if it is wanted and not there.
fn missing(enabled: bool, built: bool) -> Option<&'static str> {
    let problem = "METRICS_EXPORT_CLOUDWATCH \"1\": this build has no CloudWatch; accepted: 0, or a build with the cargo \
                   feature `cloudwatch`";
    (enabled && !built).then_some(problem)
}

/// Becomes part of a host name.
struct Region(String);

impl FromSetting for Region {
    fn from_setting(text: &str) -> Result<Self, String> {
        let sound = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if text.is_empty() || text.len() > 63 || !text.chars().all(sound) {
            return Err("is not a region".to_owned());
        }
        Ok(Self(text.to_owned()))
    }
}

struct Namespace(String);

impl FromSetting for Namespace {
    fn from_setting(text: &str) -> Result<Self, String> {
        const LONGEST: usize = 255;
        let sound = |c: char| c.is_ascii_alphanumeric() || ".-_/#:".contains(c);
        match text {
            _ if text.is_empty() || text.len() > LONGEST => Err(format!("must have 1 to {LONGEST} characters")),
            _ if text.starts_with("AWS/") => Err("begins with AWS/, which is reserved for AWS".to_owned()),
            _ if text.starts_with(':') => Err("begins with a colon".to_owned()),
            _ if !text.chars().all(sound) => Err("has a character that CloudWatch does not accept".to_owned()),
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

/// Like a duration, but zero has a meaning.
struct SpoolSeconds(Duration);

impl FromSetting for SpoolSeconds {
    fn from_setting(text: &str) -> Result<Self, String> {
        if text.parse() == Ok(0.0) { Ok(Self(Duration::ZERO)) } else { Duration::from_setting(text).map(Self) }
    }
}

#[cfg(test)]
#[cfg(feature = "cloudwatch")]
mod tests;
