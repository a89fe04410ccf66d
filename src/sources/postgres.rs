//! Queries PostgreSQL's `max_connections` over one connection that stays open.
//!
//! The limit changes only when the server restarts, which ends the connection: an open one notices that at once, and
//! keeps its slot when the server has none left. `engine::database` decides when to query.

pub(crate) mod authorities;
pub mod config;
mod errors;
mod tls_mode;

use std::future::pending;

use secrecy::ExposeSecret;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_postgres::config::SslMode;
use tokio_postgres::{Client, Connection, Error, NoTls, SimpleQueryMessage};
use tokio_postgres_rustls::MakeRustlsConnect;

use self::authorities::AuthoritiesSender;
use super::SourceError;
use crate::sources::postgres::config::PostgresConfig;

/// A client of one PostgreSQL server.
pub struct Postgres {
    config: PostgresConfig,
    /// `None` = no TLS.
    tls: Option<watch::Receiver<MakeRustlsConnect>>,
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
    /// Connects at the first query.
    #[must_use]
    pub fn new(config: PostgresConfig) -> Self {
        Self::reloadable(config).0
    }

    /// With the means to replace the certificate authorities of later connections; `None` without TLS.
    pub(crate) fn reloadable(config: PostgresConfig) -> (Self, Option<AuthoritiesSender>) {
        let (sender, tls) = config.tls.as_ref().map(AuthoritiesSender::new).unzip();
        (Self { config, tls, session: None }, sender)
    }

    /// Queries `max_connections`, within the configured time limit.
    ///
    /// # Errors
    /// The server cannot be reached, refuses, or its answer cannot be read; the next query reconnects.
    pub async fn max_connections(&mut self) -> Result<i64, SourceError> {
        let limit = self.config.timeout;
        let timed_out = SourceError::TimedOut { server: self.server(), limit, advice: errors::RUNNING };
        let answer = timeout(limit, self.query()).await.unwrap_or(Err(timed_out));
        if answer.is_err() {
            self.session = None;
        }
        answer
    }

    async fn query(&mut self) -> Result<i64, SourceError> {
        let session = match self.session.take() {
            Some(session) => session,
            None => self.connect().await.map_err(|error| errors::not_connected(self.server(), &error))?,
        };
        let session = self.session.insert(session);
        let answer = session.client.simple_query("SHOW max_connections").await;
        let answer = answer.map_err(|error| errors::failed(self.server(), &error))?;
        let row = answer.iter().find_map(|message| match message {
            SimpleQueryMessage::Row(row) => row.get(0),
            _ => None,
        });
        let number = row.and_then(|text| text.trim().parse().ok()).filter(|number| *number > 0);
        number.ok_or_else(|| SourceError::BadReply {
            server: self.server(),
            problem: "its answer to SHOW max_connections is not a number above 0".to_owned(),
        })
    }

    fn server(&self) -> String {
        format!("PostgreSQL at {}", self.config.place())
    }

    /// Completes when the open connection ends; never while there is none.
    pub async fn closed(&mut self) {
        let Some(session) = &mut self.session else { return pending().await };
        // A panic of the driver ends the connection too.
        let _ = (&mut session.driver).await;
        self.session = None;
    }

    /// The server's version, if a connection is open and the server reported it.
    #[must_use]
    pub fn version(&self) -> Option<&str> {
        self.session.as_ref()?.version.as_deref()
    }

    async fn connect(&self) -> Result<Session, Error> {
        let config = self.library_config();
        let tls = self.tls.as_ref().map(|tls| tls.borrow().clone());
        match tls {
            None => config.connect(NoTls).await.map(|(client, connection)| drive(client, connection)),
            Some(tls) => config.connect(tls).await.map(|(client, connection)| drive(client, connection)),
        }
    }

    fn library_config(&self) -> tokio_postgres::Config {
        let PostgresConfig { host, port, database, user, password, application, timeout, .. } = &self.config;
        let mut config = tokio_postgres::Config::new();
        config.host(host).port(*port).dbname(database).user(user).application_name(application);
        config.connect_timeout(*timeout);
        config.ssl_mode(match &self.config.tls {
            None => SslMode::Disable,
            Some(tls) if tls.optional => SslMode::Prefer,
            Some(_) => SslMode::Require,
        });
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
    // The next query reports why a connection ended.
    let driver = tokio::spawn(async move { drop(connection.await) });
    Session { client, version, driver }
}
