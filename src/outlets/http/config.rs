//! The settings of the HTTP server: listen address, tokens and TLS. `access` enforces them.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use secrecy::{ExposeSecret, SecretString};

use crate::settings::{Setting, Settings, setting};
use crate::tls::file_error::lines;
use crate::tls::server::{self, TlsFiles};

const PORT: &Setting = setting("METRICS_PORT");
const BIND: &Setting = setting("METRICS_BIND");
const TLS_CERT_FILE: &Setting = setting("METRICS_TLS_CERT_FILE");
const AUTH_TOKEN: &Setting = setting("METRICS_AUTH_TOKEN");
const TLS_KEY_FILE: &Setting = setting("METRICS_TLS_KEY_FILE");
const TLS_CLIENT_CA_FILE: &Setting = setting("METRICS_TLS_CLIENT_CA_FILE");

/// Which credentials a client needs, and TLS.
#[derive(Debug, Clone, Default)]
pub struct AccessConfig {
    /// Empty = no token is required.
    pub tokens: Vec<SecretString>,
    /// The file that the tokens came from; watched for changes.
    pub token_file: Option<PathBuf>,
    /// `None` = plain HTTP.
    pub tls: Option<TlsFiles>,
}

impl AccessConfig {
    /// Reads tokens and TLS, and loads certificate and key once; errors are recorded.
    pub fn read(settings: &mut Settings) -> Option<Self> {
        let tokens = read_tokens(settings);
        let token_file = settings.file_of(AUTH_TOKEN).filter(|path| path.is_file());
        let tls = read_tls(settings);
        Some(Self { tokens: tokens?, token_file, tls: tls? })
    }

    /// `http` or `https`.
    #[must_use]
    pub const fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }

    /// Whether clients need a certificate.
    #[must_use]
    pub fn needs_certificate(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.client_ca.is_some())
    }

    /// Whether every client that reaches the port may read.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.tokens.is_empty() && !self.needs_certificate()
    }
}

/// Reads the listen address; errors are recorded.
pub fn read_address(settings: &mut Settings) -> Option<SocketAddr> {
    let bind: Option<IpAddr> = settings.get(BIND);
    let port = settings.get(PORT);
    Some(SocketAddr::new(bind?, port?))
}

/// Whether TLS is configured, even if its files are invalid.
pub(crate) fn is_tls_configured(settings: &mut Settings) -> bool {
    settings.text(TLS_CERT_FILE).is_some()
}

/// The tokens of a list; at least one.
///
/// # Errors
/// The problem, without quoting a token.
pub fn tokens(list: &str) -> Result<Vec<SecretString>, String> {
    let tokens: Vec<&str> = list.split([',', '\n', '\r']).map(str::trim).filter(|token| !token.is_empty()).collect();
    if tokens.is_empty() {
        // No tokens would mean that none is needed, the opposite of what was meant.
        return Err("holds no token".to_owned());
    }
    match tokens.iter().position(|token| !token.bytes().all(|byte| byte.is_ascii_graphic())) {
        Some(place) => Err(format!("its token {} holds a character that is illegal in a header", place + 1)),
        None => Ok(tokens.into_iter().map(SecretString::from).collect()),
    }
}

fn read_tokens(settings: &mut Settings) -> Option<Vec<SecretString>> {
    let Some(list) = settings.secret(AUTH_TOKEN) else { return Some(Vec::new()) };
    tokens(list.expose_secret()).map_err(|problem| settings.reject(AUTH_TOKEN, &problem)).ok()
}

/// `Some(None)` = plain HTTP, `None` = something is wrong.
fn read_tls(settings: &mut Settings) -> Option<Option<TlsFiles>> {
    let mut path = |setting: &'static Setting| settings.text(setting).map(PathBuf::from);
    let client_ca = path(TLS_CLIENT_CA_FILE);
    let (certificate, key) = match (path(TLS_CERT_FILE), path(TLS_KEY_FILE)) {
        (Some(certificate), Some(key)) => (certificate, key),
        (None, None) if client_ca.is_none() => return Some(None),
        (certificate, key) => {
            missing(settings, certificate.is_none(), key.is_none());
            return None;
        }
    };
    let files = TlsFiles { certificate, key, client_ca, client_ca_variable: TLS_CLIENT_CA_FILE.variable() };
    let files_of = &[TLS_CERT_FILE, TLS_KEY_FILE, TLS_CLIENT_CA_FILE];
    settings.ok_or_record(server::load(&files).map_err(lines), files_of)?;
    Some(Some(files))
}

