//! The front door as a whole: the tokens and the TLS identity in force, kept up to date with their files.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ServerConfig;
use secrecy::SecretString;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::auth::Tokens;
use crate::base::clock::UnixSeconds;
use crate::base::clock::{Clock, SystemClock};
use crate::base::file_watch::FileWatcher;
use crate::base::files;
use crate::outlets::http::config::{AccessConfig, tokens};
use crate::telemetry::Telemetry;
use crate::telemetry::http::WatchedFiles;
use crate::tls::server::{self, Identity, TlsFiles, Validity};

/// What is in force; files are followed until it is dropped.
#[derive(Debug)]
pub struct AccessControl {
    tokens: Tokens,
    tls: Option<watch::Receiver<Arc<ServerConfig>>>,
    needs_certificate: bool,
    _following: JoinSet<()>,
}

impl AccessControl {
    /// Opens it as configured; needs a runtime.
    ///
    /// # Errors
    /// A file that could be used a moment ago cannot any more.
    pub fn open(config: &AccessConfig, telemetry: &Arc<Telemetry>) -> anyhow::Result<Self> {
        let mut following = JoinSet::new();
        let tokens = match &config.token_file {
            Some(path) => follow_tokens(path.clone(), telemetry, &mut following).map_err(told)?,
            None => config.tokens.clone().into(),
        };
        let tls = config.tls.as_ref().map(|files| follow_identity(files.clone(), telemetry, &mut following));
        let tls = tls.transpose().map_err(told)?;
        Ok(Self { tokens, tls, needs_certificate: config.needs_certificate(), _following: following })
    }

    /// The accepted tokens.
    #[must_use]
    pub fn tokens(&self) -> Tokens {
        self.tokens.clone()
    }

    /// Whether routes besides health need a client certificate.
    #[must_use]
    pub const fn needs_certificate(&self) -> bool {
        self.needs_certificate
    }

    /// The configuration of the next handshake; `None` = plain HTTP.
    pub(super) fn tls(&self) -> Option<Arc<ServerConfig>> {
        self.tls.as_ref().map(|identity| Arc::clone(&identity.borrow()))
    }
}

fn told(problems: Vec<String>) -> anyhow::Error {
    anyhow::anyhow!(problems.join("; "))
}

fn follow_tokens(
    path: PathBuf,
    telemetry: &Arc<Telemetry>,
    following: &mut JoinSet<()>,
) -> Result<Tokens, Vec<String>> {
    let file = path.clone();
    let (followed, first) = FileWatcher::begin(vec![path], move || read_tokens(&file))?;
    let (keeper, tokens) = Tokens::followed(first);
    let telemetry = Arc::clone(telemetry);
    telemetry.register_watched_files(WatchedFiles::Tokens);
    following.spawn(followed.follow(move |heard| {
        telemetry.files_reloaded(WatchedFiles::Tokens, heard.is_ok());
        match heard {
            Ok(tokens) => {
                tracing::info!(tokens = tokens.len(), "METRICS_AUTH_TOKEN_FILE has changed: these are accepted now");
                keeper.replace(tokens);
            }
            Err(problems) => kept(&problems, "the tokens before it stay"),
        }
    }));
    Ok(tokens)
}

fn read_tokens(path: &Path) -> Result<Vec<SecretString>, Vec<String>> {
    let told = |what: String| vec![format!("METRICS_AUTH_TOKEN_FILE {path:?}: {what}")];
    let bytes = files::read(path).map_err(told)?;
    let text = String::from_utf8(bytes).map_err(|_| told("is not UTF-8".to_owned()))?;
    tokens(&text).map_err(told)
}

fn follow_identity(
    files: TlsFiles,
    telemetry: &Arc<Telemetry>,
    following: &mut JoinSet<()>,
) -> Result<watch::Receiver<Arc<ServerConfig>>, Vec<String>> {
    let (followed, first) = FileWatcher::begin(files.paths(), move || server::load(&files))?;
    let telemetry = Arc::clone(telemetry);
    telemetry.register_watched_files(WatchedFiles::Tls);
    comes_into_use(&first, &telemetry, SystemClock.now());
    let (keeper, identity) = watch::channel(first.config);
    following.spawn(followed.follow(move |heard| {
        telemetry.files_reloaded(WatchedFiles::Tls, heard.is_ok());
        match heard {
            Ok(identity) => {
                let name = identity.certificate.as_ref().map(|certificate| certificate.name.as_str());
                tracing::info!(name, "the TLS files have changed: they serve from the next connection on");
                comes_into_use(&identity, &telemetry, SystemClock.now());
                keeper.send_replace(identity.config);
            }
            Err(problems) => kept(&problems, "the TLS identity before it stays"),
        }
    }));
    Ok(identity)
}

/// Notes when its certificate ends, and warns if that is past; later the metric tells.
fn comes_into_use(identity: &Identity, telemetry: &Telemetry, now: UnixSeconds) {
    telemetry.set_certificate_expiry(identity.certificate.as_ref().map(|certificate| certificate.not_after));
    let Some(Validity { name, not_after, .. }) = &identity.certificate else { return };
    if now >= *not_after {
        tracing::error!(name, "the certificate in METRICS_TLS_CERT_FILE has ended: clients will refuse it");
    }
}

fn kept(problems: &[String], consequence: &str) {
    for problem in problems {
        tracing::error!(problem, "{consequence}: what a file holds now cannot be used");
    }
}
