//! Settings of the Pushgateway sink: which server, and which group of it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::PathBuf;

use secrecy::ExposeSecret;

use crate::base::endpoint::Endpoint;
use crate::catalog;
use crate::settings::{FromSetting, Setting, Settings, setting};
use crate::tls::client;

pub(super) const ENABLED: &Setting = setting("METRICS_EXPORT_PROMETHEUS_PUSH");
const URL: &Setting = setting("METRICS_PROM_PUSHGATEWAY_URL");
pub(super) const CA_FILE: &Setting = setting("METRICS_PROM_PUSHGATEWAY_CA_FILE");
const JOB: &Setting = setting("METRICS_PROM_JOB_NAME");
const LABELS: &Setting = setting("METRICS_PROM_GROUPING_LABELS_JSON");
const DELETE_ON_SHUTDOWN: &Setting = setting("METRICS_PROM_PUSH_DELETE_ON_SHUTDOWN");

/// A Pushgateway and the group that is replaced with every push.
#[derive(Debug, Clone)]
pub struct PushgatewayConfig {
    pub endpoint: Endpoint,
    /// The authorities of its certificate, instead of the system's.
    pub authorities: Option<PathBuf>,
    pub job: String,
    pub labels: GroupingLabels,
    pub delete_on_shutdown: bool,
}

/// Labels of the group besides `job`, in order of their names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GroupingLabels(pub BTreeMap<String, String>);

/// Reads and validates all settings of the Pushgateway, also of a disabled sink; `None` if it is disabled or a setting is
/// invalid.
pub fn read(settings: &mut Settings) -> Option<PushgatewayConfig> {
    let enabled = settings.get(ENABLED)?;
    let endpoint = settings.secret(URL).map(|url| Endpoint::parse(&with_scheme(url.expose_secret().trim())));
    let authorities = read_authorities(settings);
    let labels = settings.get(LABELS);
    let delete_on_shutdown = settings.get(DELETE_ON_SHUTDOWN)?;
    let job = settings.text(JOB)?;
    match endpoint {
        Some(Ok(endpoint)) if enabled => {
            let labels = labels.unwrap_or_default();
            Some(PushgatewayConfig { endpoint, authorities, job, labels, delete_on_shutdown })
        }
        Some(Err(error)) => {
            settings.reject(URL, error);
            None
        }
        None if enabled => {
            settings.error("METRICS_PROM_PUSHGATEWAY_URL is not set, and METRICS_EXPORT_PROMETHEUS_PUSH=1 needs it");
            None
        }
        _ => None,
    }
}

/// The CA file, loaded once here, so that an unusable one stops the start together with all other errors.
fn read_authorities(settings: &mut Settings) -> Option<PathBuf> {
    let path = PathBuf::from(settings.text(CA_FILE)?);
    let built = client::build_trusting(CA_FILE.variable(), Some(&path), reqwest::Client::builder());
    settings.ok_or_record(built.map_err(|error| vec![error.to_string()]), &[CA_FILE])?;
    Some(path)
}

/// The address with `http://` where it has no scheme, as the platform's own client of the Pushgateway reads it.
fn with_scheme(address: &str) -> Cow<'_, str> {
    if address.is_empty() || address.contains("://") { address.into() } else { format!("http://{address}").into() }
}

impl FromSetting for GroupingLabels {
    fn from_setting(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Ok(Self::default());
        }
        let labels: BTreeMap<String, String> =
            serde_json::from_str(text).map_err(|_| "is not a JSON object of strings".to_owned())?;
        if let Some(name) = labels.keys().find(|name| is_taken(name)) {
            return Err(format!("has {name:?}, which is a label of the pushed metrics: the group's would replace it"));
        }
        match labels.keys().find(|name| !is_label_name(name)) {
            Some(name) => Err(format!("has {name:?}, which is not a label name")),
            None if labels.contains_key("job") => Err("has \"job\", which METRICS_PROM_JOB_NAME sets".to_owned()),
            None => Ok(Self(labels)),
        }
    }
}

/// Whether a pushed metric has this label. The group's would replace it, and distinct series would collide.
fn is_taken(name: &str) -> bool {
    catalog::all().flat_map(|metric| metric.labels).any(|label| *label == name)
}