/// One error for each variable that the others need.
fn missing(settings: &mut Settings, certificate: bool, key: bool) {
    for (_, setting) in [(certificate, TLS_CERT_FILE), (key, TLS_KEY_FILE)].into_iter().filter(|(absent, _)| *absent) {
        settings.missing(setting, "TLS needs METRICS_TLS_CERT_FILE and METRICS_TLS_KEY_FILE");
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    fn read_all(variables: &[(&str, &str)]) -> Result<AccessConfig, Vec<String>> {
        let mut settings = Settings::from_environment(variables.iter().copied());
        AccessConfig::read(&mut settings)
            .ok_or_else(|| settings.into_errors().into_iter().map(|error| error.to_string()).collect())
    }

    fn exposed(tokens: &[SecretString]) -> Vec<&str> {
        tokens.iter().map(ExposeSecret::expose_secret).collect()
    }

    #[test]
    fn tokens_are_a_list_and_are_not_shown() {
        for list in [" hunter2, hunter3 ,", "hunter2\r\nhunter3\n", ",,hunter2,\n,hunter3"] {
            let config = read_all(&[("METRICS_AUTH_TOKEN", list)]).unwrap();
            assert_eq!(exposed(&config.tokens), ["hunter2", "hunter3"], "{list:?}");
            assert!(!format!("{config:?}").contains("hunter") && !config.is_open());
        }
        assert!(read_all(&[]).unwrap().is_open());
        assert!(read_all(&[("METRICS_AUTH_TOKEN", "")]).unwrap().is_open());
    }

    #[test]
    fn a_list_without_a_token_is_an_error() {
        for list in [",", " , ,", ",\n"] {
            let problems = read_all(&[("METRICS_AUTH_TOKEN", list)]).unwrap_err();
            assert!(problems[0].starts_with("METRICS_AUTH_TOKEN: holds no token; accepted"), "{problems:?}");
        }
        let file = tempfile::NamedTempFile::new().unwrap();
        let problems = read_all(&[("METRICS_AUTH_TOKEN_FILE", file.path().to_str().unwrap())]).unwrap_err();
        assert!(problems[0].contains("holds no token"), "{problems:?}");
    }

    #[test]
    fn a_token_that_no_header_can_carry_is_named_by_its_position() {
        for list in ["good,hunter 2", "good,hünter2", "good,hunter\t2", "good,hunter2\u{7f}"] {
            let problems = read_all(&[("METRICS_AUTH_TOKEN", list)]).unwrap_err();
            assert!(problems[0].contains("its token 2") && !problems[0].contains("nter"), "{problems:?}");
        }
    }

    #[test]
    fn the_path_of_a_token_file_is_kept() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "hunter2\n").unwrap();
        let path = ("METRICS_AUTH_TOKEN_FILE", file.path().to_str().unwrap());
        assert_eq!(read_all(&[path]).unwrap().token_file.as_deref(), Some(file.path()));
        // The variable itself wins, and the file is ignored.
        assert_eq!(read_all(&[path, ("METRICS_AUTH_TOKEN", "x")]).unwrap().token_file, None);
    }

    #[test]
    fn tls_needs_both_files() {
        for (set, absent) in [
            ("METRICS_TLS_CERT_FILE", &["METRICS_TLS_KEY_FILE is not set"][..]),
            ("METRICS_TLS_KEY_FILE", &["METRICS_TLS_CERT_FILE is not set"]),
            ("METRICS_TLS_CLIENT_CA_FILE", &["METRICS_TLS_CERT_FILE is not set", "METRICS_TLS_KEY_FILE is not set"]),
        ] {
            let problems = read_all(&[(set, "/x")]).unwrap_err();
            assert_eq!(problems.len(), absent.len(), "{problems:?}");
            for (problem, absent) in problems.iter().zip(absent) {
                assert!(problem.starts_with(absent), "{problem}");
            }
        }
    }

    #[test]
    fn every_unreadable_file_is_reported() {
        let problems = read_all(&[
            ("METRICS_TLS_CERT_FILE", "/nowhere/cert.pem"),
            ("METRICS_TLS_KEY_FILE", "/nowhere/key.pem"),
            ("METRICS_TLS_CLIENT_CA_FILE", "/"),
        ])
        .unwrap_err();
        assert_eq!(problems.len(), 3, "{problems:?}");
        assert!(problems[0].starts_with("METRICS_TLS_CERT_FILE \"/nowhere/cert.pem\": cannot be read: "));
        assert!(problems[1].starts_with("METRICS_TLS_KEY_FILE \"/nowhere/key.pem\": cannot be read: "));
        assert!(problems[2].starts_with("METRICS_TLS_CLIENT_CA_FILE \"/\": is not a regular file"));
    }
}
