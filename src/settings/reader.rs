//! The reader: layers in, typed values out. It goes on after an error and reports all of them together.

use std::path::{Path, PathBuf};

use secrecy::SecretString;

use super::layers::{Content, Given};
use super::{Descriptors, FromSetting, Layers, Origin, Setting, SettingError, Sources};

/// The byte order mark that some editors put at the beginning of a text.
const MARK: char = '\u{feff}';

/// Reads settings and collects what is wrong with them.
#[derive(Default)]
pub struct Settings {
    layers: Layers,
    errors: Vec<SettingError>,
    warnings: Vec<String>,
}

impl Settings {
    /// Reads from these layers. Nothing else is read, so tests do not touch the environment.
    #[must_use]
    pub const fn new(layers: Layers) -> Self {
        Self { layers, errors: Vec::new(), warnings: Vec::new() }
    }

    /// Settings from environment variables alone, and the descriptor files that they name.
    #[must_use]
    pub fn from_environment<'a>(variables: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let environment = variables.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        Self::new(Layers::read(&Sources { environment, ..Sources::default() }))
    }

    /// Reads a setting as a `T`. A value that is not accepted is recorded as an error, and the default is returned:
    /// reading goes on and finds the next error. `None` where there is neither a value nor a default.
    pub fn get<T: FromSetting>(&mut self, setting: &'static Setting) -> Option<T> {
        let default = || T::from_setting(setting.default()).ok();
        let Some(text) = self.given_text(setting) else { return default() };
        match T::from_setting(&text) {
            Ok(value) => Some(value),
            Err(problem) => {
                self.reject(setting, &problem);
                default()
            }
        }
    }

    /// The text of a setting without whitespace around it, or its default.
    pub fn text(&mut self, setting: &'static Setting) -> Option<String> {
        let default = || (!setting.default().is_empty()).then(|| setting.default().to_owned());
        self.given_text(setting).or_else(default)
    }

    /// The text of a secret exactly as given, or its default. An empty file is an empty secret and not an unset one: an
    /// operator who names a file wants the secret to be required.
    pub fn secret(&mut self, setting: &'static Setting) -> Option<SecretString> {
        let default = || (!setting.default().is_empty()).then_some(setting.default());
        self.given(setting).map(SecretString::from).or_else(|| default().map(SecretString::from))
    }

    /// Where the value of a setting comes from.
    #[must_use]
    pub fn origin(&self, setting: &Setting) -> Origin {
        self.layers.find(setting).map_or(Origin::Default, |given| given.origin.clone())
    }

    /// The file that holds the value, if it comes from a file of its own (`_FILE`).
    #[must_use]
    pub fn file_of(&self, setting: &Setting) -> Option<PathBuf> {
        match self.layers.find(setting).map(|given| &given.content) {
            Some(Content::File(path)) => Some(path.clone()),
            Some(Content::Text(_)) | None => None,
        }
    }

    /// Records an error that no single setting has.
    pub fn error(&mut self, text: impl Into<String>) {
        self.errors.push(SettingError::Other(text.into()));
    }

    /// Records that the value of a setting is not accepted. The value is quoted unless it is secret or in a file.
    pub fn reject(&mut self, setting: &'static Setting, problem: &str) {
        let shown = match self.layers.find(setting).map(|given| &given.content) {
            Some(Content::Text(text)) if !setting.is_secret() => Some(text.clone()),
            _ => None,
        };
        self.push_invalid(setting, shown, problem);
    }

    /// Records what is wrong within a value that is a document. The document may hold secrets and is not quoted; the
    /// problem names the place.
    pub fn reject_part(&mut self, setting: &'static Setting, problem: &str) {
        self.push_invalid(setting, None, problem);
    }

    /// Records that a setting has no value although something needs one.
    pub fn missing(&mut self, setting: &'static Setting, needed_by: impl Into<String>) {
        self.errors.push(SettingError::Missing { setting, needed_by: needed_by.into() });
    }

    /// Unwraps the value, or records each error. Lines that begin with the variable of one of `settings` get the origin
    /// of its value.
    pub fn ok_or_record<T>(&mut self, result: Result<T, Vec<String>>, settings: &[&'static Setting]) -> Option<T> {
        let report = |line: String| {
            let named = |setting: &&&'static Setting| line.split([' ', ':']).next() == Some(setting.variable());
            match settings.iter().find(named) {
                Some(setting) => SettingError::Reported { origin: self.origin(setting), line },
                None => SettingError::Other(line),
            }
        };
        match result {
            Ok(value) => Some(value),
            Err(lines) => {
                let reported: Vec<SettingError> = lines.into_iter().map(report).collect();
                self.errors.extend(reported);
                None
            }
        }
    }

    /// Variables with the prefix `METRICS_` that are set and are no settings.
    #[must_use]
    pub fn unknown(&self) -> &[String] {
        self.layers.unknown()
    }

    /// The platform's descriptor files, if they were read.
    pub(crate) const fn descriptors(&self) -> Option<&Descriptors> {
        self.layers.descriptors()
    }

    /// Records something odd that does not stop the start, in one line without secrets.
    pub fn warn(&mut self, text: impl Into<String>) {
        let text = text.into();
        if !self.warnings.contains(&text) {
            self.warnings.push(text);
        }
    }

    /// All warnings so far.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// What is odd about the layers themselves.
    #[must_use]
    pub fn layer_warnings(&self) -> &[String] {
        self.layers.warnings()
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

    /// What was read from, to compare with what a restart would read.
    #[must_use]
    pub fn into_layers(self) -> Layers {
        self.layers
    }

    fn push_invalid(&mut self, setting: &'static Setting, shown: Option<String>, problem: &str) {
        let (origin, problem) = (self.origin(setting), problem.to_owned());
        self.errors.push(SettingError::Invalid { setting, origin, shown, problem });
    }

    /// The value of the first layer that has one. A file that holds only whitespace is an error: taking it for an unset
    /// variable would, for example, listen on every address or ask for no certificate.
    fn given_text(&mut self, setting: &'static Setting) -> Option<String> {
        let text = self.given(setting)?.trim_start_matches(MARK).trim().to_owned();
        if text.is_empty() {
            self.push_invalid(setting, None, "is empty");
            return None;
        }
        Some(text)
    }

    fn given(&mut self, setting: &'static Setting) -> Option<String> {
        let Given { content, .. } = self.layers.find(setting)?;
        match content {
            Content::Text(text) => Some(text.clone()),
            Content::File(path) => {
                let path = path.clone();
                self.read_file(setting, &path)
            }
        }
    }

    fn read_file(&mut self, setting: &Setting, path: &Path) -> Option<String> {
        match std::fs::read_to_string(path) {
            Ok(text) => Some(text.trim_start_matches(MARK).trim_end_matches(['\r', '\n']).to_owned()),
            Err(error) => {
                let name = setting.file_variable();
                self.error(format!("{name} {path:?}: cannot be read: {error}; accepted: the path of a readable file"));
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use secrecy::ExposeSecret;

    use super::*;
    use crate::settings::{EnvFile, Variables, setting, table};

    const PORT: &Setting = setting("METRICS_PORT");
    const BIND: &Setting = setting("METRICS_BIND");
    const INSTANCE: &Setting = setting("INSTANCE_ID");
    const TOKEN: &Setting = setting("METRICS_AUTH_TOKEN");
    const JOB: &Setting = setting("METRICS_PROM_JOB_NAME");

    fn one(name: &str, value: &str) -> Variables {
        Variables::from([(name.to_owned(), value.to_owned())])
    }

    /// Settings with this text in the setting's file.
    fn from_file(setting: &Setting, text: &str) -> (Settings, tempfile::NamedTempFile) {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        let name = setting.file_variable();
        (Settings::from_environment([(name.as_str(), file.path().to_str().unwrap())]), file)
    }

    fn lines(settings: Settings) -> Vec<String> {
        settings.into_errors().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn flags_win_over_the_environment_over_files_over_the_env_file_over_the_default() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "3\n").unwrap();
        let path = file.path().to_str().unwrap();
        let read = |layers: usize| {
            let (mut flags, mut environment, mut env_file) = (Variables::new(), Variables::new(), EnvFile::default());
            if layers > 3 {
                flags = one("METRICS_PORT", "1");
            }
            if layers > 2 {
                environment = one("METRICS_PORT", "2");
            }
            if layers > 1 {
                environment.extend(one("METRICS_PORT_FILE", path));
            }
            if layers > 0 {
                env_file.variables = one("METRICS_PORT", "4");
            }
            Settings::new(Layers::new(&flags, &environment, &env_file)).get::<u16>(PORT)
        };
        assert_eq!([4, 3, 2, 1, 0].map(read), [Some(1), Some(2), Some(3), Some(4), Some(8090)]);
    }

    #[test]
    fn a_bad_value_is_reported_with_what_is_accepted_and_reading_goes_on() {
        let mut settings = Settings::from_environment([("METRICS_PORT", " http "), ("METRICS_BIND", "here")]);
        assert_eq!(settings.get::<u16>(PORT), Some(8090));
        assert_eq!(settings.get::<std::net::IpAddr>(BIND), Some(std::net::Ipv4Addr::UNSPECIFIED.into()));
        assert_eq!(
            lines(settings),
            [
                "METRICS_PORT \" http \": is not a port; accepted: a port, 0 to 65535 (0 = any free one); from the environment",
                "METRICS_BIND \"here\": is not an IP address; accepted: an IPv4 or IPv6 address; from the environment",
            ]
        );
    }

    #[test]
    fn text_has_no_whitespace_around_it_and_a_secret_is_exactly_as_given() {
        let variables = [("INSTANCE_ID", " a b "), ("METRICS_AUTH_TOKEN", " a b ")];
        let mut settings = Settings::from_environment(variables);
        assert_eq!(settings.text(INSTANCE).as_deref(), Some("a b"));
        assert_eq!(settings.secret(TOKEN).unwrap().expose_secret(), " a b ");
        let mut unset = Settings::from_environment([("INSTANCE_ID", " "), ("METRICS_AUTH_TOKEN", " ")]);
        assert!(unset.text(INSTANCE).is_none() && unset.secret(TOKEN).is_none() && unset.errors().is_empty());
        assert_eq!(unset.text(JOB).as_deref(), Some("kdcube_metrics"));
    }

    #[test]
    fn the_end_of_the_last_line_of_a_file_is_not_part_of_its_value() {
        let (mut settings, file) = from_file(TOKEN, " a b \r\n");
        assert_eq!(settings.secret(TOKEN).unwrap().expose_secret(), " a b ");
        assert_eq!(settings.file_of(TOKEN).as_deref(), Some(file.path()));
        let (mut settings, _file) = from_file(PORT, "8123\n");
        assert_eq!((settings.get::<u16>(PORT), settings.file_of(TOKEN)), (Some(8123), None));
    }

    #[test]
    fn an_empty_file_is_an_error_and_not_an_unset_variable() {
        for text in ["", " \n"] {
            let (mut settings, _file) = from_file(BIND, text);
            settings.get::<std::net::IpAddr>(BIND);
            let line = lines(settings).remove(0);
            assert!(
                line.starts_with("METRICS_BIND: is empty; accepted: an IPv4 or IPv6 address; from the file"),
                "{line}"
            );
            let (mut settings, _file) = from_file(TOKEN, text);
            assert_eq!(settings.secret(TOKEN).unwrap().expose_secret().trim(), "");
        }
    }

    #[test]
    fn a_file_that_cannot_be_read_is_an_error_and_one_that_holds_a_bad_value_is_named_but_not_quoted() {
        let mut settings = Settings::from_environment([("METRICS_PORT_FILE", "/nowhere/port")]);
        assert_eq!(settings.get::<u16>(PORT), Some(8090));
        assert!(lines(settings)[0].starts_with("METRICS_PORT_FILE \"/nowhere/port\": cannot be read"));
        let (mut settings, file) = from_file(PORT, "hunter2");
        settings.get::<u16>(PORT);
        let line = lines(settings).remove(0);
        assert!(line.contains(file.path().to_str().unwrap()) && !line.contains("hunter2"), "{line}");
    }

    #[test]
    fn lines_that_name_a_setting_get_the_origin_of_its_value() {
        let mut settings = Settings::from_environment([("METRICS_PORT", "1")]);
        let found =
            ["METRICS_PORT \"1\": is taken", "METRICS_BIND: is odd", "METRICS_PORTS: no such"].map(str::to_owned);
        assert_eq!(settings.ok_or_record::<()>(Err(found.to_vec()), &[PORT, BIND]), None);
        assert_eq!(
            lines(settings),
            [
                "METRICS_PORT \"1\": is taken; from the environment",
                "METRICS_BIND: is odd; from the default",
                "METRICS_PORTS: no such"
            ]
        );
    }

    proptest! {
        #[test]
        fn no_error_of_a_secret_setting_shows_its_value(problem in "[a-z ]{1,20}", value in "hunter[0-9]{4,60}") {
            for row in table::all().iter().filter(|row| row.is_secret()) {
                let mut settings = Settings::from_environment([(row.variable(), value.as_str())]);
                settings.get::<u16>(row);
                settings.get::<std::time::Duration>(row);
                settings.reject(row, &problem);
                settings.reject_part(row, &problem);
                settings.missing(row, problem.as_str());
                let text = format!("{:?} ", settings.errors()) + &lines(settings).join("\n");
                prop_assert!(!text.contains("hunter") && text.contains(row.variable()), "{}", text);
            }
        }
    }
}
