//! The connection to PostgreSQL: address, credentials and TLS. `sources::postgres` connects.

use std::net::Ipv6Addr;
use std::time::Duration;

use secrecy::SecretString;

use super::tls_mode;
pub use super::tls_mode::{Authorities, PostgresTls, Verification};
use crate::settings::{FromSetting, Setting, Settings, setting};

const ENABLED: &Setting = setting("METRICS_ENABLE_PG_POOL");
const HOST: &Setting = setting("POSTGRES_HOST");
const PORT: &Setting = setting("POSTGRES_PORT");
const DATABASE: &Setting = setting("POSTGRES_DATABASE");
const USER: &Setting = setting("POSTGRES_USER");
const PASSWORD: &Setting = setting("POSTGRES_PASSWORD");

/// How the source reaches PostgreSQL.
#[derive(Debug, Clone)]
pub struct PostgresConfig {
    /// A name, an address, or the directory of a socket, which begins with `/`.
    pub host: String,
    pub port: u16,
    pub database: String,
    pub user: String,
    pub password: Option<SecretString>,
    /// `None` = no TLS.
    pub tls: Option<PostgresTls>,
    /// The application name in `pg_stat_activity`.
    pub application: String,
    /// Timeout of one query, connecting included.
    pub timeout: Duration,
}

impl PostgresConfig {
    /// Reads the PostgreSQL settings. `None` if PostgreSQL is not enabled or anything is wrong; errors are recorded.
    pub fn read(settings: &mut Settings, timeout: Option<Duration>, instance_id: &str) -> Option<Self> {
        if !settings.get::<bool>(ENABLED)? {
            return None;
        }
        let host = read_host(settings);
        let port = read_port(settings);
        let database = required(settings, DATABASE);
        let user = required(settings, USER);
        let tls = tls_mode::read(settings);
        Some(Self {
            host: host?,
            port: port?,
            database: database?,
            user: user?,
            password: settings.secret(PASSWORD),
            tls: tls?,
            application: format!("kdcube-metrics:{instance_id}"),
            timeout: timeout?,
        })
    }

    /// Address, database and user, for messages.
    #[must_use]
    pub fn place(&self) -> String {
        let Self { host, port, database, user, .. } = self;
        let host = if host.contains(':') { format!("[{host}]") } else { host.clone() };
        format!("{host}:{port}/{database} as {user}")
    }
}

/// `POSTGRES_HOST`.
struct Host(String);

impl FromSetting for Host {
    fn from_setting(text: &str) -> Result<Self, String> {
        let address = text.trim_matches(['[', ']']);
        if text.starts_with('/') || address.parse::<Ipv6Addr>().is_ok() {
            return Ok(Self(address.to_owned()));
        }
        match url::Host::parse(text) {
            Ok(_) => Ok(Self(text.to_owned())),
            Err(_) => Err("is not a host; the port is POSTGRES_PORT".to_owned()),
        }
    }
}

fn read_host(settings: &mut Settings) -> Option<String> {
    let text = required(settings, HOST)?;
    Host::from_setting(&text).map_err(|problem| settings.reject(HOST, &problem)).ok().map(|host| host.0)
}

fn required(settings: &mut Settings, setting: &'static Setting) -> Option<String> {
    let text = settings.text(setting);
    if text.is_none() {
        settings.missing(setting, "METRICS_ENABLE_PG_POOL=1 needs it");
    }
    text
}

fn read_port(settings: &mut Settings) -> Option<u16> {
    let port = settings.get(PORT)?;
    if port == 0 {
        settings.reject(PORT, "is no port to connect to");
        return None;
    }
    Some(port)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ON: [(&str, &str); 4] = [
        ("METRICS_ENABLE_PG_POOL", "1"),
        ("POSTGRES_HOST", "db"),
        ("POSTGRES_DATABASE", "kdcube"),
        ("POSTGRES_USER", "metrics"),
    ];

    fn read_all(variables: &[(&str, &str)]) -> (Option<PostgresConfig>, Vec<String>) {
        let mut settings = Settings::from_environment(variables.iter().copied());
        let config = PostgresConfig::read(&mut settings, Some(Duration::from_secs(1)), "m");
        (config, settings.into_errors().into_iter().map(|error| error.to_string()).collect())
    }

    fn with(more: &[(&'static str, &'static str)]) -> (Option<PostgresConfig>, Vec<String>) {
        read_all(&[&ON[..], more].concat())
    }

    #[test]
    fn off_it_needs_nothing_and_reads_nothing() {
        let (config, problems) = read_all(&[("POSTGRES_PORT", "many"), ("POSTGRES_SSL", "perhaps")]);
        assert!(config.is_none() && problems.is_empty(), "{problems:?}");
    }

    #[test]
    fn on_it_reports_everything_that_is_missing_or_wrong() {
        let (config, problems) = read_all(&[
            ("METRICS_ENABLE_PG_POOL", "1"),
            ("POSTGRES_PORT", "0"),
            ("POSTGRES_SSL", "perhaps"),
            ("POSTGRES_PASSWORD", "hunter2"),
        ]);
        assert!(config.is_none());
        let all = problems.join("\n");
        for name in ["POSTGRES_HOST is not set", "POSTGRES_DATABASE", "POSTGRES_USER", "POSTGRES_PORT", "POSTGRES_SSL"]
        {
            assert_eq!(problems.iter().filter(|problem| problem.starts_with(name)).count(), 1, "{name} in\n{all}");
        }
        assert!(!all.contains("hunter2"));
    }

    #[test]
    fn the_password_does_not_show() {
        let config = with(&[("POSTGRES_PASSWORD", "hunter2")]).0.unwrap();
        assert_eq!((config.port, config.place().as_str()), (5432, "db:5432/kdcube as metrics"));
        assert!(!format!("{config:?}").contains("hunter2"));
    }

    #[test]
    fn hosts_are_names_addresses_and_sockets() {
        for good in ["db", "db_1.internal", "10.0.0.1", "::1", "[::1]", "/var/run/postgresql"] {
            assert!(Host::from_setting(good).is_ok(), "{good}");
        }
        for bad in ["db:5432", "postgres://db", "me@db", "a b"] {
            assert!(Host::from_setting(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_ca_file_must_be_readable_and_hold_a_certificate() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ca.pem");
        std::fs::write(&file, "no certificate").unwrap();
        let path = file.to_str().unwrap();
        let problem = |more: &[(&'static str, &str)]| read_all(&[&ON[..], more].concat()).1.join("\n");
        let tls = ("POSTGRES_SSL", "1");
        assert!(problem(&[tls, ("METRICS_POSTGRES_CA_FILE", path)]).contains("holds no certificate"));
        assert!(problem(&[tls, ("METRICS_POSTGRES_CA_FILE", "/nowhere")]).contains("cannot be read"));
        assert!(problem(&[("METRICS_POSTGRES_CA_FILE", path)]).contains("POSTGRES_SSL=1"));
    }
}
