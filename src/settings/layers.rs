//! The layers that give settings their values, in order of precedence.
//!
//! A layer maps variables to values, and each value carries its origin: a further layer is one more map in
//! [`Layers::new`].

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use secrecy::ExposeSecret;

use super::descriptors::{DescriptorValue, Descriptors};
use super::quotes;
use super::table::{self, Setting};

/// Texts by variable.
pub type Variables = BTreeMap<String, String>;

/// The variables of an env file.
#[derive(Debug, Clone, Default)]
pub struct EnvFile {
    pub path: PathBuf,
    pub variables: Variables,
    /// What is odd about the file, in lines that quote no value.
    pub warnings: Vec<String>,
}

/// Everything beside files that values come from.
#[derive(Clone, Default)]
pub struct Sources {
    pub flags: Variables,
    pub environment: Variables,
    pub env_file: EnvFile,
}

/// Where a value came from; the text follows "from".
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    Flag,
    Environment,
    /// The file that the `_FILE` variable names.
    ValueFile(PathBuf),
    /// The env file at this path.
    EnvFile(PathBuf),
    /// A descriptor file of the platform and the path in it, as in `assembly.yaml, ports.metrics`.
    Descriptor(String),
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag => f.write_str("the flag"),
            Self::Environment => f.write_str("the environment"),
            Self::ValueFile(path) => write!(f, "the file {path:?}"),
            Self::EnvFile(path) => write!(f, "the env file {path:?}"),
            Self::Descriptor(place) => f.write_str(place),
            Self::Default => f.write_str("the default"),
        }
    }
}

/// A value before it is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Content {
    Text(String),
    File(PathBuf),
}

/// A value and its origin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Given {
    pub(super) content: Content,
    pub(super) origin: Origin,
}

/// All values of one origin, by the setting's variable.
type Layer = BTreeMap<&'static str, Given>;

/// The layers of one start of the program.
#[derive(Debug, Default)]
pub struct Layers {
    in_order: Vec<Layer>,
    /// Variables with the program's prefix that are no settings.
    unknown: Vec<String>,
    /// What is odd about the sources, in lines that quote no value.
    warnings: Vec<String>,
    descriptors: Option<Descriptors>,
}

impl Layers {
    /// The layers of these sources and of the platform's descriptor files, which are read now: flags, descriptors that win
    /// over the environment, the layers of [`Self::new`], and the other descriptors.
    #[must_use]
    pub fn read(sources: &Sources) -> Self {
        let Sources { flags, environment, env_file } = sources;
        let (environment, quoted) = quotes::removed(environment);
        let mut layers = Self::new(flags, &environment, env_file);
        layers.warnings.extend(quoted);
        let descriptors = Descriptors::load(|name| layers.variable(name).or_else(|| environment.get(name).cloned()));
        layers.in_order.insert(1, in_descriptors(descriptors.over_environment()));
        layers.in_order.push(in_descriptors(descriptors.under_environment()));
        Self { descriptors: Some(descriptors), ..layers }
    }

    /// Puts the layers in order: flags, environment, files named by `_FILE` variables, env file. A setting that none of
    /// them has is at its default.
    #[must_use]
    pub fn new(flags: &Variables, environment: &Variables, env_file: &EnvFile) -> Self {
        let in_env_file = |_: &Setting| Origin::EnvFile(env_file.path.clone());
        Self {
            in_order: vec![
                texts(flags, |_| Origin::Flag),
                texts(environment, |_| Origin::Environment),
                files(environment, &env_file.variables),
                texts(&env_file.variables, in_env_file),
            ],
            unknown: unknown(environment.keys().chain(env_file.variables.keys())),
            warnings: env_file.warnings.clone(),
            descriptors: None,
        }
    }

    /// The value of the first layer that has one.
    pub(super) fn find(&self, setting: &Setting) -> Option<&Given> {
        self.in_order.iter().find_map(|layer| layer.get(setting.variable()))
    }

    pub(super) fn unknown(&self) -> &[String] {
        &self.unknown
    }

    pub(super) fn warnings(&self) -> &[String] {
        &self.warnings
    }

    pub(super) const fn descriptors(&self) -> Option<&Descriptors> {
        self.descriptors.as_ref()
    }

    /// The settings whose value is another one in `newer`.
    pub(super) fn diff(&self, newer: &Self) -> Vec<&'static Setting> {
        let content = |layers: &Self, row| layers.find(row).map(|given| given.content.clone());
        table::all().iter().filter(|row| content(self, row) != content(newer, row)).collect()
    }

    /// The value of a variable that says where files are. One in a file that cannot be read is an error when the setting is
    /// read.
    fn variable(&self, name: &str) -> Option<String> {
        let setting = table::all().iter().find(|row| row.variable() == name)?;
        match &self.find(setting)?.content {
            Content::Text(text) => Some(text.clone()),
            Content::File(path) => std::fs::read_to_string(path).ok().map(|text| text.trim().to_owned()),
        }
    }
}

