//! Reads settings by name from flags, environment, `*_FILE` and an env file, in that order, and
//! remembers every error so that all of them are told at once.
//!
//! What settings exist is `config::table`'s matter; what they mean together is `config`'s.

#[cfg_attr(not(test), expect(dead_code, reason = "a layer that the reader does not use yet"))]
mod descriptors;
mod env_file;
pub mod table;

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;

pub use self::env_file::read_env_file;

/// The declaration of one setting: variable, flag, documentation and default in one place.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// The environment variable; the flag is derived from it (see [`Setting::flag`]).
    pub variable: &'static str,
    /// The default as one would write it; empty = none.
    pub default: &'static str,
    /// What is accepted, in words.
    pub accepts: &'static str,
    /// What it is for, one or two sentences.
    pub help: &'static str,
    /// The heading it stands under in `--help` and in the documentation.
    pub group: &'static str,
    /// Never shown: not in errors, not in `check`.
    pub secret: bool,
}

impl Setting {
    /// The flag: the variable without `METRICS_`, lower case, with dashes.
    #[must_use]
    pub fn flag(&self) -> String {
        self.variable.trim_start_matches("METRICS_").to_lowercase().replace('_', "-")
    }
}

/// Settings by name; a later layer answers only what the earlier ones leave open.
pub type Layer = BTreeMap<String, String>;

/// One thing that is wrong with the settings: names the setting and says what is accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingError(pub String);

impl fmt::Display for SettingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where a value came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    Flag,
    Environment,
    File,
    EnvFile,
    Default,
}

impl Origin {
    /// The word that `check` shows.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Flag => "flag",
            Self::Environment => "environment",
            Self::File => "file",
            Self::EnvFile => "env file",
            Self::Default => "default",
        }
    }
}

/// The reader: layered values in, typed values and all errors out.
#[derive(Default)]
pub struct Settings {
    flags: Layer,
    environment: Layer,
    env_file: Layer,
    errors: Vec<SettingError>,
}

impl Settings {
    /// Reads from these layers; tests pass maps, so no test touches the environment.
    #[must_use]
    pub fn new(flags: Layer, environment: Layer, env_file: Layer) -> Self {
        Self { flags, environment, env_file, errors: Vec::new() }
    }

