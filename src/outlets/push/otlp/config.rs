//! Settings of the OTLP sink: its own, and where one is not set OpenTelemetry's standard variable.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use reqwest::header::HeaderMap;
use secrecy::{ExposeSecret, SecretString};

use crate::base::endpoint::Endpoint;
use crate::base::percent;
use crate::settings::{FromSetting, SecondsOrZero, Setting, Settings, setting};
use crate::sources::proxy::config::parse_headers;
use crate::tls::client;

pub(super) const ENABLED: &Setting = setting("METRICS_EXPORT_OTLP");
const ENDPOINT: &Setting = setting("METRICS_OTLP_ENDPOINT");
const STANDARD_ENDPOINT: &Setting = setting("OTEL_EXPORTER_OTLP_ENDPOINT");
const PROTOCOL: &Setting = setting("METRICS_OTLP_PROTOCOL");
const STANDARD_PROTOCOL: &Setting = setting("OTEL_EXPORTER_OTLP_PROTOCOL");
const COMPRESSION: &Setting = setting("METRICS_OTLP_COMPRESSION");
const STANDARD_COMPRESSION: &Setting = setting("OTEL_EXPORTER_OTLP_COMPRESSION");
const CA_FILE: &Setting = setting("METRICS_OTLP_CA_FILE");
const STANDARD_CA_FILE: &Setting = setting("OTEL_EXPORTER_OTLP_CERTIFICATE");
const HEADERS: &Setting = setting("METRICS_OTLP_HEADERS_JSON");
const STANDARD_HEADERS: &Setting = setting("OTEL_EXPORTER_OTLP_HEADERS");
const TIMEOUT: &Setting = setting("METRICS_OTLP_TIMEOUT_SEC");
const STANDARD_TIMEOUT: &Setting = setting("OTEL_EXPORTER_OTLP_TIMEOUT");
const INSECURE: &Setting = setting("METRICS_OTLP_INSECURE");
const ATTRIBUTES: &Setting = setting("METRICS_OTLP_RESOURCE_ATTRIBUTES_JSON");
const STANDARD_ATTRIBUTES: &Setting = setting("OTEL_RESOURCE_ATTRIBUTES");
const SPOOL: &Setting = setting("METRICS_OTLP_SPOOL_SEC");

/// The standard's.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);

/// The error of a build without the cargo feature.
pub(super) const NOT_BUILT: &str = "METRICS_EXPORT_OTLP \"1\": this build has no OTLP; accepted: 0, or a build with the \
                                    cargo feature `otlp`";

/// What is pushed to, and how.
#[derive(Debug, Clone)]
pub struct OtlpConfig {
    pub protocol: Protocol,
    pub endpoint: Endpoint,
    /// Sent with every request; their values do not print.
    pub headers: HeaderMap,
    pub timeout: Duration,
    pub gzip: bool,
    /// The authorities of its certificate, instead of the system's, and the setting that names the file.
    pub authorities: Option<(&'static str, PathBuf)>,
    /// Besides those that say whose numbers these are.
    pub attributes: BTreeMap<String, String>,
    /// How long undelivered points are kept; zero keeps none.
    pub spool: Duration,
}

/// How messages are carried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    Grpc,
    Http,
}

impl FromSetting for Protocol {
    fn from_setting(text: &str) -> Result<Self, String> {
        match text {
            "grpc" => Ok(Self::Grpc),
            "http/protobuf" => Ok(Self::Http),
            _ => Err("is not a protocol".to_owned()),
        }
    }
}

impl Protocol {
    const fn default_endpoint(self) -> &'static str {
        match self {
            Self::Grpc => "http://localhost:4317",
            Self::Http => "http://localhost:4318",
        }
    }
}

