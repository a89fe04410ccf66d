//! Access control: the tokens and the TLS identity in use, reloaded when their files change.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ServerConfig;
use secrecy::SecretString;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::auth::Tokens;
use super::config::{AccessConfig, tokens};
use super::gate::{AccessRule, AllowedNames};
use crate::base::clock::{Clock, SystemClock, UnixSeconds};
use crate::base::file_watch::FileWatcher;
use crate::base::files;
use crate::telemetry::Telemetry;
use crate::telemetry::http::WatchedFiles;
use crate::tls::file_error::lines;
use crate::tls::server::{self, Identity, TlsFiles};

/// Token and TLS files are watched until it is dropped.
#[derive(Debug)]
pub struct AccessControl {
    rule: AccessRule,
    tls: Option<watch::Receiver<Arc<ServerConfig>>>,
    _watchers: JoinSet<()>,
}

impl AccessControl {
    /// Loads the files and begins to watch them; needs a runtime.
    ///
    /// # Errors
    /// A file has become invalid since the configuration was read.
    pub fn start(config: &AccessConfig, telemetry: &Arc<Telemetry>) -> anyhow::Result<Self> {
        let mut watchers = JoinSet::new();
        let tokens = match &config.token_file {
            Some(path) => watch_tokens(path.clone(), telemetry, &mut watchers).map_err(joined)?,
            None => config.tokens.clone().into(),
        };
        let tls = config.tls.as_ref().map(|files| watch_identity(files.clone(), telemetry, &mut watchers));
        let tls = tls.transpose().map_err(joined)?;
        Ok(Self { rule: AccessRule::new(tokens, config.needs_certificate()), tls, _watchers: watchers })
    }

    /// Open to everybody, with this TLS configuration.
    #[cfg(test)]
    pub(super) fn with_tls(tls: Option<watch::Receiver<Arc<ServerConfig>>>) -> Self {
        Self { rule: AccessRule::new(Vec::new().into(), false), tls, _watchers: JoinSet::new() }
    }

    /// What a request needs; its tokens follow the file.
    #[must_use]
    pub fn rule(&self) -> AccessRule {
        self.rule.clone()
    }

    /// Only for clients whose certificate has one of these names, and is of these authorities (PEM) instead of those of a file. Until there are any, nobody is let in.
    pub fn for_clients(mut self, names: AllowedNames, authorities: Option<watch::Receiver<Option<Vec<u8>>>>) -> Self {
        self.rule = self.rule.with_names(names);
        if let Some((own, authorities)) = self.tls.clone().zip(authorities) {
            let (sender, identity) = watch::channel(Arc::clone(&own.borrow()));
            self.tls = Some(identity);
            self._watchers.spawn(trust(own, authorities, sender));
        }
        self
    }

    /// The configuration of the next handshake; `None` = plain HTTP.
    pub(super) fn tls(&self) -> Option<Arc<ServerConfig>> {
        self.tls.as_ref().map(|identity| Arc::clone(&identity.borrow()))
    }

    /// Completes when another configuration has taken the place of this one; without TLS never.
    #[cfg(feature = "keda")]
    pub(super) async fn replaced(&self, accepted: &Arc<ServerConfig>) {
        if let Some(mut identity) = self.tls.clone()
            && identity.wait_for(|now| !Arc::ptr_eq(accepted, now)).await.is_ok()
        {
            return;
        }
        std::future::pending().await
    }

    /// The same without a token, for clients that cannot send one.
    #[cfg(feature = "keda")]
    #[must_use]
    pub fn certificate_rule(&self) -> AccessRule {
        self.rule.without_tokens()
    }
}