    /// Settings from environment variables alone.
    #[must_use]
    pub fn from_environment<'a>(variables: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let environment = variables.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        Self::new(Layer::new(), environment, Layer::new())
    }

    /// Notes a error that was found outside the reader.
    pub fn error(&mut self, text: impl Into<String>) {
        self.errors.push(SettingError(text.into()));
    }

    /// Notes what is wrong with a setting's value, which is not quoted, with what is accepted.
    pub fn reject(&mut self, setting: &Setting, error: &str) {
        self.error(format!("{}: {error}; accepted: {}", setting.variable, setting.accepts));
    }

    /// What was read, or a note of each of its errors.
    pub fn ok_or_record<T>(&mut self, read: Result<T, Vec<String>>) -> Option<T> {
        read.map_err(|errors| errors.into_iter().for_each(|error| self.error(error))).ok()
    }

    /// All errors so far.
    #[must_use]
    pub fn errors(&self) -> &[SettingError] {
        &self.errors
    }

    /// All errors, at the end.
    #[must_use]
    pub fn into_errors(self) -> Vec<SettingError> {
        self.errors
    }

    /// Variables with this prefix that are set although `known` does not have them.
    pub fn unknown<'a>(&'a self, prefix: &'a str, known: &'a [&'a Setting]) -> impl Iterator<Item = &'a str> {
        let is_known = move |name: &str| {
            let name = name.strip_suffix("_FILE").unwrap_or(name);
            known.iter().any(|setting| setting.variable.strip_suffix("_FILE").unwrap_or(setting.variable) == name)
        };
        let names = self.environment.keys().chain(self.env_file.keys()).map(String::as_str);
        names.filter(move |name| name.starts_with(prefix) && !is_known(name))
    }

    /// The text of a setting as given, or its default; `None` where there is neither.
    pub fn text(&mut self, setting: &Setting) -> Option<String> {
        self.given(setting)
            .map(|(text, _)| text)
            .or_else(|| (!setting.default.is_empty()).then(|| setting.default.to_owned()))
    }

    /// The text of a setting without blanks around it, or its default where nothing is left: a file may be empty.
    pub fn word(&mut self, setting: &Setting) -> Option<String> {
        let text = self.text(setting)?;
        let text = if text.trim().is_empty() { setting.default } else { text.trim() };
        (!text.is_empty()).then(|| text.to_owned())
    }

    /// The text of a setting that must not be shown.
    pub fn secret(&mut self, setting: &Setting) -> Option<SecretString> {
        self.text(setting).map(SecretString::from)
    }

    /// Where the setting's value comes from.
    #[must_use]
    pub fn origin(&self, setting: &Setting) -> Origin {
        let has = |layer: &Layer, name: &str| layer.get(name).is_some_and(|value| !value.trim().is_empty());
        let file = format!("{}_FILE", setting.variable);
        match () {
            () if has(&self.flags, setting.variable) => Origin::Flag,
            () if has(&self.environment, setting.variable) => Origin::Environment,
            () if has(&self.environment, &file) || has(&self.env_file, &file) => Origin::File,
            () if has(&self.env_file, setting.variable) => Origin::EnvFile,
            () => Origin::Default,
        }
    }

    /// The file that the setting's value stands in (`*_FILE`), where that is what counts.
    #[must_use]
    pub fn file_of(&self, setting: &Setting) -> Option<PathBuf> {
        (self.origin(setting) == Origin::File).then(|| self.file_named(&format!("{}_FILE", setting.variable)))?
    }

    /// A setting of type `T`. A value that is not accepted is ok_or_record as a error and its default
    /// stands in, so that reading goes on and finds the next one.
    pub fn get<T: FromSetting>(&mut self, setting: &Setting) -> Option<T> {
        let default = || T::from_setting(setting.default).ok();
        let Some((text, _)) = self.given(setting) else { return default() };
        match T::from_setting(text.trim()) {
            Ok(value) => Some(value),
            Err(why) => {
                let shown = if setting.secret { String::new() } else { format!(" {:?}", shorten(&text)) };
                self.error(format!("{}{shown}: {why}; accepted: {}", setting.variable, setting.accepts));
                default()
            }
        }
    }

    /// The first layer that has the setting; an empty value counts as unset (env files write `NAME=`).
    fn given(&mut self, setting: &Setting) -> Option<(String, Origin)> {
        match self.origin(setting) {
            Origin::Flag => self.flags.get(setting.variable).cloned().map(|text| (text, Origin::Flag)),
            Origin::Environment => {
                self.environment.get(setting.variable).cloned().map(|text| (text, Origin::Environment))
            }
            Origin::File => self.file_text(setting).map(|text| (text, Origin::File)),
            Origin::EnvFile => self.env_file.get(setting.variable).cloned().map(|text| (text, Origin::EnvFile)),
            Origin::Default => None,
        }
    }

    fn file_named(&self, name: &str) -> Option<PathBuf> {
        let mut layers = [&self.environment, &self.env_file].into_iter();
        layers.find_map(|layer| layer.get(name).filter(|path| !path.trim().is_empty())).map(PathBuf::from)
    }

    fn file_text(&mut self, setting: &Setting) -> Option<String> {
        let path = self.file_of(setting)?;
        match std::fs::read_to_string(&path) {
            Ok(text) => Some(text.trim_end_matches(['\r', '\n']).to_owned()),
            Err(error) => {
                self.error(format!(
                    "{}_FILE {path:?}: cannot be read: {error}; accepted: the path of a readable file",
                    setting.variable
                ));
                None
            }
        }
    }
}

/// A value as shown in an error: enough to recognise it.
fn shorten(text: &str) -> String {
    const LONGEST: usize = 60;
    if text.chars().count() <= LONGEST {
        text.to_owned()
    } else {
        text.chars().take(LONGEST).chain("…".chars()).collect()
    }
}

/// A type that a setting's text can be read as.
pub trait FromSetting: Sized {
    /// Reads the text.
    ///
    /// # Errors
    /// What is wrong with it, as a short phrase.
    fn from_setting(text: &str) -> Result<Self, String>;
}

impl FromSetting for bool {
    fn from_setting(text: &str) -> Result<Self, String> {
        match text.to_ascii_lowercase().as_str() {
            "1" | "true" | "yes" | "on" => Ok(true),
            "0" | "false" | "no" | "off" => Ok(false),
            _ => Err("is not a boolean".to_owned()),
        }
    }
}

/// Seconds, fractions included; at least a millisecond, for what takes no time at all cannot be waited for, and at
/// most a day.
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

