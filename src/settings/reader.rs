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
mod tests;
