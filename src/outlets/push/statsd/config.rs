//! Settings of the StatsD sink.

use crate::settings::{FromSetting, Setting, Settings, setting};

pub(super) const ENABLED: &Setting = setting("METRICS_EXPORT_STATSD");
const ADDRESS: &Setting = setting("METRICS_STATSD_ADDRESS");
const DIALECT: &Setting = setting("METRICS_STATSD_DIALECT");
const PREFIX: &Setting = setting("METRICS_STATSD_PREFIX");

/// Where datagrams go, and how they are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatsdConfig {
    /// Host and port; the name is looked up for every push.
    pub address: String,
    pub dialect: Dialect,
    /// What every name begins with.
    pub prefix: String,
}

/// How labels are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// As tags, with tenant and project.
    Dogstatsd,
    /// As the last parts of the name: StatsD has no tags.
    Statsd,
}

impl FromSetting for Dialect {
    fn from_setting(text: &str) -> Result<Self, String> {
        match text.to_ascii_lowercase().as_str() {
            "dogstatsd" => Ok(Self::Dogstatsd),
            "statsd" => Ok(Self::Statsd),
            _ => Err("is not a dialect".to_owned()),
        }
    }
}

/// A host and a port.
struct Address(String);

impl FromSetting for Address {
    fn from_setting(text: &str) -> Result<Self, String> {
        let parts = text.rsplit_once(':').filter(|(host, _)| !host.is_empty() && !host.contains('/'));
        match parts.map(|(_, port)| port.parse::<u16>()) {
            Some(Ok(port)) if port > 0 => Ok(Self(text.to_owned())),
            _ => Err("is not a host with a port".to_owned()),
        }
    }
}

/// The beginning of names.
struct Prefix(String);

impl FromSetting for Prefix {
    fn from_setting(text: &str) -> Result<Self, String> {
        let legal = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if text.len() <= 100 && text.chars().all(legal) {
            Ok(Self(text.to_owned()))
        } else {
            Err("has a character that no name may have, or more than 100".to_owned())
        }
    }
}

/// Reads and validates all settings of StatsD, also of a disabled sink; `None` if it is disabled or a setting is invalid.
pub fn read(settings: &mut Settings) -> Option<StatsdConfig> {
    let enabled: bool = settings.get(ENABLED)?;
    let address = settings.get::<Address>(ADDRESS);
    let dialect = settings.get(DIALECT);
    let prefix = settings.get::<Prefix>(PREFIX);
    enabled.then_some(StatsdConfig { address: address?.0, dialect: dialect?, prefix: prefix?.0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_all(variables: &[(&str, &str)]) -> (Option<StatsdConfig>, Vec<String>) {
        let mut settings = Settings::from_environment(variables.iter().copied());
        let config = read(&mut settings);
        (config, settings.into_errors().into_iter().map(|error| error.to_string()).collect())
    }

    #[test]
    fn by_default_an_agent_on_this_machine_gets_tags() {
        let config = read_all(&[("METRICS_EXPORT_STATSD", "1")]).0.unwrap();
        assert_eq!((config.address.as_str(), config.dialect), ("127.0.0.1:8125", Dialect::Dogstatsd));
        assert_eq!(config.prefix, "kdcube.");
        assert!(read_all(&[]).0.is_none());
    }

    #[test]
    fn every_error_names_its_setting() {
        for (variable, values) in [
            ("METRICS_STATSD_ADDRESS", &["localhost", ":8125", "h:0", "udp://h:1", "h:x"][..]),
            ("METRICS_STATSD_DIALECT", &["influx"]),
            ("METRICS_STATSD_PREFIX", &["a:b", "a b", "a|g"]),
        ] {
            for value in values {
                let errors = read_all(&[(variable, value)]).1;
                assert!(errors.len() == 1 && errors[0].starts_with(variable), "{value}: {errors:?}");
            }
        }
    }
}
