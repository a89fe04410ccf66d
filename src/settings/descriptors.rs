//! The platform's descriptor files as settings: assembly.yaml and secrets.yaml give values, each with its origin and
//! its precedence over or under the environment; gateway.yaml is handed on as text.
//!
//! [`table::ROWS`] lists every setting that they can give.

mod document;
mod find;
mod locate;
mod table;
#[cfg(test)]
mod tests;
mod value;

use std::fmt;
use std::path::PathBuf;

use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};

use self::document::FileError;
use self::find::Found;
use self::locate::{Location, Locations};
use self::table::{COMPONENT, File, Precedence, ROWS, Row};
use self::value::Reading;
use crate::base::text::one_line;
use crate::platform::gateway;
use crate::settings::Setting;

/// What the descriptor files give.
#[derive(Debug)]
pub(crate) struct Descriptors {
    values: Vec<DescriptorValue>,
    warnings: Vec<DescriptorWarning>,
    topology_error: Option<TopologyError>,
    gateway: Option<GatewayDescriptor>,
    paths: Vec<PathBuf>,
    is_given: bool,
    unusable: Vec<PathBuf>,
}

/// The value of one setting.
#[derive(Debug, Clone)]
pub(crate) struct DescriptorValue {
    pub(crate) variable: &'static str,
    /// Any value may be secret.
    pub(crate) text: SecretString,
    /// The file and the path in it, as in `assembly.yaml, ports.metrics`.
    pub(crate) origin: String,
    precedence: Precedence,
}

/// A file or a value that is not used, or not as it was meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DescriptorWarning {
    pub(crate) file: PathBuf,
    /// What is wrong, in one line that quotes no value.
    pub(crate) detail: String,
}

impl fmt::Display for DescriptorWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A path may hold anything; a warning is one line.
        let file = one_line(&self.file.display().to_string());
        write!(f, "{file}: {}", self.detail)
    }
}

/// The Redis that assembly.yaml declares cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TopologyError {
    #[error("assembly.yaml, infra.redis.topology: Redis Cluster is not supported; accepted: standalone")]
    Cluster,
    #[error("assembly.yaml, infra.redis.topology: is not a topology; accepted: standalone")]
    Unknown,
}

/// gateway.yaml, whose reader reports what is wrong in it.
#[derive(Debug, Clone)]
pub(crate) struct GatewayDescriptor {
    pub(crate) path: PathBuf,
    /// The setting that the path comes from.
    pub(crate) named_by: &'static Setting,
    /// `None` if there is no such file.
    text: Result<Option<SecretString>, FileError>,
}

impl GatewayDescriptor {
    /// Whether there is such a file, readable or not.
    pub(crate) const fn exists(&self) -> bool {
        !matches!(self.text, Ok(None))
    }

    /// The text, or why there is none, as a line that names the setting and the file.
    pub(crate) fn text(&self) -> Result<&str, String> {
        let problem = match &self.text {
            Ok(Some(text)) => return Ok(text.expose_secret()),
            Ok(None) => "cannot be read: there is no such file".to_owned(),
            Err(error) => error.to_string(),
        };
        Err(format!("{}: {} {problem}", self.named_by.variable(), self.path.display()))
    }
}

impl Descriptors {
    /// Finds and reads the files; `lookup` gives the value of an environment variable. Files that do not exist give
    /// nothing, and what cannot be used is among the warnings.
    pub(crate) fn load(lookup: impl Fn(&str) -> Option<String>) -> Self {
        let Locations { assembly, secrets, gateway, is_named } = locate::locate(&lookup);
        let component = component(lookup("GATEWAY_COMPONENT").as_deref());
        let paths = [&assembly, &secrets].into_iter().chain(gateway.as_ref().map(|found| &found.path));
        let paths = paths.cloned().collect();
        let is_given = is_named || assembly.exists();
        let mut collector = Collector::default();
        let sources = [
            Source::new(File::Assembly, collector.read(&assembly), assembly),
            Source::new(File::Secrets, collector.read(&secrets), secrets),
        ];
        ROWS.iter().for_each(|row| collector.collect(row, &sources, component));
        Self {
            topology_error: topology_error(&sources),
            gateway: gateway.map(read_gateway),
            paths,
            values: collector.values,
            warnings: collector.warnings,
            unusable: collector.unusable,
            is_given,
        }
    }

    /// Values that win over the environment.
    pub(crate) fn over_environment(&self) -> impl Iterator<Item = &DescriptorValue> {
        self.values.iter().filter(|value| value.precedence != Precedence::Fallback)
    }

    /// Values that count where the environment gives none.
    pub(crate) fn under_environment(&self) -> impl Iterator<Item = &DescriptorValue> {
        self.values.iter().filter(|value| value.precedence == Precedence::Fallback)
    }

    pub(crate) fn warnings(&self) -> &[DescriptorWarning] {
        &self.warnings
    }

    /// Whether the declared Redis can be read; only redis mode needs it.
    pub(crate) const fn topology_error(&self) -> Option<TopologyError> {
        self.topology_error
    }

    pub(crate) const fn gateway(&self) -> Option<&GatewayDescriptor> {
        self.gateway.as_ref()
    }

    /// The files that a change may come from, also those that do not exist yet.
    pub(crate) fn paths(&self) -> &[PathBuf] {
        &self.paths
    }