/// Sends a configuration of the certificate and the authorities of the day, until either no longer changes.
async fn trust(
    mut own: watch::Receiver<Arc<ServerConfig>>,
    mut authorities: watch::Receiver<Option<Vec<u8>>>,
    sender: watch::Sender<Arc<ServerConfig>>,
) {
    loop {
        let config = Arc::clone(&own.borrow_and_update());
        let trusting = authorities.borrow_and_update().as_deref().map(|pem| server::trusting(&config, pem));
        match trusting.transpose() {
            Ok(trusting) => drop(sender.send_replace(trusting.unwrap_or(config))),
            Err(problem) => tracing::warn!(problem, "authorities of clients not used; the previous ones stay"),
        }
        let changed = tokio::select! {
            changed = own.changed() => changed,
            changed = authorities.changed() => changed,
        };
        if changed.is_err() {
            return;
        }
    }
}

fn joined(errors: Vec<String>) -> anyhow::Error {
    anyhow::anyhow!(errors.join("; "))
}

fn watch_tokens(path: PathBuf, telemetry: &Arc<Telemetry>, watchers: &mut JoinSet<()>) -> Result<Tokens, Vec<String>> {
    let file = path.clone();
    let (watcher, first) = FileWatcher::begin(vec![path], move || read_tokens(&file))?;
    let (sender, tokens) = Tokens::channel(first);
    let telemetry = Arc::clone(telemetry);
    telemetry.register_watched_files(WatchedFiles::Tokens);
    watchers.spawn(watcher.follow(move |loaded| {
        let errors = loaded.as_ref().err().map(Vec::as_slice);
        telemetry.files_reloaded(WatchedFiles::Tokens, errors, SystemClock.now());
        if let Ok(tokens) = loaded {
            tracing::info!(tokens = tokens.len(), "METRICS_AUTH_TOKEN_FILE reloaded");
            sender.replace(tokens);
        }
    }));
    Ok(tokens)
}

fn read_tokens(path: &Path) -> Result<Vec<SecretString>, Vec<String>> {
    let error = |problem: String| vec![format!("METRICS_AUTH_TOKEN_FILE {path:?}: {problem}")];
    let bytes = files::read(path).map_err(error)?;
    let text = std::str::from_utf8(files::without_mark(&bytes)).map_err(|_| error("is not UTF-8".to_owned()))?;
    tokens(text).map_err(error)
}

fn watch_identity(
    files: TlsFiles,
    telemetry: &Arc<Telemetry>,
    watchers: &mut JoinSet<()>,
) -> Result<watch::Receiver<Arc<ServerConfig>>, Vec<String>> {
    let (watcher, first) = FileWatcher::begin(files.paths(), move || server::load(&files).map_err(lines))?;
    let telemetry = Arc::clone(telemetry);
    telemetry.register_watched_files(WatchedFiles::Tls);
    telemetry.set_certificate(certificate(&first), SystemClock.now());
    let (sender, identity) = watch::channel(first.config);
    watchers.spawn(watcher.follow(move |loaded| {
        let errors = loaded.as_ref().err().map(Vec::as_slice);
        telemetry.files_reloaded(WatchedFiles::Tls, errors, SystemClock.now());
        if let Ok(identity) = loaded {
            let name = identity.certificate.as_ref().map(|certificate| certificate.name.as_str());
            tracing::info!(name, "TLS files reloaded: used from the next connection on");
            telemetry.set_certificate(certificate(&identity), SystemClock.now());
            sender.send_replace(identity.config);
        }
    }));
    Ok(identity)
}

/// Name and end of the certificate, as far as they can be read.
fn certificate(identity: &Identity) -> Option<(String, UnixSeconds)> {
    identity.certificate.as_ref().map(|certificate| (certificate.name.clone(), certificate.not_after))
}

#[cfg(test)]
pub(super) mod tests {
    use std::time::Duration;

    use rustls::server::ResolvesServerCertUsingSni;
    use tokio::time::timeout;

    use super::*;
    use crate::tls::ring;
    use crate::tls::tests::authority;

    /// A configuration of no certificate.
    pub(in crate::outlets::http) fn tls() -> Arc<ServerConfig> {
        let builder = ServerConfig::builder_with_provider(ring()).with_safe_default_protocol_versions().unwrap();
        Arc::new(builder.with_no_client_auth().with_cert_resolver(Arc::new(ResolvesServerCertUsingSni::new())))
    }

