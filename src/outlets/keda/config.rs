//! Settings of KEDA's external scaler.

use std::net::SocketAddr;

use crate::settings::{Setting, Settings, setting};

const PORT: &Setting = setting("METRICS_KEDA_PORT");

/// Why a port cannot be served in this build.
#[cfg(not(feature = "keda"))]
const NOT_BUILT: &str = "this build is without the cargo feature keda, and METRICS_KEDA_PORT needs it";

/// Where the scaler listens: on the HTTP server's address, with its TLS and the authorities of its clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KedaConfig {
    pub address: SocketAddr,
}

impl KedaConfig {
    /// Reads the port; `Some(None)` = off, `None` = something is wrong, which is recorded.
    pub fn read(settings: &mut Settings, http: Option<SocketAddr>) -> Option<Option<Self>> {
        if settings.text(PORT).is_none() {
            return Some(None);
        }
        let port: u16 = settings.get(PORT)?;
        #[cfg(not(feature = "keda"))]
        settings.error(NOT_BUILT);
        let http = http?;
        if port == http.port() && port != 0 {
            settings.reject(PORT, "is METRICS_PORT too: the two servers need different ports");
            return None;
        }
        Some(Some(Self { address: SocketAddr::new(http.ip(), port) }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(port: &str) -> (Option<Option<KedaConfig>>, Vec<String>) {
        let mut settings = Settings::from_environment([("METRICS_KEDA_PORT", port)]);
        let config = KedaConfig::read(&mut settings, Some("127.0.0.1:8090".parse().unwrap()));
        (config, settings.into_errors().iter().map(ToString::to_string).collect())
    }

    #[test]
    #[cfg(feature = "keda")]
    fn it_listens_on_the_address_of_the_http_server_and_only_where_its_port_is_set() {
        assert_eq!(read("").0, Some(None));
        assert_eq!(read("9666").0, Some(Some(KedaConfig { address: "127.0.0.1:9666".parse().unwrap() })));
    }

    #[test]
    fn a_port_that_is_taken_or_none_is_an_error() {
        for (port, problem) in [("8090", "is METRICS_PORT too"), ("66666", "accepted")] {
            let (_, errors) = read(port);
            let is_named = |error: &String| error.starts_with("METRICS_KEDA_PORT") && error.contains(problem);
            assert!(errors.iter().any(is_named), "{errors:?}");
        }
    }
}
