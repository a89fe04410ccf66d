//! The settings of access and TLS. Enforcing them is in `access` and `gate`.

use std::path::PathBuf;

use secrecy::SecretString;

use crate::settings::table;
use crate::settings::{Setting, Settings};
use crate::tls::file_error::lines;
use crate::tls::server::{self, TlsFiles};

#[derive(Debug, Clone, Default)]
pub struct AccessConfig {
    /// Empty = no token is needed.
    pub tokens: Vec<SecretString>,
    /// The file that the tokens came from; watched for changes.
    pub token_file: Option<PathBuf>,
    /// `None` = plain HTTP.
    pub tls: Option<TlsFiles>,
}

impl AccessConfig {
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

/// Reads them and loads the TLS files once, to report what is invalid.
pub fn read(settings: &mut Settings) -> Option<AccessConfig> {
    let tokens = read_tokens(settings);
    let token_file = settings.file_of(&table::AUTH_TOKEN).filter(|path| path.is_file());
    let tls = read_tls(settings);
    Some(AccessConfig { tokens: tokens?, token_file, tls: tls? })
}

/// Whether TLS is configured, even if its files are invalid.
pub(crate) fn speaks_tls(settings: &mut Settings) -> bool {
    settings.text(&table::TLS_CERT_FILE).is_some()
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
        Some(place) => Err(format!("its token {} holds a character that a header cannot carry", place + 1)),
        None => Ok(tokens.into_iter().map(SecretString::from).collect()),
    }
}

fn read_tokens(settings: &mut Settings) -> Option<Vec<SecretString>> {
    // An empty file is not an unset variable: it is an error.
    let Some(list) = settings.text(&table::AUTH_TOKEN) else { return Some(Vec::new()) };
    tokens(&list).map_err(|problem| settings.reject(&table::AUTH_TOKEN, &problem)).ok()
}

/// `Some(None)` is plain HTTP, `None` an error.
fn read_tls(settings: &mut Settings) -> Option<Option<TlsFiles>> {
    let mut path = |setting: &Setting| settings.text(setting).map(|path| PathBuf::from(path.trim()));
    let client_ca = path(&table::TLS_CLIENT_CA_FILE);
    let (certificate, key) = match (path(&table::TLS_CERT_FILE), path(&table::TLS_KEY_FILE)) {
        (Some(certificate), Some(key)) => (certificate, key),
        (None, None) if client_ca.is_none() => return Some(None),
        (certificate, key) => {
            missing(settings, certificate.is_none(), key.is_none());
            return None;
        }
    };
    let files = TlsFiles { certificate, key, client_ca };
    settings.ok_or_record(server::load(&files).map_err(lines)).map(|_| Some(files))
}

/// One error for each variable that is missing.
fn missing(settings: &mut Settings, certificate: bool, key: bool) {
    let absent = [(certificate, &table::TLS_CERT_FILE), (key, &table::TLS_KEY_FILE)];
    for (_, setting) in absent.into_iter().filter(|(absent, _)| *absent) {
        settings.error(format!(
            "{} is not set, and TLS needs METRICS_TLS_CERT_FILE and METRICS_TLS_KEY_FILE; accepted: {}",
            setting.variable, setting.accepts
        ));
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    fn read_all(variables: &[(&str, &str)]) -> Result<AccessConfig, Vec<String>> {
        let mut settings = Settings::from_environment(variables.iter().copied());
        read(&mut settings).ok_or_else(|| settings.into_errors().into_iter().map(|problem| problem.0).collect())
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