macro_rules! from_str_setting {
    ($($type:ty: $what:literal),*) => {$(
        impl FromSetting for $type {
            fn from_setting(text: &str) -> Result<Self, String> {
                text.parse().map_err(|_| concat!("is not ", $what).to_owned())
            }
        }
    )*};
}

from_str_setting!(u16: "a port", usize: "a whole number", std::net::IpAddr: "an IP address");

#[cfg(test)]
mod tests {
    use super::*;

    const PORT: Setting = Setting {
        variable: "METRICS_PORT",
        default: "8090",
        accepts: "0 to 65535",
        help: "",
        group: "",
        secret: false,
    };
    const TOKEN: Setting =
        Setting { variable: "METRICS_TOKEN", default: "1", accepts: "seconds", help: "", group: "", secret: true };

    fn layer(name: &str, value: &str) -> Layer {
        Layer::from([(name.to_owned(), value.to_owned())])
    }

    #[test]
    fn flags_win_over_the_environment_and_that_over_the_env_file() {
        let all = || [layer("METRICS_PORT", "1"), layer("METRICS_PORT", "2"), layer("METRICS_PORT", "3")];
        let [a, b, c] = all();
        assert_eq!(Settings::new(a, b, c).get::<u16>(&PORT), Some(1));
        let [_, b, c] = all();
        assert_eq!(Settings::new(Layer::new(), b, c).get::<u16>(&PORT), Some(2));
        let [_, _, c] = all();
        assert_eq!(Settings::new(Layer::new(), Layer::new(), c).get::<u16>(&PORT), Some(3));
        assert_eq!(Settings::default().get::<u16>(&PORT), Some(8090));
    }

    #[test]
    fn an_empty_value_counts_as_unset() {
        assert_eq!(Settings::from_environment([("METRICS_PORT", " ")]).get::<u16>(&PORT), Some(8090));
    }

    #[test]
    fn a_bad_value_is_told_with_what_is_accepted_and_reading_goes_on() {
        let mut settings = Settings::from_environment([("METRICS_PORT", "http"), ("METRICS_TOKEN", "hunter2")]);
        assert_eq!(settings.get::<u16>(&PORT), Some(8090));
        settings.get::<Duration>(&TOKEN);
        let errors = settings.into_errors();
        assert_eq!(errors[0].0, "METRICS_PORT \"http\": is not a port; accepted: 0 to 65535");
        assert_eq!(errors[1].0, "METRICS_TOKEN: is not a number of seconds; accepted: seconds");
    }

    #[test]
    fn a_value_can_stand_in_a_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("port");
        std::fs::write(&path, "8123\n").unwrap();
        let mut settings = Settings::from_environment([("METRICS_PORT_FILE", path.to_str().unwrap())]);
        assert_eq!(settings.get::<u16>(&PORT), Some(8123));
        let mut missing = Settings::from_environment([("METRICS_PORT_FILE", "/nowhere/port")]);
        missing.get::<u16>(&PORT);
        assert!(missing.into_errors()[0].0.starts_with("METRICS_PORT_FILE \"/nowhere/port\": cannot be read"));
    }

    #[test]
    fn booleans_are_words_in_any_case() {
        for (text, expected) in
            [("1", true), ("Yes", true), ("ON", true), ("0", false), ("False", false), ("off", false)]
        {
            assert_eq!(bool::from_setting(text), Ok(expected), "{text}");
        }
        assert!(bool::from_setting("maybe").is_err());
    }

    #[test]
    fn a_word_has_no_blanks_around_it_and_an_empty_one_is_none() {
        for (given, word) in [(" a b \n", Some("a b")), (" \n", Some("8090")), ("", Some("8090"))] {
            let file = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(file.path(), given).unwrap();
            let path = file.path().to_str().unwrap();
            let mut settings = Settings::from_environment([("METRICS_PORT_FILE", path)]);
            assert_eq!(settings.word(&PORT).as_deref(), word, "{given:?}");
        }
    }

    #[test]
    fn durations_are_bounded() {
        assert_eq!(Duration::from_setting("0.5"), Ok(Duration::from_millis(500)));
        for bad in ["0", "-1", "nan", "inf", "1e9", "5s", "1e-10"] {
            assert!(Duration::from_setting(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn unknown_variables_are_found() {
        let settings = Settings::from_environment([("METRICS_PROT", "1"), ("METRICS_PORT_FILE", "x"), ("PATH", "y")]);
        assert_eq!(settings.unknown("METRICS_", &[&PORT]).collect::<Vec<_>>(), ["METRICS_PROT"]);
    }
}
