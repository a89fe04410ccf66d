//! The settings of the HTTP server: listen address, tokens and TLS. `access` enforces them.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use secrecy::{ExposeSecret, SecretString};

use crate::settings::{Setting, Settings, setting};
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
    /// The file of the tokens, which is reloaded when it changes.
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

    /// Whether clients need neither a token nor a certificate.
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
/// What is wrong, without quoting a token.
pub fn tokens(list: &str) -> Result<Vec<SecretString>, String> {
    let tokens: Vec<&str> = list.split([',', '\n', '\r']).map(str::trim).filter(|token| !token.is_empty()).collect();
    if tokens.is_empty() {
        // No tokens at all would leave open every route that the operator meant to close.
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
    let files = TlsFiles { certificate, key, client_ca };
    settings.ok_or_record(server::load(&files), &[TLS_CERT_FILE, TLS_KEY_FILE, TLS_CLIENT_CA_FILE])?;
    Some(Some(files))
}

/// One error for each variable that the others need.
fn missing(settings: &mut Settings, certificate: bool, key: bool) {
    for (_, setting) in [(certificate, TLS_CERT_FILE), (key, TLS_KEY_FILE)].into_iter().filter(|(absent, _)| *absent) {
        settings.missing(setting, "TLS needs METRICS_TLS_CERT_FILE and METRICS_TLS_KEY_FILE");
    }
}

#[cfg(test)]
mod tests;
