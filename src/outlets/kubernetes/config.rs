//! Settings of the external metrics for Kubernetes.

use std::net::SocketAddr;
use std::path::PathBuf;

use url::Url;

use super::cluster::{Cluster, ClusterConfig};
use crate::base::files;
use crate::outlets::http::config::AccessConfig;
use crate::settings::{Setting, Settings, setting};
use crate::tls::file_error::lines;
use crate::tls::server::{self, TlsFiles};

const ENABLED: &Setting = setting("METRICS_EXTERNAL_METRICS");
const PORT: &Setting = setting("METRICS_EXTERNAL_METRICS_PORT");
const CLIENT_CA_FILE: &Setting = setting("METRICS_EXTERNAL_METRICS_CLIENT_CA_FILE");
const ALLOWED_NAMES: &Setting = setting("METRICS_EXTERNAL_METRICS_ALLOWED_NAMES");
const AUTHORIZE: &Setting = setting("METRICS_EXTERNAL_METRICS_AUTHORIZE");
const API_SERVER: &Setting = setting("METRICS_EXTERNAL_METRICS_API_SERVER");
const ACCOUNT: &Setting = setting("METRICS_EXTERNAL_METRICS_SERVICE_ACCOUNT_DIR");

/// Where the API server asks, and how it is known.
#[derive(Debug, Clone)]
pub struct KubernetesConfig {
    pub address: SocketAddr,
    /// The HTTP server's certificate, and the authority of the API server's front proxy where a file names it.
    pub access: AccessConfig,
    /// Common names that the front proxy's certificate may have; `None` = those that the cluster publishes.
    pub names: Option<Vec<String>>,
    /// Whether each request is authorized by the cluster too.
    pub authorizes: bool,
    /// `None` where the cluster need not be asked for anything.
    pub cluster: Option<ClusterConfig>,
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
        let authorizes: bool = settings.get(AUTHORIZE)?;
        let authority = settings.text(CLIENT_CA_FILE).map(PathBuf::from);
        let names = names(settings);
        let cluster = read_cluster(settings);
        if !enabled {
            return Some(None);
        }
        let needs_cluster = authorizes || authority.is_none();
        let cluster = if needs_cluster { Some(checked(settings, cluster?, authority.is_none())?) } else { None };
        let access = read_access(settings, access?, authority)?;
        Some(Some(Self { address: SocketAddr::new(http?.ip(), port), access, names, authorizes, cluster }))
    }

    /// A client of the cluster, if it has to be asked for anything.
    ///
    /// # Errors
    /// The service account's CA has become invalid since the configuration was read.
    pub fn client(&self) -> anyhow::Result<Option<Cluster>> {
        let cluster = self.cluster.clone().map(|config| Cluster::new(config, ACCOUNT.variable()));
        Ok(cluster.transpose()?)
    }

    /// Whether the front proxy's authorities come from the cluster.
    #[must_use]
    pub fn trusts_the_cluster(&self) -> bool {
        !self.access.needs_certificate()
    }
}

/// `None` where none are given: any name is accepted then, or those that the cluster publishes.
fn names(settings: &mut Settings) -> Option<Vec<String>> {
    let list = settings.text(ALLOWED_NAMES)?;
    Some(list.split(',').map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect())
}

fn read_cluster(settings: &mut Settings) -> Option<ClusterConfig> {
    let account = PathBuf::from(settings.text(ACCOUNT)?);
    match Url::parse(&settings.text(API_SERVER)?) {
        Ok(server) if server.scheme() == "https" && server.host().is_some() => Some(ClusterConfig { server, account }),
        _ => {
            settings.reject(API_SERVER, "is not an https URL");
            None
        }
    }
}

/// The configuration of a cluster whose service account can be read.
fn checked(settings: &mut Settings, cluster: ClusterConfig, for_authorities: bool) -> Option<ClusterConfig> {
    if let Err(problem) = files::read(&cluster.token_file()) {
        if for_authorities {
            settings.missing(
                CLIENT_CA_FILE,
                "outside of a cluster METRICS_EXTERNAL_METRICS=1 needs the CA of the front proxy",
            );
        }
        settings.reject(ACCOUNT, &format!("holds no token of a service account: token {problem}"));
        return None;
    }
    let client = Cluster::new(cluster.clone(), ACCOUNT.variable()).map_err(|error| vec![error.to_string()]);
    settings.ok_or_record(client, &[ACCOUNT]).map(|_| cluster)
}

/// TLS with the server's own certificate, for clients of the authority if a file names it.
fn read_access(settings: &mut Settings, access: &AccessConfig, authority: Option<PathBuf>) -> Option<AccessConfig> {
    let Some(own) = access.tls.clone() else {
        settings.error("METRICS_EXTERNAL_METRICS=1 needs TLS: set METRICS_TLS_CERT_FILE and METRICS_TLS_KEY_FILE");
        return None;
    };
    let files = TlsFiles { client_ca: authority, client_ca_variable: CLIENT_CA_FILE.variable(), ..own };
    settings.ok_or_record(server::load(&files).map_err(lines), &[CLIENT_CA_FILE])?;
    Some(AccessConfig { tls: Some(files), ..AccessConfig::default() })
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
    fn it_is_off_by_default_and_needs_the_front_proxys_authority_and_tls() {
        assert!(errors(&[]).is_empty());
        let outside = errors(&[("METRICS_EXTERNAL_METRICS", "1")]);
        assert!(outside[0].starts_with("METRICS_EXTERNAL_METRICS_CLIENT_CA_FILE is not set"), "{outside:?}");
        let plain = [("METRICS_EXTERNAL_METRICS", "1"), ("METRICS_EXTERNAL_METRICS_CLIENT_CA_FILE", "ca.pem")];
        assert!(errors(&plain)[0].contains("METRICS_TLS_CERT_FILE"), "{:?}", errors(&plain));
    }

    #[test]
    fn to_authorize_it_needs_a_service_account_and_https() {
        let on = [("METRICS_EXTERNAL_METRICS", "1"), ("METRICS_EXTERNAL_METRICS_AUTHORIZE", "1")];
        let file = ("METRICS_EXTERNAL_METRICS_CLIENT_CA_FILE", "ca.pem");
        let errors_of = errors(&[on[0], on[1], file]);
        assert!(errors_of[0].contains("holds no token of a service account"), "{errors_of:?}");
        let plain = errors(&[on[0], on[1], file, ("METRICS_EXTERNAL_METRICS_API_SERVER", "http://kubernetes")]);
        assert!(plain[0].contains("is not an https URL"), "{plain:?}");
    }

    #[test]
    fn allowed_names_are_a_list_and_without_one_any_name_is_allowed() {
        let list = |text| names(&mut Settings::from_environment([("METRICS_EXTERNAL_METRICS_ALLOWED_NAMES", text)]));
        assert_eq!(list(" front-proxy , ,b,"), Some(vec!["front-proxy".to_owned(), "b".to_owned()]));
        assert_eq!(names(&mut Settings::from_environment([("A", "b")])), None);
    }
}