    /// Whether the deployment has descriptors: a setting names them, or assembly.yaml is at its default place.
    pub(crate) const fn is_given(&self) -> bool {
        self.is_given
    }

    /// The files that exist and give nothing.
    pub(crate) fn unusable(&self) -> &[PathBuf] {
        &self.unusable
    }

    /// The text of gateway.yaml.
    pub(crate) fn gateway_text(&self) -> Option<&str> {
        self.gateway.as_ref()?.text().ok()
    }
}

/// The section of `platform.services` that belongs to a component. The chart names `metrics`, which has its own.
fn component(word: Option<&str>) -> &'static str {
    let word = word.unwrap_or_default();
    match gateway::component_named(word) {
        Some(component) => component.as_str(),
        None if word.trim().eq_ignore_ascii_case("metrics") => "metrics",
        None => "proc",
    }
}

fn read_gateway(Location { path, named_by }: Location) -> GatewayDescriptor {
    let text = document::read_text(&path).map(|text| text.map(SecretString::from));
    GatewayDescriptor { path, named_by, text }
}

fn topology_error(sources: &[Source]) -> Option<TopologyError> {
    let assembly = sources.iter().find(|source| source.file == File::Assembly)?;
    let Found::Value(value) = find::find(&assembly.document, "infra.redis.topology") else { return None };
    let word = match value {
        Value::Null => return None,
        value => value.as_str().map(|word| word.trim().to_lowercase()),
    };
    match word.as_deref() {
        Some("" | "standalone") => None,
        Some("cluster") => Some(TopologyError::Cluster),
        _ => Some(TopologyError::Unknown),
    }
}

/// A file whose values are settings; an empty document if it cannot be used.
struct Source {
    file: File,
    path: PathBuf,
    document: Map<String, Value>,
    /// secrets.yaml may have everything under one key.
    wrapper: Option<&'static str>,
}

impl Source {
    fn new(file: File, document: Map<String, Value>, path: PathBuf) -> Self {
        const WRAPPER: &str = "secrets";
        let is_wrapped = file == File::Secrets && document.get(WRAPPER).is_some_and(Value::is_object);
        Self { file, path, document, wrapper: is_wrapped.then_some(WRAPPER) }
    }

    /// What stands at a path, and the path including the wrapper.
    fn find(&self, path: &str) -> (Found<'_>, String) {
        if let Some(wrapper) = self.wrapper {
            let wrapped = format!("{wrapper}.{path}");
            match find::find(&self.document, &wrapped) {
                Found::Absent | Found::Value(Value::Null) => {}
                found => return (found, wrapped),
            }
        }
        (find::find(&self.document, path), path.to_owned())
    }
}

/// Values and warnings so far.
#[derive(Default)]
struct Collector {
    values: Vec<DescriptorValue>,
    warnings: Vec<DescriptorWarning>,
    unusable: Vec<PathBuf>,
}

impl Collector {
    /// The document of a file, or an empty one and a warning.
    fn read(&mut self, path: &std::path::Path) -> Map<String, Value> {
        let read = document::read_text(path).and_then(|text| document::parse(&text.unwrap_or_default()));
        read.unwrap_or_else(|error| {
            self.warn(path, format!("{error}; nothing is read from it"));
            self.unusable.push(path.to_owned());
            Map::new()
        })
    }

    fn collect(&mut self, row: &'static Row, sources: &[Source], component: &str) {
        let Some(source) = sources.iter().find(|source| source.file == row.file) else { return };
        let (found, path) = source.find(&row.path.replace(COMPONENT, component));
        match found {
            Found::Absent => {}
            Found::NotMapping(path, value) => {
                self.wrong_type(source, &path, "a mapping", document::type_name(value));
            }
            Found::Value(value) => self.take(row, source, &path, row.kind.read(value)),
        }
    }

    fn take(&mut self, row: &'static Row, source: &Source, path: &str, reading: Reading) {
        match reading {
            Reading::Absent => {}
            Reading::WrongType { expected, found } => self.wrong_type(source, path, expected, found),
            Reading::Text(text) => self.add(row, path, text),
            Reading::Suspicious(text, warning) => {
                self.warn(&source.path, format!("{path}: {warning}"));
                self.add(row, path, text);
            }
        }
    }

    /// Adds a value unless an earlier row has given one.
    fn add(&mut self, row: &'static Row, path: &str, text: String) {
        let Row { variable, precedence, .. } = *row;
        let left_to_environment = precedence == Precedence::WinsIfTrue && text != "true";
        if left_to_environment || self.values.iter().any(|value| value.variable == variable) {
            return;
        }
        let origin = format!("{}, {path}", row.file.name());
        self.values.push(DescriptorValue { variable, text: text.into(), origin, precedence });
    }

    fn wrong_type(&mut self, source: &Source, path: &str, expected: &str, found: &str) {
        self.warn(&source.path, format!("{path}: expected {expected}, got {found}; not used"));
    }

    /// Notes a warning once, however many rows lead to it.
    fn warn(&mut self, file: &std::path::Path, detail: String) {
        let warning = DescriptorWarning { file: file.to_owned(), detail };
        if !self.warnings.contains(&warning) {
            self.warnings.push(warning);
        }
    }
}
