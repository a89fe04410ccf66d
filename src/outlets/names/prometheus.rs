//! Prometheus names: the default ones, which promtool's linter accepts, and those of the platform's own metrics service.

use crate::catalog::Metric;
use crate::settings::FromSetting;

/// What every derived name begins with.
const PREFIX: &str = "kdcube_";

/// Which Prometheus names metrics are exported under: `METRICS_PROM_NAMES`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Naming {
    #[default]
    Default,
    /// The names that the platform's own metrics service exports.
    Platform,
    /// Each series under its default name and, where that differs, under the platform's.
    Both,
}

impl Naming {
    #[cfg(test)]
    pub(super) const ALL: [Self; 3] = [Self::Default, Self::Platform, Self::Both];
}

impl FromSetting for Naming {
    fn from_setting(text: &str) -> Result<Self, String> {
        match text.to_ascii_lowercase().as_str() {
            "default" => Ok(Self::Default),
            "platform" => Ok(Self::Platform),
            "both" => Ok(Self::Both),
            _ => Err("is not a kind of names".to_owned()),
        }
    }
}

/// The Prometheus names of one metric.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PrometheusNames {
    first: String,
    /// Differs from the first.
    second: Option<String>,
}

impl PrometheusNames {
    /// The names of a metric that is not renamed.
    pub(super) fn derived(metric: &Metric, naming: Naming) -> Self {
        Self::choose(naming, prometheus_name(metric), platform_name(metric))
    }

    /// The names of a metric that a mapping renames to `name`.
    pub(super) fn mapped(name: &str, naming: Naming) -> Self {
        Self::choose(naming, legal_start(legal_characters(name), "_"), platform_form(name))
    }

    fn choose(naming: Naming, default: String, platform: String) -> Self {
        match naming {
            Naming::Default => Self { first: default, second: None },
            Naming::Platform => Self { first: platform, second: None },
            Naming::Both => Self { second: (platform != default).then_some(platform), first: default },
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.first.as_str()).chain(self.second.as_deref())
    }
}

/// The default name: `kdcube_` and the key with legal characters; of an own metric, its key. A key's `_ms` is left out,
/// because promtool's linter rejects abbreviated units.
#[must_use]
pub fn prometheus_name(metric: &Metric) -> String {
    if metric.is_own() {
        return metric.key.to_owned();
    }
    let key = metric.key.strip_suffix("_ms").unwrap_or(metric.key);
    format!("{PREFIX}{}", legal_characters(key))
}

/// The name in the platform's own metrics service; of an own metric, its key.
#[must_use]
pub fn platform_name(metric: &Metric) -> String {
    if metric.is_own() { metric.key.to_owned() } else { platform_form(metric.key) }
}

/// The platform's form of a key or a mapped name.
fn platform_form(name: &str) -> String {
    format!("{PREFIX}{}", legal_start(legal_characters(name), "m_"))
}

/// The name with every character outside `[A-Za-z0-9_]` replaced by `_`.
fn legal_characters(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect()
}

/// The name with `prefix` before a leading digit.
fn legal_start(name: String, prefix: &str) -> String {
    if name.starts_with(|c: char| c.is_ascii_digit()) { format!("{prefix}{name}") } else { name }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::catalog::{Kind, all, find, own};

    fn mapped(name: &str, naming: Naming) -> Vec<String> {
        PrometheusNames::mapped(name, naming).iter().map(str::to_owned).collect()
    }

    #[test]
    fn the_setting_is_a_word_in_any_case() {
        for (text, naming) in [("default", Naming::Default), ("Platform", Naming::Platform), ("BOTH", Naming::Both)] {
            assert_eq!(Naming::from_setting(text), Ok(naming));
        }
        for text in ["", "python", "all"] {
            assert_eq!(Naming::from_setting(text), Err("is not a kind of names".to_owned()), "{text}");
        }
    }

    #[test]
    fn mapped_names_are_those_of_the_platforms_service() {
        for (name, default, platform) in [
            ("chat/ingress/sse/saturation", "chat_ingress_sse_saturation", "kdcube_chat_ingress_sse_saturation"),
            ("my.queue-total", "my_queue_total", "kdcube_my_queue_total"),
            ("429s", "_429s", "kdcube_m_429s"),
            ("kdcube_x", "kdcube_x", "kdcube_kdcube_x"),
            (" ", "_", "kdcube__"),
        ] {
            assert_eq!(mapped(name, Naming::Default), [default]);
            assert_eq!(mapped(name, Naming::Platform), [platform]);
            assert_eq!(mapped(name, Naming::Both), [default, platform]);
        }
    }

    #[test]
    fn the_platforms_names_keep_milliseconds_and_differ_in_nothing_else() {
        let derived = |metric| (prometheus_name(metric), platform_name(metric));
        let differing: Vec<_> = all().map(derived).filter(|(default, platform)| default != platform).collect();
        let expected = ["kdcube_proc_queue_wait_p95", "kdcube_proc_exec_p95"];
        assert_eq!(differing, expected.map(|name| (name.to_owned(), format!("{name}_ms"))));
        assert!(own::all().all(|metric| platform_name(metric) == metric.key && prometheus_name(metric) == metric.key));
    }

    #[test]
    fn both_names_are_one_where_they_are_the_same() {
        let names = |key| {
            let names = PrometheusNames::derived(find(key).unwrap(), Naming::Both);
            names.iter().map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(names("proc.queue.total"), ["kdcube_proc_queue_total"]);
        assert_eq!(names("proc.exec.p95"), ["kdcube_proc_exec_p95", "kdcube_proc_exec_p95_ms"]);
    }

    #[test]
    fn names_are_unique_over_the_whole_table_in_every_naming() {
        for naming in Naming::ALL {
            let mut seen = BTreeSet::new();
            let derived = all().map(|metric| PrometheusNames::derived(metric, naming));
            let names: Vec<String> =
                derived.flat_map(|names| names.iter().map(str::to_owned).collect::<Vec<_>>()).collect();
            let own_names = own::all().flat_map(|metric| match metric.kind {
                // The parts of a histogram take names too.
                Kind::Histogram => {
                    ["", "_bucket", "_sum", "_count"].map(|part| format!("{}{part}", metric.key)).to_vec()
                }
                Kind::Gauge | Kind::Counter => vec![metric.key.to_owned()],
            });
            for name in names.into_iter().chain(own_names) {
                assert!(seen.insert(name.clone()), "{name} twice with {naming:?}");
            }
        }
    }

    proptest! {
        #[test]
        fn every_mapped_name_is_legal_and_no_metric_has_one_twice(name in "[ -~]{1,60}") {
            for naming in Naming::ALL {
                let names = mapped(&name, naming);
                prop_assert!(names.len() == 1 || (naming == Naming::Both && names.len() == 2 && names[0] != names[1]));
                for name in names {
                    prop_assert!(name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_'), "{name}");
                    prop_assert!(name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'), "{name}");
                }
            }
        }
    }
}
