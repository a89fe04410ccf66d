//! Who may come in, and over what: tokens and TLS. Letting in is `api`'s matter.

use std::path::PathBuf;

use secrecy::SecretString;

use crate::settings::table;
use crate::settings::{Setting, Settings};
use crate::tls::server::{self, TlsFiles};

/// The front door's settings.
#[derive(Debug, Clone, Default)]
pub struct AccessConfig {
    /// Empty = no token is asked for.
    pub tokens: Vec<SecretString>,
    /// The file that the tokens came from, to be read again when it changes.
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
pub fn read(settings: &mut Settings) -> Option<AccessConfig> {
    let tokens = read_tokens(settings);
    let token_file = settings.file_of(&table::AUTH_TOKEN).filter(|path| path.is_file());
    let tls = read_tls(settings);
    Some(AccessConfig { tokens: tokens?, token_file, tls: tls? })
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
    tokens(&list).map_err(|problem| settings.reject(&table::AUTH_TOKEN, &problem)).ok()
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
    settings.ok_or_record(server::load(&files)).map(|_| Some(files))
}

/// One line for each variable that is missing beside those that are set.
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
mod tests;
