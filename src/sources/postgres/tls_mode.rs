//! Whether and how a connection is encrypted and its server verified: libpq's modes, from the platform's settings.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::RootCertStore;

use super::authorities;
use crate::settings::{FromSetting, Setting, Settings, setting};

const SSL: &Setting = setting("POSTGRES_SSL");
const MODE: &Setting = setting("POSTGRES_SSL_MODE");
const CA_FILE: &Setting = setting("METRICS_POSTGRES_CA_FILE");
const ROOT_CERT: &Setting = setting("POSTGRES_SSL_ROOT_CERT");
const PG_ROOT_CERT: &Setting = setting("PGSSLROOTCERT");

/// TLS to PostgreSQL.
#[derive(Debug, Clone)]
pub struct PostgresTls {
    /// Plain text is accepted where the server has no TLS.
    pub optional: bool,
    pub verification: Verification,
}

/// What is verified of the server.
#[derive(Debug, Clone)]
pub enum Verification {
    Nothing,
    /// Its certificate.
    Certificate(Authorities),
    /// Its certificate and the name in it.
    CertificateAndName(Authorities),
}

/// The CAs that the server's certificate must come from.
#[derive(Debug, Clone)]
pub enum Authorities {
    /// The system trust store.
    System,
    /// Those of this file and no others; the file is watched.
    Own { file: PathBuf, named_by: &'static str, roots: Arc<RootCertStore> },
}

impl PostgresTls {
    /// The CA file to watch, and the setting that names it.
    pub(crate) fn file(&self) -> Option<(&Path, &'static str)> {
        match &self.verification {
            Verification::Certificate(Authorities::Own { file, named_by, .. })
            | Verification::CertificateAndName(Authorities::Own { file, named_by, .. }) => Some((file, named_by)),
            _ => None,
        }
    }
}

/// libpq's `sslmode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SslMode {
    Disable,
    /// libpq tries plain text first, which its documentation advises against; here as `prefer`.
    Allow,
    Prefer,
    Require,
    VerifyCa,
    VerifyFull,
}

impl SslMode {
    const ALL: [Self; 6] = [Self::Disable, Self::Allow, Self::Prefer, Self::Require, Self::VerifyCa, Self::VerifyFull];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Disable => "disable",
            Self::Allow => "allow",
            Self::Prefer => "prefer",
            Self::Require => "require",
            Self::VerifyCa => "verify-ca",
            Self::VerifyFull => "verify-full",
        }
    }
}

impl FromSetting for SslMode {
    fn from_setting(text: &str) -> Result<Self, String> {
        let word = text.to_lowercase().replace('_', "-");
        let found = Self::ALL.into_iter().find(|mode| mode.as_str() == word);
        found.ok_or_else(|| "is not a TLS mode".to_owned())
    }
}

/// `POSTGRES_SSL`: a boolean, or the word of a mode.
#[derive(Debug, PartialEq, Eq)]
enum Switch {
    Off,
    On,
    As(SslMode),
}

impl FromSetting for Switch {
    fn from_setting(text: &str) -> Result<Self, String> {
        match (bool::from_setting(text), SslMode::from_setting(text)) {
            (Ok(true), _) => Ok(Self::On),
            (Ok(false), _) => Ok(Self::Off),
            (Err(_), Ok(mode)) => Ok(Self::As(mode)),
            (Err(_), Err(_)) => Err("is neither a boolean nor a TLS mode".to_owned()),
        }
    }
}

/// Reads the TLS settings. `Some(None)` = no TLS; `None` = something is wrong.
pub(super) fn read(settings: &mut Settings) -> Option<Option<PostgresTls>> {
    let mode = read_mode(settings)?;
    if mode == SslMode::Disable && settings.text(CA_FILE).is_some() {
        settings.reject(CA_FILE, "has no effect without POSTGRES_SSL=1: nothing would be verified");
        return None;
    }
    let verification = match mode {
        SslMode::Disable => return Some(None),
        SslMode::Allow | SslMode::Prefer => Verification::Nothing,
        SslMode::Require => match required_authorities(settings)? {
            Some(own) => Verification::Certificate(own),
            None => Verification::Nothing,
        },
        SslMode::VerifyCa => Verification::Certificate(authorities(settings)?),
        SslMode::VerifyFull => Verification::CertificateAndName(authorities(settings)?),
    };
    if matches!(verification, Verification::Nothing) {
        settings.warn(format!(
            "PostgreSQL's TLS mode is {}: the connection is encrypted but nothing verifies the server; set \
             POSTGRES_SSL_MODE=verify-full and METRICS_POSTGRES_CA_FILE",
            mode.as_str()
        ));
    }
    Some(Some(PostgresTls { optional: matches!(mode, SslMode::Allow | SslMode::Prefer), verification }))
}

fn read_mode(settings: &mut Settings) -> Option<SslMode> {
    let by_default = if settings.text(CA_FILE).is_some() { SslMode::VerifyFull } else { SslMode::Require };
    match settings.get(SSL)? {
        Switch::Off => Some(SslMode::Disable),
        Switch::As(mode) => Some(mode),
        Switch::On if settings.text(MODE).is_none() => Some(by_default),
        Switch::On => settings.get(MODE),
    }
}

fn authorities(settings: &mut Settings) -> Option<Authorities> {
    match ca_file(settings) {
        None => Some(Authorities::System),
        Some((setting, file)) => load(settings, setting, file),
    }
}

