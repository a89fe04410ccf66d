//! Which PostgreSQL is asked, as whom, and whom it must be. Asking is `sources::postgres`' matter.

use std::net::Ipv6Addr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::RootCertStore;
use secrecy::SecretString;

use super::authorities;
use crate::settings::table;
use crate::settings::{FromSetting, Setting, Settings};

/// How the source reaches PostgreSQL.
#[derive(Debug, Clone)]
pub struct PostgresConfig {
    /// A name, an address, or the folder of a socket (then it begins with `/`).
    pub host: String,
    pub port: u16,
    pub database: String,
    pub user: String,
    pub password: Option<SecretString>,
    /// Who may vouch for the server; `None` = no TLS.
    pub tls: Option<Authorities>,
    /// What `pg_stat_activity` shows.
    pub application: String,
    /// Limit of one question, connecting included.
    pub timeout: Duration,
}

/// Whose signature of a certificate counts.
#[derive(Debug, Clone)]
pub enum Authorities {
    /// Those that the system trusts.
    System,
    /// Those of this file and no others; the file is watched.
    Own { file: PathBuf, roots: Arc<RootCertStore> },
}

impl Authorities {
    /// The file to watch.
    pub(crate) fn file(&self) -> Option<&Path> {
        match self {
            Self::Own { file, .. } => Some(file),
            Self::System => None,
        }
    }
}

impl PostgresConfig {
    /// Where and as whom, for messages.
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

/// Reads what concerns PostgreSQL; `None` where it is not asked or something is wrong.
pub fn read(settings: &mut Settings, timeout: Option<Duration>, instance_id: &str) -> Option<PostgresConfig> {
    if !settings.get::<bool>(&table::ENABLE_PG_POOL)? {
        return None;
    }
    let host = needed(settings, &table::POSTGRES_HOST).and_then(|_| settings.get::<Host>(&table::POSTGRES_HOST));
    let port = read_port(settings);
    let database = needed(settings, &table::POSTGRES_DATABASE);
    let user = needed(settings, &table::POSTGRES_USER);
    let tls = read_tls(settings);
    Some(PostgresConfig {
        host: host?.0,
        port: port?,
        database: database?,
        user: user?,
        password: settings.secret(&table::POSTGRES_PASSWORD),
        tls: tls?,
        application: format!("kdcube-metrics:{instance_id}"),
        timeout: timeout?,
    })
}

fn needed(settings: &mut Settings, setting: &Setting) -> Option<String> {
    let text = settings.text(setting);
    if text.is_none() {
        settings.error(format!(
            "{} is not set, and METRICS_ENABLE_PG_POOL=1 needs it; accepted: {}",
            setting.variable, setting.accepts
        ));
    }
    text
}

fn read_port(settings: &mut Settings) -> Option<u16> {
    let port = settings.get(&table::POSTGRES_PORT)?;
    if port == 0 {
        settings
            .error(format!("POSTGRES_PORT \"0\": nobody listens there; accepted: {}", table::POSTGRES_PORT.accepts));
        return None;
    }
    Some(port)
}

/// `Some(None)` = no TLS; `None` = something is wrong.
fn read_tls(settings: &mut Settings) -> Option<Option<Authorities>> {
    let wanted = settings.get::<bool>(&table::POSTGRES_SSL)?;
    let file = settings.text(&table::POSTGRES_CA_FILE);
    match (wanted, file) {
        (false, None) => Some(None),
        (true, None) => Some(Some(Authorities::System)),
        (false, Some(_)) => {
            settings.error("METRICS_POSTGRES_CA_FILE is set, but without POSTGRES_SSL=1 nothing would be verified");
            None
        }
        (true, Some(file)) => match authorities::load(Path::new(&file)) {
            Ok(roots) => Some(Some(Authorities::Own { file: file.into(), roots: Arc::new(roots) })),
            Err(why) => {
                let accepted = table::POSTGRES_CA_FILE.accepts;
                settings.error(format!("METRICS_POSTGRES_CA_FILE {file:?}: {why}; accepted: {accepted}"));
                None
            }
        },
    }
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
        let config = read(&mut settings, Some(Duration::from_secs(1)), "m");
        (config, settings.into_errors().into_iter().map(|problem| problem.0).collect())
    }

    fn with(more: &[(&'static str, &'static str)]) -> (Option<PostgresConfig>, Vec<String>) {
        read_all(&[&ON[..], more].concat())
    }

    #[test]
    fn off_it_needs_nothing_and_minds_nothing() {
        let (config, problems) = read_all(&[("POSTGRES_PORT", "many"), ("POSTGRES_SSL", "perhaps")]);
        assert!(config.is_none() && problems.is_empty(), "{problems:?}");
    }

    #[test]
    fn on_it_tells_everything_that_is_missing_or_wrong() {
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
    fn an_authority_must_be_there_and_be_of_use() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ca.pem");
        std::fs::write(&file, "no certificate").unwrap();
        let path = file.to_str().unwrap();
        let problem = |more: &[(&'static str, &str)]| read_all(&[&ON[..], more].concat()).1.join("\n");
        let tls = ("POSTGRES_SSL", "1");
        assert!(problem(&[tls, ("METRICS_POSTGRES_CA_FILE", path)]).contains("holds no certificate"));
        assert!(problem(&[tls, ("METRICS_POSTGRES_CA_FILE", "/nowhere")]).contains("cannot be read"));
        assert!(problem(&[("METRICS_POSTGRES_CA_FILE", path)]).contains("POSTGRES_SSL=1"));
        assert!(matches!(with(&[tls]).0.unwrap().tls, Some(Authorities::System)));
    }
}