/// The layer of values that stand in variables. An empty value counts as unset: env files write `NAME=`.
fn texts(variables: &Variables, origin: impl Fn(&Setting) -> Origin) -> Layer {
    let given = |row: &'static Setting| {
        let content = Content::Text(not_blank(variables, row.variable())?.clone());
        Some((row.variable(), Given { content, origin: origin(row) }))
    };
    table::all().iter().filter_map(given).collect()
}

/// The layer of values in descriptor files. They give variables that are no settings, too.
fn in_descriptors<'a>(values: impl Iterator<Item = &'a DescriptorValue>) -> Layer {
    let given = |value: &DescriptorValue| {
        let row = table::all().iter().find(|row| row.variable() == value.variable)?;
        let content = Content::Text(value.text.expose_secret().to_owned());
        Some((row.variable(), Given { content, origin: Origin::Descriptor(value.origin.clone()) }))
    };
    values.filter_map(given).collect()
}

/// The layer of values in files of their own, named by the environment or else by the env file.
fn files(environment: &Variables, env_file: &Variables) -> Layer {
    let given = |row: &'static Setting| {
        let name = row.file_variable();
        let path = not_blank(environment, &name).or_else(|| not_blank(env_file, &name)).map(PathBuf::from)?;
        Some((row.variable(), Given { content: Content::File(path.clone()), origin: Origin::ValueFile(path) }))
    };
    table::all().iter().filter_map(given).collect()
}

fn not_blank<'a>(variables: &'a Variables, name: &str) -> Option<&'a String> {
    variables.get(name).filter(|value| !value.trim().is_empty())
}

fn unknown<'a>(names: impl Iterator<Item = &'a String>) -> Vec<String> {
    let is_odd = |name: &&String| name.starts_with("METRICS_") && !table::is_known(name) && !is_service_link(name);
    names.filter(is_odd).cloned().collect()
}

/// A variable that Kubernetes sets for a Service named `metrics`, as the platform's chart has one.
fn is_service_link(name: &str) -> bool {
    let port = name.strip_prefix("METRICS_PORT_").and_then(|rest| rest.chars().next());
    port.is_some_and(|digit| digit.is_ascii_digit()) || name.starts_with("METRICS_SERVICE_")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::setting;

    const PORT: &Setting = setting("METRICS_PORT");

    fn one(name: &str, value: &str) -> Variables {
        Variables::from([(name.to_owned(), value.to_owned())])
    }

    fn env_file(variables: Variables) -> EnvFile {
        EnvFile { path: PathBuf::from("/etc/kdcube.env"), variables, ..EnvFile::default() }
    }

    /// The origin of the port if exactly these layers have it.
    fn origin(flag: bool, environment: bool, file: bool, in_env_file: bool) -> String {
        let pick = |given: bool, value: &str| if given { value.to_owned() } else { " ".to_owned() };
        let mut variables = one("METRICS_PORT", &pick(environment, "2"));
        variables.extend(one("METRICS_PORT_FILE", &pick(file, "/run/port")));
        let layers = Layers::new(
            &one("METRICS_PORT", &pick(flag, "1")),
            &variables,
            &env_file(one("METRICS_PORT", &pick(in_env_file, "4"))),
        );
        layers.find(PORT).map_or(Origin::Default, |given| given.origin.clone()).to_string()
    }

    #[test]
    fn the_first_layer_that_has_a_value_wins_and_an_empty_one_counts_as_unset() {
        let origins = [
            "the flag",
            "the environment",
            "the file \"/run/port\"",
            "the env file \"/etc/kdcube.env\"",
            "the default",
        ];
        for set in 0..16_u8 {
            let has = |layer: u8| set & (1 << layer) != 0;
            let first = (0..4).find(|layer| has(*layer)).unwrap_or(4);
            assert_eq!(origin(has(0), has(1), has(2), has(3)), origins[usize::from(first)], "{set:04b}");
        }
    }

    #[test]
    fn a_value_file_named_in_the_environment_wins_over_one_named_in_the_env_file() {
        let name = "METRICS_PORT_FILE";
        for (environment, expected) in [(one(name, "/a"), "/a"), (one(name, " "), "/b"), (Variables::new(), "/b")] {
            let layers = Layers::new(&Variables::new(), &environment, &env_file(one(name, "/b")));
            assert_eq!(layers.find(PORT).unwrap().content, Content::File(PathBuf::from(expected)));
        }
    }

    #[test]
    fn unknown_variables_are_those_with_the_prefix_and_without_a_row() {
        let links = ["METRICS_SERVICE_HOST", "METRICS_SERVICE_PORT_HTTP", "METRICS_PORT_8090_TCP_ADDR"];
        let environment: Variables = ["METRICS_PROT", "METRICS_PORT_FILE", "METRICS_TLS_CERT", "PATH"]
            .into_iter()
            .chain(links)
            .map(|name| (name.to_owned(), "x".to_owned()))
            .collect();
        let layers = Layers::new(&Variables::new(), &environment, &env_file(one("METRICS_TYPO", "")));
        assert_eq!(layers.unknown(), ["METRICS_PROT", "METRICS_TLS_CERT", "METRICS_TYPO"]);
    }
}
