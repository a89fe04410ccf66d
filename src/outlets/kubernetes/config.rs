//! Settings of the external metrics for Kubernetes.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::outlets::http::config::AccessConfig;
use crate::settings::{Setting, Settings, setting};
use crate::tls::file_error::lines;
use crate::tls::server::{self, TlsFiles};

const ENABLED: &Setting = setting("METRICS_EXTERNAL_METRICS");
const PORT: &Setting = setting("METRICS_EXTERNAL_METRICS_PORT");
const CLIENT_CA_FILE: &Setting = setting("METRICS_EXTERNAL_METRICS_CLIENT_CA_FILE");

/// Where the API server asks, and how it is known.
#[derive(Debug, Clone)]
pub struct KubernetesConfig {
    pub address: SocketAddr,
    /// The HTTP server's certificate, and the authority of the API server's front proxy.
    pub access: AccessConfig,
}

impl KubernetesConfig {
    /// Reads the settings; `Some(None)` = off, `None` = something is wrong, which is recorded.
    pub fn read(
        settings: &mut Settings,
        http: Option<SocketAddr>,
        access: Option<&AccessConfig>,
    ) -> Option<Option<Self>> {
        let enabled: bool = settings.get(ENABLED)?;
        let port: u16 = settings.get(PORT)?;
        let authority = settings.text(CLIENT_CA_FILE).map(PathBuf::from);
        if !enabled {
            return Some(None);
        }
        if authority.is_none() {
            settings.missing(CLIENT_CA_FILE, "METRICS_EXTERNAL_METRICS=1 trusts only the API server's front proxy");
        }
        let Some(own) = access?.tls.clone() else {
            settings.error("METRICS_EXTERNAL_METRICS=1 needs TLS: set METRICS_TLS_CERT_FILE and METRICS_TLS_KEY_FILE");
            return None;
        };
        let files = TlsFiles { client_ca: Some(authority?), client_ca_variable: CLIENT_CA_FILE.variable(), ..own };
        settings.ok_or_record(server::load(&files).map_err(lines), &[CLIENT_CA_FILE])?;
        let access = AccessConfig { tls: Some(files), ..AccessConfig::default() };
        Some(Some(Self { address: SocketAddr::new(http?.ip(), port), access }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn errors(variables: &[(&str, &str)]) -> Vec<String> {
        let mut settings = Settings::from_environment(variables.iter().copied());
        let http = "127.0.0.1:8090".parse().ok();
        let config = KubernetesConfig::read(&mut settings, http, Some(&AccessConfig::default()));
        assert!(config.flatten().is_none());
        settings.into_errors().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn it_is_off_by_default_and_needs_tls_and_the_front_proxys_authority() {
        assert!(errors(&[]).is_empty());
        let errors = errors(&[("METRICS_EXTERNAL_METRICS", "1")]);
        assert!(errors[0].starts_with("METRICS_EXTERNAL_METRICS_CLIENT_CA_FILE is not set"), "{errors:?}");
        assert!(errors[1].contains("METRICS_TLS_CERT_FILE"), "{errors:?}");
    }
}
