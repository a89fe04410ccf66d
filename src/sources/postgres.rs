//! Asks PostgreSQL what it can take: `max_connections`, over one connection that is kept.
//!
//! The answer can only change when the server starts anew, which ends the connection: kept open, it
//! tells of that at once, and it holds its place when the server has none left. When questions are
//! asked is `engine::database`'s matter.

pub mod config;

use std::future::pending;

use rustls::{ClientConfig, RootCertStore};
use secrecy::ExposeSecret;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_postgres::config::SslMode;
use tokio_postgres::{Client, Connection, Error, NoTls, SimpleQueryMessage};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::SourceError;
use crate::sources::postgres::config::{Authorities, PostgresConfig};

/// Longest part of the server's words that is passed on.
const LONGEST_WORDS: usize = 300;

/// A PostgreSQL server that can be asked.
pub struct Postgres {
    config: PostgresConfig,
    /// `None` = no TLS.
    tls: Option<MakeRustlsConnect>,
    session: Option<Session>,
}

/// An open connection and the task that drives it.
struct Session {
    client: Client,
    version: Option<String>,
    driver: JoinHandle<()>,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Postgres {
    /// Connects when first asked.
    #[must_use]
    pub fn new(config: PostgresConfig) -> Self {
        let tls = config.tls.as_ref().map(connector);
        Self { config, tls, session: None }
    }

    /// Asks for `max_connections`, within the configured limit.
    ///
    /// # Errors
    /// The server cannot be reached, refuses, or answers oddly; the next question connects anew.
    pub async fn max_connections(&mut self) -> Result<i64, SourceError> {
        let limit = self.config.timeout;
        let why = match timeout(limit, self.ask()).await {
            Ok(Ok(number)) => return Ok(number),
            Ok(Err(why)) => why,
            Err(_) => format!("no answer within {limit:?}"),
        };
        self.session = None;
        Err(SourceError(format!("PostgreSQL at {}: {why}", self.config.place())))
    }

    async fn ask(&mut self) -> Result<i64, String> {
        let session = match self.session.take() {
            Some(session) => session,
            None => self.connect().await.map_err(|error| describe(&error))?,
        };
        let session = self.session.insert(session);
        let answer = session.client.simple_query("SHOW max_connections").await.map_err(|error| describe(&error))?;
        let row = answer.iter().find_map(|message| match message {
            SimpleQueryMessage::Row(row) => row.get(0),
            _ => None,
        });
        let number = row.and_then(|text| text.trim().parse().ok()).filter(|number| *number > 0);
        number.ok_or_else(|| "its answer to SHOW max_connections is not a number above 0".to_owned())
    }

    /// Completes when the open connection ends; never while there is none.
    pub async fn closed(&mut self) {
        let Some(session) = &mut self.session else { return pending().await };
        // A panic of the driver ends the connection like anything else.
        let _ = (&mut session.driver).await;
        self.session = None;
    }

    /// The server's version, where a connection is open and it told.
    #[must_use]
    pub fn version(&self) -> Option<&str> {
        self.session.as_ref()?.version.as_deref()
    }

    async fn connect(&self) -> Result<Session, Error> {
        let config = self.library_config();
        match &self.tls {
            None => config.connect(NoTls).await.map(|(client, connection)| drive(client, connection)),
            Some(tls) => config.connect(tls.clone()).await.map(|(client, connection)| drive(client, connection)),
        }
    }

    fn library_config(&self) -> tokio_postgres::Config {
        let PostgresConfig { host, port, database, user, password, application, timeout, .. } = &self.config;
        let mut config = tokio_postgres::Config::new();
        config.host(host).port(*port).dbname(database).user(user).application_name(application);
        config.connect_timeout(*timeout);
        config.ssl_mode(if self.tls.is_some() { SslMode::Require } else { SslMode::Disable });
        if let Some(password) = password {
            config.password(password.expose_secret());
        }
        config
    }
}

fn drive<S, T>(client: Client, connection: Connection<S, T>) -> Session
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let version = connection.parameter("server_version").map(str::to_owned);
    // Why a connection ended is told to the question that finds it so.
    let driver = tokio::spawn(async move { drop(connection.await) });
    Session { client, version, driver }
}

fn connector(authorities: &Authorities) -> MakeRustlsConnect {
    crate::tls::use_ring();
    let roots = match authorities {
        Authorities::Own(roots) => RootCertStore::clone(roots),
        Authorities::System => crate::tls::system_authorities(),
    };
    MakeRustlsConnect::new(ClientConfig::builder().with_root_certificates(roots).with_no_client_auth())
}

/// The error in words, with what to do where that is clear; no word of it holds the password.
fn describe(error: &Error) -> String {
    let words = match error.as_db_error() {
        Some(error) => format!("{} ({})", error.message(), error.code().code()),
        None => causes(error),
    };
    let words: String = words.chars().take(LONGEST_WORDS).collect();
    let advice = match error.code().map(tokio_postgres::error::SqlState::code) {
        Some("28P01" | "28000") => "; are POSTGRES_USER and POSTGRES_PASSWORD right, and may the user connect?",
        Some("3D000") => "; is POSTGRES_DATABASE right?",
        Some(_) => "",
        None if words.contains("certificate") => {
            "; METRICS_POSTGRES_CA_FILE names who signs the server's, and POSTGRES_HOST must be its name"
        }
        None if words.contains("password") => "; set POSTGRES_PASSWORD",
        None => "; is it running, and are POSTGRES_HOST, POSTGRES_PORT and POSTGRES_SSL right?",
    };
    words + advice
}

/// The error and what it came from, unless one says the other's words again.
fn causes(error: &Error) -> String {
    let mut words = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        let more = error.to_string();
        if !words.contains(&more) {
            words = format!("{words}: {more}");
        }
        cause = error.source();
    }
    words
}
