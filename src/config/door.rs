//! Who may come in, and over what: tokens and TLS. Letting in is `api`'s matter.

use std::path::PathBuf;

use secrecy::SecretString;

use super::table;
use crate::settings::{Setting, Settings};
use crate::tls::server::{self, TlsFiles};

/// The front door's settings.
#[derive(Debug, Clone, Default)]
pub struct DoorConfig {
    /// Empty = no token is asked for.
    pub tokens: Vec<SecretString>,
    /// The file that the tokens came from, to be read again when it changes.
    pub token_file: Option<PathBuf>,
    /// `None` = plain HTTP.
    pub tls: Option<TlsFiles>,
}

impl DoorConfig {
    /// `http` or `https`.
    #[must_use]
    pub const fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }

    /// Whether clients need a certificate of a certain authority.
    #[must_use]
    pub fn needs_certificate(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.client_ca.is_some())
    }

    /// Whether whoever reaches the port may read.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.tokens.is_empty() && !self.needs_certificate()
    }
}

/// Reads all of it, and that certificate and key can be used; what is wrong is noted.
pub fn read(settings: &mut Settings) -> Option<DoorConfig> {
    let tokens = read_tokens(settings);
    let token_file = settings.file_of(&table::AUTH_TOKEN).filter(|path| path.is_file());
    let tls = read_tls(settings);
    Some(DoorConfig { tokens: tokens?, token_file, tls: tls? })
}

/// Whether the server is to be asked with TLS, right or wrong as its files may be.
pub(crate) fn speaks_tls(settings: &mut Settings) -> bool {
    settings.text(&table::TLS_CERT_FILE).is_some()
}

/// The tokens of a list; at least one.
///
/// # Errors
/// What is wrong, without quoting a token.
pub fn tokens(list: &str) -> Result<Vec<SecretString>, String> {
    let tokens: Vec<&str> = list.split([',', '\n', '\r']).map(str::trim).filter(|token| !token.is_empty()).collect();
    if tokens.is_empty() {
        // It would open every route that somebody meant to close.
        return Err("holds no token".to_owned());
    }
    match tokens.iter().position(|token| !token.bytes().all(|byte| byte.is_ascii_graphic())) {
        Some(place) => Err(format!("its token {} holds a character that a header cannot carry", place + 1)),
        None => Ok(tokens.into_iter().map(SecretString::from).collect()),
    }
}

fn read_tokens(settings: &mut Settings) -> Option<Vec<SecretString>> {
    // An empty file is not an unset variable: whoever names a file wants its tokens asked for.
    let Some(list) = settings.text(&table::AUTH_TOKEN) else { return Some(Vec::new()) };
    match tokens(&list) {
        Ok(tokens) => Some(tokens),
        Err(problem) => {
            settings.problem(format!("METRICS_AUTH_TOKEN: {problem}; accepted: {}", table::AUTH_TOKEN.accepts));
            None
        }
    }
}

/// `Some(None)` is plain HTTP, `None` a problem.
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
    match server::load(&files) {
        Ok(_) => Some(Some(files)),
        Err(problems) => {
            problems.into_iter().for_each(|problem| settings.problem(problem));
            None
        }
    }
}

/// One line for each variable that is missing beside those that are set.
fn missing(settings: &mut Settings, certificate: bool, key: bool) {
    let absent = [(certificate, &table::TLS_CERT_FILE), (key, &table::TLS_KEY_FILE)];
    for (_, setting) in absent.into_iter().filter(|(absent, _)| *absent) {
        settings.problem(format!(
            "{} is not set, and TLS needs METRICS_TLS_CERT_FILE and METRICS_TLS_KEY_FILE; accepted: {}",
            setting.variable, setting.accepts
        ));
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    fn read_all(variables: &[(&str, &str)]) -> Result<DoorConfig, Vec<String>> {
        let mut settings = Settings::from_environment(variables.iter().copied());
        read(&mut settings).ok_or_else(|| settings.into_problems().into_iter().map(|problem| problem.0).collect())
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
    fn a_list_without_a_token_does_not_open_the_door() {
        for list in [",", " , ,", ",\n"] {
            let problems = read_all(&[("METRICS_AUTH_TOKEN", list)]).unwrap_err();
            assert!(problems[0].starts_with("METRICS_AUTH_TOKEN: holds no token; accepted"), "{problems:?}");
        }
        let file = tempfile::NamedTempFile::new().unwrap();
        let problems = read_all(&[("METRICS_AUTH_TOKEN_FILE", file.path().to_str().unwrap())]).unwrap_err();
        assert!(problems[0].contains("holds no token"), "{problems:?}");
    }

    #[test]
    fn a_token_that_no_header_can_carry_is_told_by_its_place() {
        for list in ["good,hunter 2", "good,hünter2", "good,hunter\t2", "good,hunter2\u{7f}"] {
            let problems = read_all(&[("METRICS_AUTH_TOKEN", list)]).unwrap_err();
            assert!(problems[0].contains("its token 2") && !problems[0].contains("nter"), "{problems:?}");
        }
    }

    #[test]
    fn a_file_of_tokens_is_remembered() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "hunter2\n").unwrap();
        let path = ("METRICS_AUTH_TOKEN_FILE", file.path().to_str().unwrap());
        assert_eq!(read_all(&[path]).unwrap().token_file.as_deref(), Some(file.path()));
        // The variable itself wins, and then the file is of no concern.
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
    fn every_file_that_cannot_be_read_is_told() {
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
