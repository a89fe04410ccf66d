//! Where Redis is and how it is reached: what `REDIS_URL` says, in types. `parse` reads the URL, `options` its query.

mod options;
mod parse;

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};

use crate::tls::stream_client::ClientTls;

/// The parsed form of a Redis address.
#[derive(Debug, Clone)]
pub struct RedisAddress {
    pub place: Place,
    pub database: u32,
    pub user: Credentials,
    /// `None` = plain text.
    pub tls: Option<ClientTls>,
    /// The name in `CLIENT LIST`, where the address gives one.
    pub client_name: Option<String>,
    /// Limits that the address gives beside `METRICS_REQUEST_TIMEOUT_SEC`.
    pub timeout: Option<Duration>,
    pub connect_timeout: Option<Duration>,
    /// Options that concern the pools of redis-py, which this server does not have.
    pub without_effect: Vec<String>,
}

impl RedisAddress {
    /// Parses `redis://`, `rediss://`, `unix:` or `redis+sentinel://`.
    ///
    /// # Errors
    /// What is wrong with the address, which is not quoted: it may hold a password.
    pub fn parse(url: &str) -> Result<Self, String> {
        parse::address(url)
    }
}

/// Without user and password.
impl fmt::Display for RedisAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let s = if self.tls.is_some() { "s" } else { "" };
        match &self.place {
            Place::Tcp(host) => write!(f, "redis{s}://{host}/{}", self.database),
            Place::Unix(path) => {
                write!(f, "unix://{}", path.to_string_lossy().escape_debug())?;
                if self.database == 0 { Ok(()) } else { write!(f, "?db={}", self.database) }
            }
            Place::Sentinels(group) => {
                let hosts: Vec<String> = group.sentinels.iter().map(ToString::to_string).collect();
                write!(f, "redis{s}+sentinel://{}/{}/{}", hosts.join(","), group.primary, self.database)
            }
        }
    }
}

/// What to connect to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    Tcp(HostPort),
    Unix(PathBuf),
    Sentinels(SentinelGroup),
}

/// A host, without the brackets of an IPv6 address, and a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPort {
    pub host: String,
    pub port: u16,
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

/// Sentinels, and the name of the primary that they watch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SentinelGroup {
    pub sentinels: Vec<HostPort>,
    pub primary: String,
    /// The sentinels' own user; where none is given, that of Redis is tried if they ask for one.
    pub user: Credentials,
    /// `None` = plain text to the sentinels.
    pub tls: Option<ClientTls>,
}

/// User and password; `Debug` shows neither.
#[derive(Clone, Default)]
pub struct Credentials {
    pub username: Option<String>,
    pub password: Option<SecretString>,
}

impl Credentials {
    /// Whether there is neither user nor password.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.username.is_none() && self.password.is_none()
    }

    pub(super) fn password(&self) -> &str {
        self.password.as_ref().map_or("", |password| password.expose_secret())
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_empty() { "Credentials(none)" } else { "Credentials([REDACTED])" })
    }
}

impl PartialEq for Credentials {
    fn eq(&self, other: &Self) -> bool {
        self.username == other.username && self.password() == other.password()
    }
}

impl Eq for Credentials {}