    /// Whether another configuration comes into use.
    async fn changes(control: &mut AccessControl) -> bool {
        timeout(Duration::from_secs(1), control.tls.as_mut().unwrap().changed()).await.is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn authorities_are_trusted_from_their_publication_on_and_invalid_ones_change_nothing() {
        let (first, renewed) = (tls(), tls());
        let (own, identity) = watch::channel(Arc::clone(&first));
        let (publish, authorities) = watch::channel(None);
        let names = watch::channel(Arc::from([])).1;
        let mut control = AccessControl::with_tls(Some(identity)).for_clients(names, Some(authorities));
        let is = |control: &AccessControl, config| Arc::ptr_eq(&control.tls().unwrap(), config);
        assert!(changes(&mut control).await && is(&control, &first), "nobody is known yet");

        publish.send_replace(Some(authority()));
        assert!(changes(&mut control).await && !is(&control, &first));
        let trusting = control.tls().unwrap();
        publish.send_replace(Some(b"garbage".to_vec()));
        assert!(!changes(&mut control).await && is(&control, &trusting), "the previous ones stay");

        publish.send_replace(Some(authority()));
        own.send_replace(Arc::clone(&renewed));
        assert!(changes(&mut control).await && !is(&control, &trusting) && !is(&control, &renewed));
        publish.send_replace(None);
        assert!(changes(&mut control).await && is(&control, &renewed));
    }

    #[tokio::test(start_paused = true)]
    async fn without_published_authorities_those_of_the_files_stay_and_a_certificate_is_needed_all_the_same() {
        let (_own, identity) = watch::channel(tls());
        let control = AccessControl::with_tls(Some(identity));
        assert!(!format!("{:?}", control.rule()).contains("needs_certificate: true"));
        let before = control.tls().unwrap();
        let control = control.for_clients(watch::channel(Arc::from([])).1, None);
        assert!(format!("{:?}", control.rule()).contains("needs_certificate: true"));
        assert!(Arc::ptr_eq(&control.tls().unwrap(), &before));
    }

    #[cfg(feature = "keda")]
    #[tokio::test(start_paused = true)]
    async fn a_configuration_is_replaced_by_another_one_and_without_tls_never() {
        let (first, second) = (tls(), tls());
        let (own, identity) = watch::channel(Arc::clone(&first));
        let control = AccessControl::with_tls(Some(identity));
        let replaced = async |config| timeout(Duration::from_secs(60), control.replaced(config)).await.is_ok();
        assert!(!replaced(&first).await && replaced(&second).await);
        own.send_replace(Arc::clone(&first));
        assert!(!replaced(&first).await, "the same again");
        own.send_replace(Arc::clone(&second));
        assert!(replaced(&first).await);
        drop(own);
        let plain = AccessControl::with_tls(None);
        assert!(timeout(Duration::from_secs(60), plain.replaced(&first)).await.is_err());
    }

    #[test]
    fn a_token_file_may_begin_with_a_byte_order_mark_and_its_errors_name_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tokens");
        std::fs::write(&file, b"\xef\xbb\xbfhunter2\nhunter3\n").unwrap();
        let tokens: Tokens = read_tokens(&file).unwrap().into();
        let admits = |token: &str| {
            let value = format!("Bearer {token}").parse().unwrap();
            tokens.admit(&axum::http::HeaderMap::from_iter([(axum::http::header::AUTHORIZATION, value)]))
        };
        assert!(admits("hunter2") && admits("hunter3") && !admits("hunter4"));
        std::fs::write(&file, b"hunter\xff").unwrap();
        let errors = read_tokens(&file).unwrap_err();
        assert!(errors[0].starts_with("METRICS_AUTH_TOKEN_FILE ") && errors[0].ends_with("is not UTF-8"), "{errors:?}");
        assert!(!errors[0].contains("hunter"), "{errors:?}");
    }
}
