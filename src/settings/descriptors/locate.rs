//! Where the descriptor files are, by the platform's own environment variables.

use std::path::PathBuf;

use url::Url;

use crate::settings::{Setting, setting};

const DIRECTORY: &Setting = setting("PLATFORM_DESCRIPTORS_DIR");
const ASSEMBLY: &Setting = setting("ASSEMBLY_YAML_DESCRIPTOR_PATH");
const SECRETS: &Setting = setting("GLOBAL_SECRETS_YAML");
const BUNDLES: &Setting = setting("BUNDLES_YAML_DESCRIPTOR_PATH");
const BUNDLE_SECRETS: &Setting = setting("BUNDLE_SECRETS_YAML");
const GATEWAY: &Setting = setting("GATEWAY_YAML_PATH");

/// Variables that name a file in the directory of descriptors. Without [`DIRECTORY`] the first one that is set gives
/// the directory.
const NEIGHBOURS: [&Setting; 4] = [ASSEMBLY, BUNDLES, SECRETS, BUNDLE_SECRETS];

/// Where deployments mount the descriptors that name no directory at all.
const DEFAULT_DIRECTORY: &str = "/config";

/// The path of one file, and the setting that gave it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Location {
    pub(super) path: PathBuf,
    pub(super) named_by: &'static Setting,
}

/// The paths of all files, whether they exist or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Locations {
    pub(super) assembly: PathBuf,
    pub(super) secrets: PathBuf,
    /// Has no default: a gateway configuration usually comes from the environment.
    pub(super) gateway: Option<Location>,
    /// Whether a setting names the directory or a file in it.
    pub(super) is_named: bool,
}

/// Finds the files; `lookup` gives the value of an environment variable.
pub(super) fn locate(lookup: &impl Fn(&str) -> Option<String>) -> Locations {
    let directory = directory(lookup);
    let mounted = directory.as_ref().map_or_else(|| PathBuf::from(DEFAULT_DIRECTORY), |found| found.path.clone());
    let file = |variable, name| named_path(lookup, variable).unwrap_or_else(|| mounted.join(name));
    let explicit_gateway = named_path(lookup, GATEWAY).map(|path| Location { path, named_by: GATEWAY });
    Locations {
        is_named: directory.is_some(),
        assembly: file(ASSEMBLY, "assembly.yaml"),
        secrets: file(SECRETS, "secrets.yaml"),
        gateway: explicit_gateway.or_else(|| directory.map(gateway_in)),
    }
}

fn gateway_in(directory: Location) -> Location {
    Location { path: directory.path.join("gateway.yaml"), ..directory }
}

fn directory(lookup: &impl Fn(&str) -> Option<String>) -> Option<Location> {
    let given = named_path(lookup, DIRECTORY).map(|path| Location { path, named_by: DIRECTORY });
    given.or_else(|| NEIGHBOURS.into_iter().find_map(|variable| parent_of(lookup, variable)))
}

fn parent_of(lookup: &impl Fn(&str) -> Option<String>, variable: &'static Setting) -> Option<Location> {
    let path = named_path(lookup, variable)?.parent()?.to_owned();
    Some(Location { path, named_by: variable })
}

/// The path that a variable holds. Some deployments put the document itself, as JSON, where the path belongs.
fn named_path(lookup: &impl Fn(&str) -> Option<String>, variable: &Setting) -> Option<PathBuf> {
    let value = lookup(variable.variable())?;
    let value = value.trim();
    if value.is_empty() || value.starts_with(['{', '[']) {
        return None;
    }
    Some(from_url(value).or_else(|| in_home(value, lookup)).unwrap_or_else(|| PathBuf::from(value)))
}

/// The path of a `file://` URL. One whose first segment would be a host is a relative path, as the platform reads it.
fn from_url(value: &str) -> Option<PathBuf> {
    let rest = value.strip_prefix("file://")?;
    let path = Url::parse(value).ok().and_then(|url| url.to_file_path().ok());
    Some(path.unwrap_or_else(|| PathBuf::from(rest)))
}

