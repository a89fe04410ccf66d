//! The upstreams of proxy mode and the credentials for them. `sources::proxy` sends the requests.

use std::path::PathBuf;
use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};

use crate::base::endpoint::Endpoint;
use crate::platform::facts::Component;
use crate::settings::{FromSetting, Setting, Settings, setting};
use crate::tls::client::{self, UpstreamTls};
use crate::tls::file_error::lines;

const INGRESS_URL: &Setting = setting("METRICS_INGRESS_BASE_URL");
const PROC_URL: &Setting = setting("METRICS_PROC_BASE_URL");
const HEADER_NAME: &Setting = setting("METRICS_AUTH_HEADER_NAME");
const HEADER_VALUE: &Setting = setting("METRICS_AUTH_HEADER_VALUE");
const HEADERS: &Setting = setting("METRICS_HEADERS_JSON");
const CA_FILE: &Setting = setting("METRICS_PROXY_CA_FILE");
const CERT_FILE: &Setting = setting("METRICS_PROXY_CLIENT_CERT_FILE");
const KEY_FILE: &Setting = setting("METRICS_PROXY_CLIENT_KEY_FILE");

/// The upstreams, and what every request to them carries.
#[derive(Debug, Clone)]
pub struct ProxyConfig {
    pub ingress: Option<Endpoint>,
    pub proc: Option<Endpoint>,
    pub auth: Option<AuthHeader>,
    /// More headers; their values may be secrets and do not print.
    pub headers: HeaderMap,
    pub tls: UpstreamTls,
    /// Timeout of one request.
    pub timeout: Duration,
}

impl ProxyConfig {
    /// Reads the settings of proxy mode. `None` if anything is wrong; errors are recorded.
    pub fn read(settings: &mut Settings, timeout: Option<Duration>) -> Option<Self> {
        let ingress = endpoint(settings, INGRESS_URL);
        let proc = endpoint(settings, PROC_URL);
        if matches!((&ingress, &proc), (Some(None), Some(None))) {
            settings.error(
                "METRICS_INGRESS_BASE_URL and METRICS_PROC_BASE_URL are not set, and proxy mode needs one of them; \
                 accepted: an http:// or https:// URL each",
            );
        }
        let auth = auth(settings);
        let headers = headers(settings);
        let tls = tls(settings);
        Some(Self { ingress: ingress?, proc: proc?, auth: auth?, headers: headers?, tls: tls?, timeout: timeout? })
    }

    /// The upstream of a component.
    #[must_use]
    pub const fn endpoint(&self, component: Component) -> Option<&Endpoint> {
        match component {
            Component::Ingress => self.ingress.as_ref(),
            Component::Proc => self.proc.as_ref(),
        }
    }

    /// The variable with the upstream of a component.
    #[must_use]
    pub const fn variable(component: Component) -> &'static str {
        match component {
            Component::Ingress => INGRESS_URL.variable(),
            Component::Proc => PROC_URL.variable(),
        }
    }
}

/// The header that authenticates requests to upstreams.
#[derive(Debug, Clone)]
pub struct AuthHeader {
    pub name: HeaderName,
    pub value: AuthValue,
}

/// A header value. One from a file is read again for every request.
#[derive(Debug, Clone)]
pub enum AuthValue {
    Fixed(SecretString),
    File(PathBuf),
}

/// `Some(None)`: not configured.
fn endpoint(settings: &mut Settings, setting: &'static Setting) -> Option<Option<Endpoint>> {
    let Some(text) = settings.secret(setting) else { return Some(None) };
    Endpoint::parse(text.expose_secret()).map(Some).map_err(|problem| settings.reject(setting, problem)).ok()
}

fn auth(settings: &mut Settings) -> Option<Option<AuthHeader>> {
    let name = settings.get::<HeaderName>(HEADER_NAME)?;
    let Some(value) = settings.secret(HEADER_VALUE) else { return Some(None) };
    if header_value(value.expose_secret()).is_err() {
        settings.reject(HEADER_VALUE, ILLEGAL_VALUE);
        return None;
    }
    let value = settings.file_of(HEADER_VALUE).map_or(AuthValue::Fixed(value), AuthValue::File);
    Some(Some(AuthHeader { name, value }))
}

const ILLEGAL_VALUE: &str = "cannot be the value of a header: only visible characters and spaces on one line are legal";

/// A header value that debug output does not show.
///
/// # Errors
/// It has characters that are illegal in headers.
pub fn header_value(text: &str) -> Result<HeaderValue, reqwest::header::InvalidHeaderValue> {
    let mut value = HeaderValue::from_str(text.trim())?;
    value.set_sensitive(true);
    Ok(value)
}

fn headers(settings: &mut Settings) -> Option<HeaderMap> {
    let Some(text) = settings.secret(HEADERS) else { return Some(HeaderMap::new()) };
    parse_headers(text.expose_secret()).map_err(|problem| settings.reject(HEADERS, &problem)).ok()
}

/// Problems name the header, never its value. A null means no header, as in earlier versions of the service.
pub(crate) fn parse_headers(text: &str) -> Result<HeaderMap, String> {
    let fields: Map<String, Value> = serde_json::from_str(text).map_err(|_| "is not a JSON object".to_owned())?;
    let mut headers = HeaderMap::new();
    for (name, value) in &fields {
        let header = HeaderName::from_setting(name).map_err(|_| format!("{name:?} is not the name of a header"))?;
        let text = match value {
            Value::Null => continue,
            Value::String(text) => text.clone(),
            Value::Bool(_) | Value::Number(_) => value.to_string(),
            Value::Array(_) | Value::Object(_) => return Err(format!("the value of {name:?} is not text")),
        };
        let value = header_value(&text).map_err(|_| format!("the value of {name:?} {ILLEGAL_VALUE}"))?;
        headers.insert(header, value);
    }
    Ok(headers)
}

