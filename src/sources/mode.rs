//! The modes: which source the program uses.

use crate::settings::FromSetting;

/// Where facts come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// A deployment's Redis.
    Redis,
    /// The monitoring routes of a deployment's servers.
    Proxy,
    /// A deployment simulated in memory.
    Embedded,
}

impl Mode {
    /// The name in settings and payloads.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Redis => "redis",
            Self::Proxy => "proxy",
            Self::Embedded => "embedded",
        }
    }
}

impl FromSetting for Mode {
    fn from_setting(text: &str) -> Result<Self, String> {
        let mode = [Self::Redis, Self::Proxy, Self::Embedded];
        let found = mode.into_iter().find(|mode| text.eq_ignore_ascii_case(mode.as_str()));
        found.ok_or_else(|| "is not a mode".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mode_is_read_by_its_name_in_any_case() {
        for (text, mode) in [("redis", Mode::Redis), ("PROXY", Mode::Proxy), ("Embedded", Mode::Embedded)] {
            assert_eq!(Mode::from_setting(text), Ok(mode));
        }
        assert!(Mode::from_setting("simulated").is_err());
    }
}