/// As libpq: the mode `require` verifies the certificate if there is a CA file. `Some(None)` = there is none.
fn required_authorities(settings: &mut Settings) -> Option<Option<Authorities>> {
    match ca_file(settings) {
        Some((setting, file)) if setting == CA_FILE || file.exists() => load(settings, setting, file).map(Some),
        _ => Some(None),
    }
}

fn ca_file(settings: &mut Settings) -> Option<(&'static Setting, PathBuf)> {
    let named = [CA_FILE, ROOT_CERT, PG_ROOT_CERT].into_iter();
    named.filter_map(|setting| Some((setting, settings.text(setting)?.into()))).next()
}

fn load(settings: &mut Settings, setting: &'static Setting, file: PathBuf) -> Option<Authorities> {
    match authorities::load(&file) {
        Ok(roots) => Some(Authorities::Own { file, named_by: setting.variable(), roots: Arc::new(roots) }),
        Err(problem) => {
            settings.reject(setting, &problem);
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A CA's certificate; which one is of no importance here.
    fn ca() -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        let system = rustls_native_certs::load_native_certs().certs;
        let pem = pem_text(system.first().expect("the machine has CA certificates"));
        std::fs::write(file.path(), pem).unwrap();
        file
    }

    fn pem_text(der: &[u8]) -> String {
        use base64::Engine;
        let text = base64::engine::general_purpose::STANDARD.encode(der);
        format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n")
    }

    /// The mode that variables lead to, in short, and the number of warnings; or the errors.
    fn read_all(variables: &[(&str, &str)]) -> Result<(&'static str, usize), String> {
        let mut settings = Settings::from_environment(variables.iter().copied());
        let read = read(&mut settings).map(|tls| match tls {
            None => "plain",
            Some(PostgresTls { optional: true, verification: Verification::Nothing }) => "optional",
            Some(PostgresTls { optional: true, .. }) => "optional, verified",
            Some(PostgresTls { verification: Verification::Nothing, .. }) => "unverified",
            Some(PostgresTls { verification: Verification::Certificate(Authorities::System), .. }) => "system",
            Some(PostgresTls { verification: Verification::Certificate(_), .. }) => "own",
            Some(PostgresTls { verification: Verification::CertificateAndName(Authorities::System), .. }) => {
                "system and name"
            }
            Some(PostgresTls { verification: Verification::CertificateAndName(_), .. }) => "own and name",
        });
        let warnings = settings.warnings().len();
        let errors: Vec<String> = settings.into_errors().iter().map(ToString::to_string).collect();
        read.filter(|_| errors.is_empty()).map(|mode| (mode, warnings)).ok_or_else(|| errors.join("\n"))
    }

    #[test]
    fn modes_are_those_of_libpq() {
        let ca = ca();
        let path = ca.path().to_str().unwrap();
        let (on, own, root) =
            (("POSTGRES_SSL", "True"), ("METRICS_POSTGRES_CA_FILE", path), ("POSTGRES_SSL_ROOT_CERT", path));
        let mode = |word| ("POSTGRES_SSL_MODE", word);
        for (variables, expected, warnings) in [
            (&[][..], "plain", 0),
            (&[("POSTGRES_SSL", "False"), mode("verify-full"), root], "plain", 0),
            (&[("POSTGRES_SSL", "")], "plain", 0),
            (&[("POSTGRES_SSL", "disable")], "plain", 0),
            (&[on], "unverified", 1),
            (&[("POSTGRES_SSL", "require")], "unverified", 1),
            (&[on, mode("disable")], "plain", 0),
            (&[on, mode("Prefer")], "optional", 1),
            (&[on, mode("allow"), root], "optional", 1),
            (&[on, mode("VERIFY_CA")], "system", 0),
            (&[on, mode("verify-full")], "system and name", 0),
            (&[on, root], "own", 0),
            (&[on, ("PGSSLROOTCERT", path)], "own", 0),
            (&[on, ("POSTGRES_SSL_ROOT_CERT", "/nowhere")], "unverified", 1),
            (&[on, mode("verify-ca"), root], "own", 0),
            (&[on, mode("verify-full"), root], "own and name", 0),
            (&[on, own], "own and name", 0),
            (&[on, own, mode("require")], "own", 0),
            (&[on, own, ("POSTGRES_SSL_ROOT_CERT", "/nowhere")], "own and name", 0),
            (&[("POSTGRES_SSL", "verify_ca"), mode("prefer"), root], "own", 0),
        ] {
            assert_eq!(read_all(variables), Ok((expected, warnings)), "{variables:?}");
        }
    }

    #[test]
    fn what_would_verify_less_than_is_asked_for_is_an_error() {
        let on = ("POSTGRES_SSL", "1");
        for (variables, expected) in [
            (&[("POSTGRES_SSL", "perhaps")][..], "POSTGRES_SSL \"perhaps\": is neither a boolean nor a TLS mode"),
            (&[on, ("POSTGRES_SSL_MODE", "full")], "POSTGRES_SSL_MODE \"full\": is not a TLS mode"),
            (&[("METRICS_POSTGRES_CA_FILE", "/nowhere")], "METRICS_POSTGRES_CA_FILE \"/nowhere\": has no effect"),
            (&[on, ("METRICS_POSTGRES_CA_FILE", "/nowhere")], "METRICS_POSTGRES_CA_FILE \"/nowhere\": cannot be read"),
            (
                &[on, ("POSTGRES_SSL_MODE", "verify-ca"), ("POSTGRES_SSL_ROOT_CERT", "/nowhere")],
                "POSTGRES_SSL_ROOT_CERT \"/nowhere\": cannot be read",
            ),
        ] {
            let error = read_all(variables).unwrap_err();
            assert!(error.starts_with(expected), "{error}");
        }
    }
}