fn tls(settings: &mut Settings) -> Option<UpstreamTls> {
    let authorities = settings.text(CA_FILE).map(PathBuf::from);
    let certificate = settings.text(CERT_FILE).map(PathBuf::from);
    let key = settings.text(KEY_FILE).map(PathBuf::from);
    if certificate.is_some() != key.is_some() {
        settings.error(
            "METRICS_PROXY_CLIENT_CERT_FILE and METRICS_PROXY_CLIENT_KEY_FILE belong together; accepted: both or neither",
        );
        return None;
    }
    let files = UpstreamTls { authorities, identity: certificate.zip(key) };
    // Loaded once here, so that unusable files stop the start together with all other errors.
    if files != UpstreamTls::default() {
        let files_of = &[CA_FILE, CERT_FILE, KEY_FILE];
        settings.ok_or_record(client::build(&files, reqwest::Client::builder()).map_err(lines), files_of)?;
    }
    Some(files)
}

impl FromSetting for HeaderName {
    fn from_setting(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| "is not the name of a header".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROC: (&str, &str) = ("METRICS_PROC_BASE_URL", "http://proc:8000");

    fn read_all(variables: &[(&str, &str)]) -> (Option<ProxyConfig>, Vec<String>) {
        let mut settings = Settings::from_environment(variables.iter().copied());
        let config = ProxyConfig::read(&mut settings, Some(Duration::from_secs(1)));
        (config, settings.into_errors().into_iter().map(|error| error.to_string()).collect())
    }

    #[test]
    fn one_upstream_is_enough() {
        let (config, problems) = read_all(&[PROC]);
        let config = config.unwrap_or_else(|| panic!("{problems:?}"));
        assert!(config.ingress.is_none() && config.auth.is_none() && config.headers.is_empty());
        assert!(read_all(&[]).1[0].contains("METRICS_INGRESS_BASE_URL and METRICS_PROC_BASE_URL"));
    }

    #[test]
    fn secrets_do_not_print() {
        let (config, problems) = read_all(&[
            ("METRICS_INGRESS_BASE_URL", "https://me:hunter2@ingress"),
            ("METRICS_AUTH_HEADER_VALUE", "Bearer hunter2"),
            ("METRICS_HEADERS_JSON", r#"{"X-Key": "hunter2"}"#),
        ]);
        let config = config.unwrap_or_else(|| panic!("{problems:?}"));
        assert_eq!(config.auth.as_ref().map(|auth| auth.name.as_str()), Some("authorization"));
        assert_eq!(config.headers["x-key"], "hunter2");
        assert!(!format!("{config:?}").contains("hunter2"), "{config:?}");
    }

    #[test]
    fn the_file_of_a_header_value_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        std::fs::write(&path, "Bearer hunter2\n").unwrap();
        let (config, problems) = read_all(&[PROC, ("METRICS_AUTH_HEADER_VALUE_FILE", path.to_str().unwrap())]);
        let value = config.unwrap_or_else(|| panic!("{problems:?}")).auth.unwrap().value;
        assert!(matches!(value, AuthValue::File(file) if file == path));
    }

    #[test]
    fn errors_do_not_show_secrets() {
        for (variable, value, problem) in [
            ("METRICS_PROC_BASE_URL", "proc:hunter2", "is not the URL of an HTTP server"),
            ("METRICS_AUTH_HEADER_NAME", "X Key", "is not the name of a header"),
            ("METRICS_AUTH_HEADER_VALUE", "hunter2\nx: y", "cannot be the value"),
            ("METRICS_HEADERS_JSON", "[\"hunter2\"]", "is not a JSON object"),
            ("METRICS_HEADERS_JSON", r#"{"X-Key": ["hunter2"]}"#, "\"X-Key\" is not text"),
            ("METRICS_HEADERS_JSON", r#"{"X-Key": "hunter2\n", "X-Shard": 3, "X-None": null}"#, ""),
            ("METRICS_HEADERS_JSON", r#"{"X-Key": "hunter2\u0000"}"#, "\"X-Key\" cannot be"),
            ("METRICS_PROXY_CLIENT_KEY_FILE", "/key", "both or neither"),
        ] {
            let (config, problems) = read_all(&[PROC, (variable, value)]);
            assert_eq!(config.is_some() && problems.is_empty(), problem.is_empty(), "{variable} {value}: {problems:?}");
            let all = problems.join("\n");
            assert!(all.contains(problem) && !all.contains("hunter2"), "{variable}: {all}");
        }
    }

    #[test]
    fn files_are_loaded_and_each_problem_names_its_variable() {
        const CA: (&str, &str) = ("METRICS_PROXY_CA_FILE", "/nowhere/ca.pem");
        const CERTIFICATE: (&str, &str) = ("METRICS_PROXY_CLIENT_CERT_FILE", "/nowhere/client.pem");
        const KEY: (&str, &str) = ("METRICS_PROXY_CLIENT_KEY_FILE", "/nowhere/client.key");
        let (config, problems) = read_all(&[PROC, CA, CERTIFICATE, KEY]);
        assert!(config.is_none());
        for ((variable, _), problem) in [CA, CERTIFICATE, KEY].iter().zip(&problems) {
            assert!(problem.starts_with(variable) && problem.contains("accepted"), "{problem}");
        }
        assert_eq!(problems.len(), 3, "{problems:?}");
    }
}