/// A setting of this server and the standard's of the same meaning.
type Pair = [&'static Setting; 2];

/// The first of the two that is set, with its text.
fn first(settings: &mut Settings, pair: Pair) -> Option<(&'static Setting, String)> {
    pair.into_iter().find_map(|setting| Some((setting, settings.text(setting)?)))
}

/// Reads and validates all settings of OTLP. The standard's variables are shared with other programs: an invalid one is an
/// error only where it is needed. `None` if the sink is disabled or a setting is invalid.
pub fn read(settings: &mut Settings) -> Option<OtlpConfig> {
    let enabled = settings.get(ENABLED)?;
    if enabled && !cfg!(feature = "otlp") {
        settings.error(NOT_BUILT);
    }
    let spool = settings.get::<SecondsOrZero>(SPOOL);
    let insecure = settings.get::<bool>(INSECURE);
    let own = json_attributes(settings);
    if !enabled {
        return None;
    }
    let protocol = protocol(settings);
    let endpoint = endpoint(settings, protocol.unwrap_or(Protocol::Grpc), insecure.unwrap_or(false));
    let headers = headers(settings);
    let (timeout, gzip) = (timeout(settings), gzip(settings));
    let authorities = authorities(settings);
    let mut attributes = standard_attributes(settings);
    attributes.extend(own?);
    Some(OtlpConfig {
        protocol: protocol?,
        endpoint: endpoint?,
        headers: headers?,
        timeout: timeout?,
        gzip: gzip?,
        authorities: authorities?,
        attributes,
        spool: spool?.0,
    })
}

fn protocol(settings: &mut Settings) -> Option<Protocol> {
    let Some((setting, text)) = first(settings, [PROTOCOL, STANDARD_PROTOCOL]) else { return Some(Protocol::Grpc) };
    Protocol::from_setting(&text).map_err(|problem| settings.reject(setting, &problem)).ok()
}

/// Without a scheme it is `https://`, unless that is switched off.
fn endpoint(settings: &mut Settings, protocol: Protocol, insecure: bool) -> Option<Endpoint> {
    let mut given =
        [ENDPOINT, STANDARD_ENDPOINT].into_iter().filter_map(|setting| Some((setting, settings.secret(setting)?)));
    let Some((setting, url)) = given.next() else { return Endpoint::parse(protocol.default_endpoint()).ok() };
    let url = url.expose_secret().trim();
    let scheme = if insecure { "http" } else { "https" };
    let full = if url.contains("://") { url.to_owned() } else { format!("{scheme}://{url}") };
    Endpoint::parse(&full).map_err(|problem| settings.reject(setting, problem)).ok()
}

fn headers(settings: &mut Settings) -> Option<HeaderMap> {
    if let Some(text) = settings.secret(HEADERS) {
        return parse_headers(text.expose_secret()).map_err(|problem| settings.reject(HEADERS, &problem)).ok();
    }
    let Some(text) = settings.secret(STANDARD_HEADERS) else { return Some(HeaderMap::new()) };
    let parsed = pairs(text.expose_secret()).and_then(|pairs| {
        let json = serde_json::to_string(&pairs).map(SecretString::from).map_err(|error| error.to_string())?;
        parse_headers(json.expose_secret())
    });
    parsed.map_err(|problem| settings.reject(STANDARD_HEADERS, &problem)).ok()
}

fn timeout(settings: &mut Settings) -> Option<Duration> {
    if settings.text(TIMEOUT).is_some() {
        return settings.get(TIMEOUT);
    }
    let Some(text) = settings.text(STANDARD_TIMEOUT) else { return Some(DEFAULT_TIMEOUT) };
    match text.parse::<u32>() {
        Ok(milliseconds) if milliseconds > 0 => Some(Duration::from_millis(milliseconds.into())),
        _ => {
            settings.reject(STANDARD_TIMEOUT, "is not a number of milliseconds");
            None
        }
    }
}

fn gzip(settings: &mut Settings) -> Option<bool> {
    let Some((setting, text)) = first(settings, [COMPRESSION, STANDARD_COMPRESSION]) else { return Some(true) };
    match text.as_str() {
        "gzip" => Some(true),
        "none" => Some(false),
        _ => {
            settings.reject(setting, "is not a compression");
            None
        }
    }
}

/// The CA file, loaded once here, so that an unusable one stops the start together with all other errors.
fn authorities(settings: &mut Settings) -> Option<Option<(&'static str, PathBuf)>> {
    let Some((setting, path)) = first(settings, [CA_FILE, STANDARD_CA_FILE]) else { return Some(None) };
    let path = PathBuf::from(path);
    let built = client::build_trusting(setting.variable(), Some(&path), reqwest::Client::builder());
    settings.ok_or_record(built.map_err(|error| vec![error.to_string()]), &[setting])?;
    Some(Some((setting.variable(), path)))
}

fn json_attributes(settings: &mut Settings) -> Option<BTreeMap<String, String>> {
    let Some(text) = settings.text(ATTRIBUTES) else { return Some(BTreeMap::new()) };
    let parsed = serde_json::from_str(&text).map_err(|_| "is not a JSON object of strings");
    parsed.map_err(|problem| settings.reject(ATTRIBUTES, problem)).ok()
}

fn standard_attributes(settings: &mut Settings) -> BTreeMap<String, String> {
    let text = settings.text(STANDARD_ATTRIBUTES).unwrap_or_default();
    pairs(&text).map_err(|problem| settings.reject(STANDARD_ATTRIBUTES, &problem)).unwrap_or_default()
}

/// `key1=value1,key2=value2`, percent-encoded, as the standard has it.
fn pairs(text: &str) -> Result<BTreeMap<String, String>, String> {
    let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
    let pair = |entry: &str| {
        let (key, value) = entry.split_once('=').filter(|(key, _)| !key.trim().is_empty())?;
        Some((percent::decode(key.trim()), percent::decode(value.trim())))
    };
    entries.map(|entry| pair(entry).ok_or_else(|| "is not a list of key=value".to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ON: (&str, &str) = ("METRICS_EXPORT_OTLP", "1");

    fn read_all(variables: &[(&str, &str)]) -> (Option<OtlpConfig>, Vec<String>) {
        let mut settings = Settings::from_environment(variables.iter().copied());
        let config = read(&mut settings);
        (config, settings.into_errors().into_iter().map(|error| error.to_string()).collect())
    }

    #[cfg(feature = "otlp")]
    fn good(variables: &[(&str, &str)]) -> OtlpConfig {
        let (config, errors) = read_all(&[&[ON], variables].concat());
        config.unwrap_or_else(|| panic!("{errors:?}"))
    }

    #[test]
    #[cfg(feature = "otlp")]
    fn the_defaults_are_the_standards_with_gzip() {
        let config = good(&[]);
        assert_eq!((config.protocol, config.endpoint.url.as_str()), (Protocol::Grpc, "http://localhost:4317/"));
        assert!(config.gzip && config.headers.is_empty() && config.timeout == DEFAULT_TIMEOUT);
        let http = good(&[("METRICS_OTLP_PROTOCOL", "http/protobuf")]);
        assert_eq!((http.protocol, http.endpoint.url.as_str()), (Protocol::Http, "http://localhost:4318/"));
    }

    #[test]
    #[cfg(feature = "otlp")]
    fn the_standards_variables_count_where_ours_are_not_set() {
        let standard = [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://collector:1"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "api-key=a%20b, x=hunter2"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "1500"),
            ("OTEL_EXPORTER_OTLP_COMPRESSION", "none"),
            ("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=prod,team=a"),
        ];
        let config = good(&standard);
        assert_eq!((config.protocol, config.endpoint.url.as_str()), (Protocol::Http, "https://collector:1/"));
        assert_eq!((config.headers["api-key"].to_str().unwrap(), config.gzip), ("a b", false));
        assert_eq!((config.timeout, config.attributes["team"].as_str()), (Duration::from_millis(1500), "a"));
        assert!(!format!("{config:?}").contains("hunter2"));
        let ours = [
            ("METRICS_OTLP_ENDPOINT", "other:2"),
            ("METRICS_OTLP_PROTOCOL", "grpc"),
            ("METRICS_OTLP_HEADERS_JSON", "{\"k\": \"v\"}"),
            ("METRICS_OTLP_TIMEOUT_SEC", "2"),
            ("METRICS_OTLP_COMPRESSION", "gzip"),
            ("METRICS_OTLP_RESOURCE_ATTRIBUTES_JSON", "{\"team\": \"b\"}"),
        ];
        let config = good(&[&standard[..], &ours].concat());
        assert_eq!((config.protocol, config.endpoint.url.as_str()), (Protocol::Grpc, "https://other:2/"));
        assert_eq!((config.headers.len(), config.gzip, config.timeout), (1, true, Duration::from_secs(2)));
        assert_eq!(config.attributes.len(), 2, "attributes are joined");
        assert_eq!(config.attributes["team"], "b");
        let insecure = good(&[("METRICS_OTLP_ENDPOINT", "other:2"), ("METRICS_OTLP_INSECURE", "1")]);
        assert_eq!(insecure.endpoint.url.as_str(), "http://other:2/");
    }

    #[test]
    fn every_error_names_its_setting_and_no_secret() {
        for (variable, value) in [
            ("METRICS_OTLP_ENDPOINT", "ftp://me:hunter2@x"),
            ("METRICS_OTLP_PROTOCOL", "http/json"),
            ("METRICS_OTLP_HEADERS_JSON", "[\"hunter2\"]"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "hunter2"),
            ("METRICS_OTLP_TIMEOUT_SEC", "0"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "soon"),
            ("METRICS_OTLP_COMPRESSION", "zip"),
            ("METRICS_OTLP_CA_FILE", "/nowhere"),
            ("METRICS_OTLP_RESOURCE_ATTRIBUTES_JSON", "[]"),
            ("OTEL_RESOURCE_ATTRIBUTES", "x"),
            ("METRICS_OTLP_SPOOL_SEC", "-1"),
        ] {
            let (_, errors) = read_all(&[ON, (variable, value)]);
            assert!(errors.iter().any(|error| error.starts_with(variable)), "{variable}: {errors:?}");
            assert!(!errors.concat().contains("hunter2"), "{errors:?}");
        }
    }

    #[test]
    fn what_other_programs_share_is_no_error_of_a_disabled_sink() {
        let (config, errors) = read_all(&[("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json")]);
        assert!(config.is_none() && errors.is_empty(), "{errors:?}");
    }
}