/// `[a-zA-Z_][a-zA-Z0-9_]*`, and not reserved for Prometheus (`__…`).
fn is_label_name(name: &str) -> bool {
    let legal = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    legal && name.starts_with(|c: char| !c.is_ascii_digit()) && !name.starts_with("__")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ON: (&str, &str) = ("METRICS_EXPORT_PROMETHEUS_PUSH", "1");

    fn read_all(variables: &[(&str, &str)]) -> (Option<PushgatewayConfig>, Vec<String>) {
        let mut settings = Settings::from_environment(variables.iter().copied());
        let config = read(&mut settings);
        (config, settings.into_errors().into_iter().map(|error| error.to_string()).collect())
    }

    #[test]
    fn a_url_is_all_that_is_needed() {
        let (config, errors) = read_all(&[ON, ("METRICS_PROM_PUSHGATEWAY_URL", "http://gateway:9091")]);
        let config = config.unwrap_or_else(|| panic!("{errors:?}"));
        assert_eq!((config.endpoint.url.as_str(), config.job.as_str()), ("http://gateway:9091/", "kdcube_metrics"));
    }

    #[test]
    fn an_address_without_a_scheme_is_http() {
        for (address, expected) in [
            ("pushgateway:9091", "http://pushgateway:9091/"),
            (" 10.0.0.1:9091/base ", "http://10.0.0.1:9091/base"),
            ("pushgateway", "http://pushgateway/"),
            ("[::1]:9091", "http://[::1]:9091/"),
            ("https://pushgateway", "https://pushgateway/"),
        ] {
            let config = read_all(&[ON, ("METRICS_PROM_PUSHGATEWAY_URL", address)]).0.unwrap();
            assert_eq!(config.endpoint.url.as_str(), expected);
        }
        let config = read_all(&[ON, ("METRICS_PROM_PUSHGATEWAY_URL", "me:hun%40ter2@gateway:1")]).0.unwrap();
        assert_eq!(config.endpoint.url.as_str(), "http://gateway:1/");
        assert_eq!(config.endpoint.user.unwrap().1.expose_secret(), "hun@ter2");
    }

    #[test]
    fn errors_do_not_quote_the_url() {
        for url in ["hunter2 x", "me:hunter2@:1", "ftp://u:hunter2@x", "http://"] {
            let (config, errors) = read_all(&[ON, ("METRICS_PROM_PUSHGATEWAY_URL", url)]);
            assert!(config.is_none());
            assert!(errors[0].contains("accepted") && !errors[0].contains("hunter2"), "{errors:?}");
        }
        assert!(read_all(&[ON]).1[0].contains("is not set"));
        assert!(read_all(&[]).0.is_none());
    }

    #[test]
    fn a_ca_file_that_cannot_be_used_stops_the_start() {
        let folder = tempfile::tempdir().unwrap();
        let (missing, empty) = (folder.path().join("missing"), folder.path().join("empty"));
        std::fs::write(&empty, "").unwrap();
        for path in [missing, empty] {
            let errors = read_all(&[("METRICS_PROM_PUSHGATEWAY_CA_FILE", path.to_str().unwrap())]).1;
            assert_eq!(errors.len(), 1, "{errors:?}");
            assert!(
                errors[0].starts_with("METRICS_PROM_PUSHGATEWAY_CA_FILE ") && errors[0].contains("accepted"),
                "{errors:?}"
            );
        }
    }

    #[test]
    fn invalid_labels_are_rejected() {
        for (json, error) in [
            (r#"{"1a": "x"}"#, "not a label name"),
            (r#"{"__x": "x"}"#, "not a label name"),
            (r#"{"job": "x"}"#, "METRICS_PROM_JOB_NAME"),
            (r#"{"component": "proc"}"#, "label of the pushed metrics"),
            (r#"{"window": "x"}"#, "label of the pushed metrics"),
            (r#"{"a": 1}"#, "JSON object of strings"),
            ("[", "JSON object of strings"),
        ] {
            assert!(GroupingLabels::from_setting(json).unwrap_err().contains(error), "{json}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in ".{0,200}") {
            let _ = GroupingLabels::from_setting(&text);
        }

        #[test]
        fn exactly_valid_labels_are_accepted(labels in proptest::collection::btree_map("[a-zA-Z0-9_é-]{0,5}", ".{0,8}", 0..5)) {
            let text = serde_json::to_string(&labels).unwrap();
            let legal = |name: &String| {
                let mut letters = name.bytes();
                letters.next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
                    && letters.all(|letter| letter.is_ascii_alphanumeric() || letter == b'_')
                    && !name.starts_with("__")
            };
            let expected = labels.keys().all(|name| legal(name) && name != "job");
            match GroupingLabels::from_setting(&text) {
                Ok(GroupingLabels(read)) => prop_assert!(expected && read == labels, "{text}"),
                Err(error) => prop_assert!(!expected, "{text}: {error}"),
            }
        }
    }
}