fn in_home(value: &str, lookup: &impl Fn(&str) -> Option<String>) -> Option<PathBuf> {
    let rest = value.strip_prefix("~/")?;
    Some(PathBuf::from(lookup("HOME")?).join(rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn located(variables: &[(&str, &str)]) -> [String; 3] {
        let lookup =
            |name: &str| variables.iter().find(|(variable, _)| *variable == name).map(|(_, value)| (*value).to_owned());
        let found = locate(&lookup);
        let gateway =
            found.gateway.map_or_else(String::new, |found| format!("{:?} {}", found.path, found.named_by.variable()));
        [found.assembly.display().to_string(), found.secrets.display().to_string(), gateway]
    }

    type Variables = &'static [(&'static str, &'static str)];

    /// Variables, and where the three files are then: the last with what named it.
    const FOUND: [(Variables, [&str; 3]); 8] = [
        (&[], ["/config/assembly.yaml", "/config/secrets.yaml", ""]),
        (
            &[("PLATFORM_DESCRIPTORS_DIR", " /d ")],
            ["/d/assembly.yaml", "/d/secrets.yaml", "\"/d/gateway.yaml\" PLATFORM_DESCRIPTORS_DIR"],
        ),
        (
            &[("PLATFORM_DESCRIPTORS_DIR", "  "), ("BUNDLES_YAML_DESCRIPTOR_PATH", "/c/bundles.yaml")],
            ["/c/assembly.yaml", "/c/secrets.yaml", "\"/c/gateway.yaml\" BUNDLES_YAML_DESCRIPTOR_PATH"],
        ),
        (
            &[("GLOBAL_SECRETS_YAML", "file:///run/my%20secrets/s.yaml"), ("GATEWAY_YAML_PATH", "/g/own.yaml")],
            ["/run/my secrets/assembly.yaml", "/run/my secrets/s.yaml", "\"/g/own.yaml\" GATEWAY_YAML_PATH"],
        ),
        (
            &[("GLOBAL_SECRETS_YAML", "{\"a\": 1}"), ("BUNDLE_SECRETS_YAML", " [1]")],
            ["/config/assembly.yaml", "/config/secrets.yaml", ""],
        ),
        (
            &[("ASSEMBLY_YAML_DESCRIPTOR_PATH", "/a/one.yaml"), ("PLATFORM_DESCRIPTORS_DIR", "/d")],
            ["/a/one.yaml", "/d/secrets.yaml", "\"/d/gateway.yaml\" PLATFORM_DESCRIPTORS_DIR"],
        ),
        (
            &[("PLATFORM_DESCRIPTORS_DIR", "~/kdcube"), ("HOME", "/home/appuser")],
            [
                "/home/appuser/kdcube/assembly.yaml",
                "/home/appuser/kdcube/secrets.yaml",
                "\"/home/appuser/kdcube/gateway.yaml\" PLATFORM_DESCRIPTORS_DIR",
            ],
        ),
        (
            &[("PLATFORM_DESCRIPTORS_DIR", "file://etc/kdcube")],
            [
                "etc/kdcube/assembly.yaml",
                "etc/kdcube/secrets.yaml",
                "\"etc/kdcube/gateway.yaml\" PLATFORM_DESCRIPTORS_DIR",
            ],
        ),
    ];

    #[test]
    fn files_are_found_as_the_platform_finds_them() {
        for (variables, expected) in FOUND {
            assert_eq!(located(variables), expected, "{variables:?}");
        }
    }

    #[test]
    fn the_first_file_that_is_named_gives_the_directory() {
        let all = [
            ("ASSEMBLY_YAML_DESCRIPTOR_PATH", "/1/a"),
            ("BUNDLES_YAML_DESCRIPTOR_PATH", "/2/b"),
            ("GLOBAL_SECRETS_YAML", "/3/c"),
            ("BUNDLE_SECRETS_YAML", "/4/d"),
        ];
        for first in 0..all.len() {
            let [_, _, gateway] = located(&all[first..]);
            assert_eq!(gateway, format!("\"/{}/gateway.yaml\" {}", first + 1, all[first].0));
        }
    }
}
